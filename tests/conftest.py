"""Settings that touch nothing of the user's, and in CI no test is skipped for want of a part."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from rag.config import Config
from rag.errors import ModelError
from rag.pipeline import Rag
from rag.setup import prepare

HERE = Path(__file__).parent
# LangChain's standard tests skip what a text-only model does not claim; the sample files are no part of us.
ALLOWED = ("langchain_tests", "../shared")


def pytest_configure() -> None:
    """Forget the settings of whoever runs the tests, before any fixture reads them."""
    for variable in [name for name in os.environ if name.upper().startswith("RAG_")]:
        del os.environ[variable]
    os.chdir(tempfile.mkdtemp(prefix="kaoju-tests-"))  # where there is no rag.toml
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children would ignore it


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Settings for the echo engine and the hashing embedder, in folders of the test's own."""
    (tmp_path / "data").mkdir()
    return Config(engine="echo", embedder="hashing", data_dir=tmp_path / "data", index_dir=tmp_path / "index")


@pytest.fixture
def write(config: Config) -> Callable[[str, str], Path]:
    """Write a document into the data folder."""

    def write_document(name: str, text: str) -> Path:
        path = config.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_document


@pytest.fixture
def rag(config: Config) -> Iterator[Rag]:
    with Rag(config) as rag:
        yield rag


@pytest.fixture(scope="session")
def real_config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Settings for the small real models over the sample documents, fetched and converted once."""
    config = Config(
        model="qwen2.5-coder-0.5b-instruct",
        embedder="multilingual-e5-small",
        engine="ipex",
        max_tokens=96,
        data_dir=HERE.parent / "data",
        index_dir=tmp_path_factory.mktemp("index"),
    )
    try:
        prepare(config, lambda _: None, notice=lambda _: None)
    except ModelError as exc:
        pytest.skip(f"real weights cannot be had: {exc}")
    return config


@pytest.fixture(scope="session")
def openvino_config(real_config: Config) -> Config:
    """The same for OpenVINO, which cannot read that GGUF file as it is, so that it is converted once."""
    config = real_config.model_copy(update={"engine": "openvino"})
    prepare(config, lambda _: None, notice=lambda _: None)
    return config


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    allowed = any(reason in str(report.longrepr) for reason in ALLOWED)
    if report.skipped and os.environ.get("CI") and not allowed:
        report.outcome = "failed"
        report.longrepr = f"in CI nothing is skipped for want of a part: {item.nodeid}: {report.longrepr}"
    return report
