"""The SQLite file: its connections, transactions and what made it; set aside when it is damaged."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Final
from urllib.parse import quote

from rag.errors import IndexDamagedError, IndexMismatchError
from rag.index import soundness
from rag.index.faults import damaged, translated
from rag.index.schema import READER_SCHEMA, Manifest, has_this_format, made_with, named, statements

DATABASE: Final = "index.sqlite"
BUSY_SECONDS: Final = 20.0
PAGE_BYTES: Final = 8192  # five vectors of 384 dimensions; a page of 4096 would hold two and waste a quarter
WAL_BYTES: Final = 32 * 2**20  # written back to the database from here on
CACHE_KB: Final = 64 * 1024  # of pages, for each connection
OWN_FILES: Final = ("index.sqlite", "vectors.faiss")
BUMP: Final = "UPDATE meta SET value = value + 1 WHERE key = 'generation'"


@dataclass(frozen=True, slots=True)
class _Opened:
    connection: sqlite3.Connection
    inode: int  # of the file it has open


class Store:
    """A reader's connection behind a lock, for any thread, and a writer's connection beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = RLock()
        self._reader: _Opened | None = None
        self._writer: _Opened | None = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold one snapshot: what other connections commit meanwhile is not seen."""
        with self._lock, self._watched():
            connection = self._current_reader()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Hold one transaction: everything in it is stored, or nothing.

        After a power cut the last transactions may be gone, but none before one that is `durable`.
        """
        with self._watched():
            connection = self._current_writer()
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    connection.execute("ROLLBACK")
                raise

    def leave(self) -> None:
        """Bring what was committed into the database file and note its state: whole, as far as we know."""
        with translated(self.folder):
            busy, pages, moved = self._current_writer().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if not busy and pages == moved:
                soundness.trust(self.folder / DATABASE)

    def close(self) -> None:
        with self._lock:
            self._drop(self._writer)
            self._drop(self._reader)
            self._reader = self._writer = None

    def create(self, manifest: Manifest) -> None:
        """Make the tables when there are none; give a still empty index this manifest."""
        with translated(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if (self.folder / DATABASE).exists() and not self._is_blank(manifest):
                return
        with self.writing() as connection:
            if not _has_tables(connection):
                for statement in statements():
                    connection.execute(statement)
                write_meta(connection, "made_with", made_with())
            if _is_empty(connection):
                write_meta(connection, "manifest", str(manifest))

    def check(self, manifest: Manifest) -> None:
        """Raise IndexMismatchError, naming both, unless the index was made by `manifest`."""
        with self.reading() as connection:
            found = read_meta(connection, "manifest")
        if found != str(manifest):
            raise IndexMismatchError(
                f"the index in {self.folder}/ was made with {named(self.folder, found)}, but the settings "
                f"ask for {named(self.folder, str(manifest))}; run `rag sync` to bring it up to date"
            )

    def adopt(self, manifest: Manifest) -> str:
        """Make `manifest` the index's own and return the one before; what that made counts as stale."""
        with self.reading() as connection:
            before = read_meta(connection, "manifest")
        if before != str(manifest):
            with self.writing() as connection:
                write_meta(connection, "manifest", str(manifest))
                connection.execute(BUMP)
        return before

    def is_sound(self) -> bool:
        """Say whether SQLite finds the file in order, as far as it reads it, and a manifest in it."""
        try:
            with self.reading() as connection:
                found = soundness.is_in_order(self.folder / DATABASE, connection)
                return found and bool(read_meta(connection, "manifest"))
        except IndexDamagedError:
            return False

    def has_this_format(self) -> bool:
        with self.reading() as connection:
            return has_this_format(read_meta(connection, "manifest"))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            with translated(self.folder):
                yield
        except IndexDamagedError:
            soundness.distrust(self.folder / DATABASE)  # so that the next sync reads all of it
            raise

    def _current_reader(self) -> sqlite3.Connection:
        inode = self._inode()
        if not inode:
            raise damaged(self.folder, "its file is gone")
        if self._reader is None or self._reader.inode != inode:
            self._drop(self._reader)
            self._reader = _Opened(open_reader(self.folder / DATABASE), inode)
        return self._reader.connection

    def _current_writer(self) -> sqlite3.Connection:
        if self._writer is None or self._writer.inode != self._inode():
            self._drop(self._writer)
            connection = _open_writer(self.folder / DATABASE)
            self._writer = _Opened(connection, self._inode())
        return self._writer.connection

    def _inode(self) -> int:
        """Tell one database file from another that took its name; 0: there is none."""
        try:
            return (self.folder / DATABASE).stat().st_ino
        except FileNotFoundError:
            return 0

    def _drop(self, opened: _Opened | None) -> None:
        if opened is not None:
            opened.connection.close()

    def _is_blank(self, manifest: Manifest) -> bool:
        with self.reading() as connection:
            if not _has_tables(connection):
                return True
            return _is_empty(connection) and read_meta(connection, "manifest") != str(manifest)


def mend(folder: Path, manifest: Manifest) -> str:
    """Make the index in `folder` fit for a sync, losing nothing; return what was done, for a person."""
    store = Store(folder)
    try:
        with suppress(IndexDamagedError):
            store.create(manifest)
        trouble = ""
        if not store.is_sound():
            trouble = "could not be read"
        elif not store.has_this_format():
            trouble = "was made by another version of Kaoju"
        else:
            before = store.adopt(manifest)
            if before == str(manifest):
                return ""
            return (
                f"the index was made with {named(folder, before)}; its passages are made anew from its texts"
            )
        store.close()
        place = move_aside(folder)
        store.create(manifest)
    finally:
        store.close()
    return f"the index {trouble}; it is kept in {place}/ and built anew from your documents"


def move_aside(folder: Path) -> Path | None:
    """Move the index's files into a folder beside it and return that; None when there are none."""
    with translated(folder):
        files = [path for path in folder.iterdir() if path.is_file() and path.name.startswith(OWN_FILES)]
        if not files:
            return None
        place = _new_folder(folder / f"set-aside-{time.strftime('%Y%m%d-%H%M%S')}")
        for path in files:
            path.replace(place / path.name)
        return place


def _new_folder(wanted: Path) -> Path:
    """Make a folder of this name, or with a number behind it when there is one, which holds another index."""
    for number in count(1):
        place = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        with suppress(FileExistsError):
            place.mkdir()
            return place
    raise AssertionError("numbers do not end")


def make_durable(folder: Path) -> None:
    """Let what was renamed in `folder` stay so after a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def open_reader(path: Path) -> sqlite3.Connection:
    """Open for reading; in a read-only folder, where WAL has no place for its files, as immutable."""
    last: sqlite3.Error | None = None
    for options in ("mode=rw", "mode=ro", "mode=ro&immutable=1"):
        try:
            connection = _connect(path, options)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            for statement in statements(READER_SCHEMA):
                connection.execute(statement)
        except sqlite3.OperationalError as exc:
            last = exc
        else:
            return connection
    raise last or AssertionError("no mode tried")


def _open_writer(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "mode=rwc")
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // PAGE_BYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    connection.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a crash leaves whole transactions
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _connect(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{options}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _has_tables(connection: sqlite3.Connection) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = 'meta'"
    return bool(connection.execute(query).fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM contents LIMIT 1").fetchone() is None


def read_meta(connection: sqlite3.Connection, key: str) -> str:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return "" if row is None else str(row[0])


def write_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
