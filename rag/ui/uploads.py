"""A file that a reader hands in becomes a file of the documents' folder, without touching another."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rag.errors import DiskError, InputError
from rag.folder.scan import is_left_out, path_of

LONGEST_NAME: Final = 200  # bytes; file systems take 255, and a number may be added
PART_PREFIX: Final = ".upload-"  # hidden, so that a sync passes over it


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The name a file got, and whether it is new or was there with the same content."""

    name: str
    new: bool


def safe_name(name: str) -> str:
    """Return a name for a file in one folder: no path, no control characters, not hidden, not too long."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join("_" if unicodedata.category(one).startswith("C") else one for one in name)
    name = name.strip(" .").lstrip("~") or "document"
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a name, not a path)
    room = LONGEST_NAME - len(suffix.encode())
    if room <= 0:
        stem, suffix, room = name, "", LONGEST_NAME
    return stem.encode()[:room].decode(errors="ignore") + suffix


def keep(upload: Path, *, name: str, folder: Path) -> Kept:
    """Copy `upload` into `folder` under a safe form of `name`, numbered when that is taken by other content.

    Raises:
        InputError: when no sync would read a file of that name.
        DiskError: when it cannot be written; nothing is left behind.
    """
    if _is_left_out(Path(name).name):
        raise InputError(f"{name} is named like a hidden or temporary file, which is not read; rename it")
    try:
        return _keep(upload, safe_name(name), folder)
    except OSError as exc:
        raise DiskError(f"{safe_name(name)} could not be kept in {folder}/: {exc.strerror or exc}") from exc


def _is_left_out(name: str) -> bool:
    """Say whether no sync would read it; Gradio has taken the $ from the ~$ of an office's lock file."""
    return name.startswith("~") or is_left_out(name) or is_left_out(safe_name(name))


def _keep(upload: Path, name: str, folder: Path) -> Kept:
    folder.mkdir(parents=True, exist_ok=True)
    digest = _digest(upload)
    handle, part = tempfile.mkstemp(prefix=PART_PREFIX, dir=folder)
    try:
        with os.fdopen(handle, "wb") as target, upload.open("rb") as source:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        Path(part).chmod(0o644)
        for candidate in _names(name):
            target_path = folder / candidate
            if _published(Path(part), target_path):
                return Kept(name=candidate, new=True)
            if target_path.is_file() and _digest(target_path) == digest:
                return Kept(name=candidate, new=False)
    finally:
        Path(part).unlink(missing_ok=True)
    raise AssertionError("the names never end")


def _published(part: Path, path: Path) -> bool:
    """Let a whole file be there under its name at once; False when something is there, which stays."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            path.open("xb").close()
        except FileExistsError:
            return False
        part.replace(path)
    return True


def _names(name: str) -> Iterator[str]:
    yield name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a name, not a path)
    number = 2
    while True:
        yield f"{stem} ({number}){suffix}"
        number += 1


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(source: str, *, folder: Path) -> None:
    """Delete the document `source`, a path below `folder` as the index lists it.

    Raises:
        InputError: when it does not lie in `folder`.
        DiskError: when it cannot be deleted.
    """
    path = path_of(source, folder, skip=folder / PART_PREFIX)
    if not path.resolve().is_relative_to(folder.resolve()) or path.is_dir():
        raise InputError(f"{source!r} is not a file of {folder}/")
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise DiskError(f"{source} could not be deleted: {exc.strerror or exc}") from exc
