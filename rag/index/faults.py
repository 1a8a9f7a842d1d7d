"""What SQLite and the operating system report -> the errors a person can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rag.errors import DiskError, IndexDamagedError, LockedError, RagError

PRIMARY: Final = 0xFF  # the low byte of an extended result code, https://sqlite.org/rescode.html
DISK: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "it is read-only; allow writing to it or set RAG_INDEX_DIR to another folder",
    sqlite3.SQLITE_PERM: "it may not be accessed; mend its permissions",
    sqlite3.SQLITE_CANTOPEN: "mend its permissions or set RAG_INDEX_DIR to another folder",
    sqlite3.SQLITE_IOERR: "the disk failed or is full; free some space or check the disk",
}


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Turn vendor errors about the index in `folder` into Kaoju's."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # our own bug
    except sqlite3.Error as exc:
        raise _explained(exc, folder) from exc
    except OSError as exc:
        raise disk_error(folder, exc) from exc


def disk_error(folder: Path, exc: OSError) -> DiskError:
    reason = exc.strerror or str(exc)
    return DiskError(f"cannot write to {folder}/: {reason}; free some space or mend its permissions")


def damaged(folder: Path, detail: str) -> IndexDamagedError:
    return IndexDamagedError(
        f"the index in {folder}/ is damaged ({detail}); run `rag sync --rebuild`: "
        "it sets the damaged file aside and builds the index anew from your documents"
    )


def _explained(exc: sqlite3.Error, folder: Path) -> RagError:
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & PRIMARY
    if code in DISK:
        return DiskError(f"cannot use the index in {folder}/: {DISK[code]} (nothing indexed is lost)")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return LockedError(f"the index in {folder}/ is being written by another process; try again shortly")
    return damaged(folder, str(exc))
