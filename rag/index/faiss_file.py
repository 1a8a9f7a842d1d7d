"""The FAISS file: read when it is one of those stamped in SQLite, and written so that a kill loses nothing.

Which file is meant is committed before it takes the old one's name: whichever of the two a kill leaves there
is known, by its digest, with how far it has followed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rag.index.store import make_durable, read_meta, write_meta

FILE: Final = "vectors.faiss"
STAMPS: Final = "vectors_files"  # the key in `meta`

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a FAISS file holds: all vectors of `maker` but those of the passages gone by `gone`."""

    digest: str  # sha256 of the file
    maker: str
    last: int  # highest number a passage had when it was made
    gone: int  # highest position in the table of the passages gone
    count: int  # of the vectors
    lists: int  # 0: exact; else quantised, in so many lists


def read_stamps(connection: sqlite3.Connection) -> list[Stamp]:
    """Return the stamps of the file and of the one before it, the newest last."""
    with suppress(ValueError, TypeError):
        return [Stamp(**stamp) for stamp in json.loads(read_meta(connection, STAMPS) or "[]")]
    return []


def write_stamp(connection: sqlite3.Connection, stamp: Stamp) -> None:
    stamps = [*read_stamps(connection)[-1:], stamp]
    write_meta(connection, STAMPS, json.dumps([asdict(each) for each in stamps]))
    # Whoever follows from further back than both files begins anew with the file.
    connection.execute("DELETE FROM gone WHERE position <= ?", (stamps[0].gone,))


def read_file(folder: Path, stamps: list[Stamp], maker: str) -> tuple[Any, Stamp] | None:
    """Return the file's FAISS index and its stamp; None when it is missing, damaged or of another time."""
    faiss = _faiss()
    path = folder / FILE
    with suppress(OSError, RuntimeError), path.open("rb") as file:  # FAISS reports a bad file as RuntimeError
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        for stamp in stamps:
            if (stamp.digest, stamp.maker) == (digest, maker):
                file.seek(0)
                return faiss.read_index(faiss.PyCallbackIOReader(file.read)), stamp
        log.info("%s is not the one this index wrote last; rebuilding it", path)
    return None


def look_of(folder: Path) -> tuple[int, int, int]:
    """Tell the file from one that took its name, without reading it; zeros: there is none."""
    with suppress(OSError):
        status = (folder / FILE).stat()
        return status.st_ino, status.st_size, status.st_mtime_ns
    return 0, 0, 0


def digest_of(folder: Path) -> str:
    """Return the digest of the file as it is; "" when it cannot be read."""
    with suppress(OSError), (folder / FILE).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


@contextmanager
def written_beside(folder: Path, index: Any) -> Iterator[tuple[Path, str]]:
    """Write a FAISS index beside the file; yield where, for `take_place`, and its digest."""
    faiss = _faiss()
    for left_over in folder.glob(f".{FILE}.*"):
        left_over.unlink()
    beside = folder / f".{FILE}.{os.getpid()}"
    digest = hashlib.sha256()
    try:
        with beside.open("wb") as file:

            def write(data: bytes) -> int:
                digest.update(data)
                return file.write(data)

            faiss.write_index(index, faiss.PyCallbackIOWriter(write))
            file.flush()
            os.fsync(file.fileno())
        yield beside, digest.hexdigest()
    finally:
        beside.unlink(missing_ok=True)


def take_place(beside: Path) -> None:
    """Replace the file, so that a reader or a crash sees the old or the new one, never a part."""
    beside.replace(beside.with_name(FILE))
    make_durable(beside.parent)


def _faiss() -> Any:
    """Return the module, whose stubs lack the streams."""
    import faiss

    return faiss
