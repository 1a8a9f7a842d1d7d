"""Files of a model on disk: manifest, hashes, free space, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rag.datatypes import Progress, ProgressCallback
from rag.errors import DiskError, ModelError

MANIFEST: Final = "kaoju.json"
FORMAT: Final = 1
CHUNK: Final = 1 << 20  # bytes
REPORT_EVERY: Final = 0.1  # seconds
SPARE: Final = 64_000_000  # bytes left free on the disk
PICKLED: Final = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file of a model; `path` is below its folder, with forward slashes."""

    path: str
    size: int  # bytes
    sha256: str = ""  # "" while unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a fetched folder holds and where it came from; written last, so that it stands for "whole"."""

    name: str
    source: str
    files: tuple[ModelFile, ...]

    def write(self, folder: Path) -> None:
        """Write it into `folder` in one step."""
        partial = folder / f"{MANIFEST}.partial"
        partial.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of `folder` when every file it lists is there in full size, else None."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = tuple(ModelFile(**file) for file in found["files"])
        whole = all((folder / file.path).stat().st_size == file.size for file in files)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole or found.get("format") != FORMAT:
        return None
    return Manifest(name=found["name"], source=found["source"], files=files)


class Meter:
    """Reports bytes as they come, at most ten times a second."""

    def __init__(self, progress: ProgressCallback, stage: str, total: int | None) -> None:
        self._progress = progress
        self._stage = stage
        self._total = total
        self._reported = 0.0

    def show(self, done: int, item: str = "") -> None:
        """Report `done` bytes, unless a report went out just now."""
        if time.monotonic() - self._reported >= REPORT_EVERY:
            self.force(done, item)

    def force(self, done: int, item: str = "") -> None:
        """Report `done` bytes in any case."""
        self._reported = time.monotonic()
        done = done if self._total is None else min(done, self._total)
        self._progress(Progress(stage=self._stage, done=done, total=self._total, unit="bytes", item=item))


def sha256_of(path: Path, show: Callable[[int], None] = lambda _done: None) -> str:
    """Return the sha256 of a file in hex; `show` gets the bytes read so far."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            done += len(block)
            show(done)
    return digest.hexdigest()


def verify(folder: Path, files: Sequence[ModelFile], progress: ProgressCallback) -> tuple[ModelFile, ...]:
    """Check sizes and known hashes and return the files with all hashes filled in.

    A file that is wrong is deleted, so that the next try fetches it again.

    Raises:
        ModelError: naming the first wrong file.
    """
    meter = Meter(progress, "checking", sum(file.size for file in files))
    done = 0
    checked = []
    for file in files:
        path = folder / file.path
        size = path.stat().st_size if path.is_file() else -1
        if size != file.size:
            path.unlink(missing_ok=True)
            raise ModelError(f"{file.path} has {max(size, 0)} bytes instead of {file.size}")
        base = done
        found = sha256_of(path, lambda read, base=base, file=file: meter.show(base + read, file.path))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        if file.sha256 and found != file.sha256:
            path.unlink()
            raise ModelError(f"{file.path} has the sha256 {found} instead of {file.sha256}")
        done += file.size
        checked.append(ModelFile(path=file.path, size=file.size, sha256=found))
    meter.force(done)
    return tuple(checked)


def inventory(folder: Path, *, without: str) -> tuple[ModelFile, ...]:
    """List every file below `folder` with its hash, but for the manifest and the file called `without`."""
    paths = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name not in {MANIFEST, without}
    )
    return tuple(
        ModelFile(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=sha256_of(path))
        for path in paths
    )


def bytes_below(folder: Path) -> int:
    """Return the size of all files below `folder`; those that vanish meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):  # unlike rglob it bears folders that vanish
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total


def require_free(folder: Path, needed: int) -> None:
    """Check that `needed` more bytes fit on the disk of `folder`, which must exist.

    Raises:
        DiskError: with how much there is and how much is missing.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise DiskError(
            f"{folder} needs {(needed + SPARE) / 1e9:.2f} GB free and its disk has {free / 1e9:.2f} GB;"
            " free some space or set RAG_MODELS_DIR to a folder on another disk"
        )


def refuse_custom_code(folder: Path, *, trusted: bool) -> None:
    """Check that the model in `folder` needs no Python code of its own, unless that is trusted.

    Raises:
        ModelError: when its config.json names code and `trusted` is false.
    """
    config = read_json(folder / "config.json")
    if config.get("auto_map") and not trusted:
        raise ModelError(
            "its config.json wants to run Python code that comes with it (auto_map); read that code, and set"
            " RAG_TRUST_REMOTE_CODE=true if you trust it"
        )


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a file holds; nothing where it is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def whole_model(folder: Path) -> bool:
    """Tell whether `folder` holds config.json, a tokenizer and every safetensors file its index names."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    index = read_json(folder / "model.safetensors.index.json").get("weight_map", {})
    shards = set(index.values()) or {"model.safetensors"}
    return "config.json" in names and shards <= names and any(is_tokenizer(name) for name in names)


def is_tokenizer(name: str) -> bool:
    """Tell whether a file of that name can be a whole tokenizer."""
    return name in {"tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "sentencepiece.bpe.model"}


def is_pickled(name: str) -> bool:
    """Tell whether a file of that name holds pickled weights."""
    return Path(name).suffix.lower() in PICKLED
