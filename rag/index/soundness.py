"""Whether the database file is in order: as a sync of ours left it, or as SQLite finds when it reads it."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

GLANCE: Final = 100_000_000  # bytes of a file that is always read whole, in 0.3 seconds: ten thousand texts


def trust(database: Path) -> None:
    """Note how the file is now: whole, as far as we know."""
    _note(database).write_text(_look_of(database), encoding="utf-8")


def distrust(database: Path) -> None:
    """Have the file read whole before it is trusted again."""
    with suppress(OSError):
        _note(database).unlink()


def is_in_order(database: Path, connection: sqlite3.Connection) -> bool:
    """Say whether SQLite finds no fault with the file.

    All of it is read, gigabytes perhaps, unless it is just as the last sync left it and too large for a
    glance: then what is damaged in it is found when it is used.
    """
    if _is_trusted(database) and database.stat().st_size > GLANCE:
        return True
    return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")


def _is_trusted(database: Path) -> bool:
    try:
        return _note(database).read_text(encoding="utf-8") == _look_of(database)
    except (OSError, ValueError):
        return False


def _note(database: Path) -> Path:
    return database.with_name(f"{database.name}.left")


def _look_of(database: Path) -> str:
    """Return what changes whenever another than a sync of ours writes the file."""
    found = database.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
