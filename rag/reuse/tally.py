"""How often what was read could be used again, and which passages are found most."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = "tally.sqlite"
SCHEMA: Final = """
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS found (passage TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS tokens (kind TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
PATIENCE: Final = 0.2  # seconds for another process; nobody should wait for a count
ADD_FOUND: Final = "INSERT INTO found VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1"
ADD_TOKENS: Final = (
    "INSERT INTO tokens VALUES (?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens of passages that were to be read, and those of them that had been read before."""

    wanted: int = 0
    reused: int = 0


class Tally:
    """Counts in a folder; a disk that cannot be used loses them, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def add_tokens(self, tokens: Tokens) -> None:
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            connection.executemany(ADD_TOKENS, [("wanted", tokens.wanted), ("reused", tokens.reused)])

    def add_found(self, passages: Iterable[str]) -> None:
        """Count passages, by their ids, as found once more."""
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            connection.executemany(ADD_FOUND, [(passage,) for passage in passages])

    def tokens(self) -> Tokens:
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            return Tokens(**dict(connection.execute("SELECT kind, number FROM tokens")))
        return Tokens()

    def times_found(self) -> dict[str, int]:
        """Return how often each passage was found, by its id."""
        with suppress(sqlite3.Error, OSError), self._open() as connection:
            return dict(connection.execute("SELECT passage, times FROM found"))
        return {}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self._file, timeout=PATIENCE)) as connection, connection:
                connection.executescript(SCHEMA)
                yield connection
        except sqlite3.DatabaseError as exc:
            if not isinstance(exc, sqlite3.OperationalError):
                self._file.unlink()  # it is damaged; the next count begins anew
            raise
