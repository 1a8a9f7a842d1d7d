"""Arrays on disk under keys: a file each, checked when read, the least recently used first to go.

A key is the name of a model and of what it read, a slash between them: what another model read goes before
all else, since of two that take turns one is mostly gone for good.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

SUFFIX: Final = ".safetensors"
TORN: Final = ".torn"  # ends the name of a file that is being written
CHECKSUM: Final = "sha256"
TEXTS: Final = "text"  # the hashes of what was read, a space between two
RESERVE: Final = 500_000_000  # bytes that are left free on the disk


class Stored(NamedTuple):
    """A file of the store."""

    path: Path
    size: int  # bytes
    used: float  # when last, in seconds

    @property
    def model(self) -> str:
        return self.path.parent.name


class Store:
    """A folder that takes at most `budget` bytes; what is missing or damaged in it counts as not there.

    Any number of threads and processes may use it: a file is put in place whole, and never changed.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder = folder
        self._budget = budget

    def get(self, key: str) -> Arrays | None:
        """Return what was put under `key`; None where it is not there."""
        file = self._file(key)
        try:
            with safe_open(file, framework="np") as opened:
                arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
                whole = (opened.metadata() or {}).get(CHECKSUM) == _checksum(key, arrays)
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError):
            whole = False
        if not whole:
            self.drop(key)
            return None
        self.touch(key)
        return arrays

    def put(self, key: str, arrays: Arrays, *, texts: Iterable[str] = ()) -> None:
        """Store arrays under `key`, and of which texts they tell: see `keep_only`.

        A full or read-only disk is no fault, they are only made again.
        """
        file = self._file(key)
        size = sum(array.nbytes for array in arrays.values())
        if size > self._budget or file.exists():
            return
        torn = file.with_name(f"{file.name}.{os.getpid()}{TORN}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._make_room(size, file.parent.name)
            if not self._has_disk(size):
                return
            metadata = {CHECKSUM: _checksum(key, arrays), TEXTS: " ".join(map(_digest, texts))}
            save_file(dict(arrays), torn, metadata=metadata)
            torn.replace(file)
        except (OSError, SafetensorError):
            with suppress(OSError):
                torn.unlink(missing_ok=True)

    def touch(self, key: str) -> bool:
        """Note that something is used, and tell whether it is there."""
        with suppress(OSError):
            os.utime(self._file(key))
        return self.has(key)

    def has(self, key: str) -> bool:
        return self._file(key).exists()

    def has_room(self, size: int, *, model: str) -> bool:
        """Tell whether so many bytes can be put without another file of the model's going."""
        mine = sum(file.size for file in self._files() if file.model == model)
        return mine + size <= self._budget and self._has_disk(size - (self.size() - mine))

    def drop(self, key: str) -> None:
        with suppress(OSError):
            self._file(key).unlink()

    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(file.size for file in self._files())

    def _has_disk(self, size: int) -> bool:
        existing = next(each for each in (self.folder, *self.folder.absolute().parents) if each.is_dir())
        return disk_usage(existing).free >= size + RESERVE

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _files(self) -> list[Stored]:
        found: list[Stored] = []
        for path in self.folder.glob(f"*/*{SUFFIX}*"):
            with suppress(OSError):
                status = path.stat()
                found.append(Stored(path=path, size=status.st_size, used=status.st_mtime))
        return found

    def _make_room(self, size: int, model: str) -> None:
        """Delete files until so many bytes are within the budget; another model's also for want of disk."""
        files = sorted(self._files(), key=lambda file: (file.model == model, file.used))
        total = sum(file.size for file in files)
        others = sum(file.size for file in files if file.model != model)
        can_help = self._has_disk(size - others)
        for file in files:
            wanted = can_help and file.model != model and not self._has_disk(size)
            if total + size <= self._budget and not wanted:
                return
            with suppress(OSError):
                file.path.unlink()
                total -= file.size


def keep_only(folder: Path, texts: Iterable[str]) -> None:
    """Delete from a store what was read of any other text; what tells of none stays."""
    known = {_digest(text) for text in texts}
    for file in folder.glob(f"*/*{SUFFIX}"):
        with suppress(OSError):
            if not _texts_of(file) <= known:
                file.unlink()


def _texts_of(file: Path) -> set[str]:
    """Return the hashes of the texts that a file tells of; of a damaged one, one that no text has."""
    try:
        with safe_open(file, framework="np") as opened:
            return set((opened.metadata() or {}).get(TEXTS, "").split())
    except SafetensorError:
        return {""}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _checksum(key: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(key.encode())
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
