"""Settings come from rag.toml, the environment and flags, in that order; a wrong one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.config import Config
from rag.engines import ENGINES
from rag.errors import ConfigError


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_flag_beats_the_environment_which_beats_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("rag.toml").write_text("top_k = 5\nport = 9000\nmodel = 'a'\n", encoding="utf-8")
    monkeypatch.setenv("RAG_TOP_K", "6")
    monkeypatch.setenv("RAG_PORT", "9001")
    config = Config(top_k="7")
    assert (config.top_k, config.port, config.model) == (7, 9001, "a")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("RAG_TOP_K", "many", r"^RAG_TOP_K='many' is not valid: .*integer"),
        ("RAG_TPO_K", "3", r"^RAG_TPO_K is not a setting; did you mean RAG_TOP_K\?$"),
        ("RAG_LOW_BIT", "int4", r"^RAG_LOW_BIT='int4' is not valid: .*sym_int4"),
        ("RAG_LOW_BIT", "nf4", r"^RAG_LOW_BIT='nf4' is not valid: ipex-llm's CPU .* multiply .*or sym_int8$"),
        ("RAG_LOW_BIT", "mixed_fp8", r"^RAG_LOW_BIT='mixed_fp8' is not valid: it mixes types"),
        ("RAG_LOW_BIT", "bf16", r"^RAG_LOW_BIT='bf16' is not valid: it keeps whole floats"),
        ("RAG_LOW_BIT", "woq_int4", r"^RAG_LOW_BIT='woq_int4' is not valid: .*same bytes as sym_int4"),
        ("RAG_PORT", "0", r"^RAG_PORT='0' is not valid"),
        ("rag_top_k", "9999", r"^rag_top_k='9999' is not valid"),
        ("RAG_PASSWORDS", "secret", r'^RAG_PASSWORDS is not valid: write it as \["one", "two"\]$'),
    ],
)
def test_a_wrong_variable_is_named(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=message):
        Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tpo_k = 3", r"^rag.toml: 'tpo_k' is not a setting; did you mean top_k\?$"),
        ("top_k = 'many'", r"^rag.toml: top_k='many' is not valid"),
        ("top_k 3", r"^rag.toml cannot be read: .*line 1"),
    ],
)
def test_a_wrong_line_of_the_file_is_named(text: str, message: str) -> None:
    Path("rag.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        Config()


def test_a_wrong_flag_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^top_k=0 is not valid"):
        Config(top_k=0)


def test_every_engine_can_be_chosen() -> None:
    for engine in ENGINES:
        assert Config(engine=engine).engine == engine


def test_the_hash_tells_answers_apart_and_ignores_places() -> None:
    assert Config(port=1).hash == Config(port=2, data_dir="x").hash
    assert Config(top_k=3).hash != Config(top_k=4).hash


def test_an_empty_variable_is_none_and_an_empty_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "DATA_DIR", "INDEX_DIR", "PASSWORDS", "TOP_K", "MODEL"):
        monkeypatch.setenv(f"RAG_{name}", "")
    config = Config()
    assert (config.host, config.data_dir, config.index_dir) == ("127.0.0.1", Path("data"), Path("index"))
    for name in ("host", "data_dir", "index_dir", "models_dir", "model", "embedder"):
        with pytest.raises(ConfigError, match=f"^{name}='' is not valid: "):
            Config(**{name: ""})


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("rag.toml").write_text('\ufeffindex_dir = "~/kept"\n', encoding="utf-8")  # with an editor's mark
    assert Config(data_dir="~/papers").data_dir == tmp_path / "papers"
    assert Config().index_dir == tmp_path / "kept"
    with pytest.raises(
        ConfigError, match=r"^data_dir='~no-such-user/x' is not valid: it begins with ~ and no"
    ):
        Config(data_dir="~no-such-user/x")
