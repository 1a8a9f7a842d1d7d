"""An index as one file that another machine can take over: a zip of the database and of what it must be.

Nothing in the file is trusted: no path in it is used, and it is checked whole before the present index moves.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from psutil import pid_exists

import rag
from rag.errors import ConfigError, DiskError, IndexMismatchError, LockedError
from rag.index.faults import disk_error, translated
from rag.index.lock import writer_lock
from rag.index.schema import Manifest, named, statements
from rag.index.store import DATABASE, make_durable, move_aside, open_reader

KIND: Final = "kaoju index"
LAYOUT: Final = 1  # of the exported file
DESCRIPTION: Final = "manifest.json"
LONGEST: Final = 10_000  # bytes of the description
PIECE: Final = 1 << 20  # bytes copied at once
INCOMING: Final = "incoming.sqlite"  # in the index's folder: whole and checked, about to take its place
PART: Final = ".incoming.part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What an exported file says of itself."""

    kind: str = KIND
    layout: int = LAYOUT
    kaoju: str = rag.__version__
    manifest: str  # of the index
    documents: int
    passages: int
    size: int  # bytes of the database
    sha256: str


def export_index(index_dir: Path, file: Path) -> Described:
    """Write the index in `index_dir` to `file`, as of one moment, though a sync be running.

    Raises:
        ConfigError: when there is no index, or `file` is there and is something else.
        DiskError: when `file` cannot be written; nothing is left behind.
    """
    if not (index_dir / DATABASE).exists():
        raise ConfigError(f"there is no index in {index_dir}/; run `rag sync` first")
    if not file.name or file.is_dir():
        raise DiskError(f"{file} is a folder; name a file in it")
    copy, part = (file.with_name(f".{file.name}.{end}.{os.getpid()}") for end in ("sqlite", "part"))
    try:
        _refuse_other(file)
        _clear(file.parent, f".{file.name}.")
        copy.touch()
        _check_room(index_dir / DATABASE, file.parent)
        with translated(index_dir):
            _copy(index_dir / DATABASE, copy)
            described = _describe(copy)
        _pack(copy, described, part)
        part.replace(file)
        make_durable(file.parent)
    except OSError as exc:
        raise DiskError(
            f"{file} cannot be written: {exc.strerror or exc}; free some space or name another file"
        ) from exc
    finally:
        for left_over in (copy, part):
            left_over.unlink(missing_ok=True)
    return described


def import_index(file: Path, index_dir: Path, manifest: Manifest) -> tuple[Described, Path | None]:
    """Put the exported index in `file` in place of that in `index_dir`; return where the old one is kept.

    Raises:
        ConfigError: when `file` cannot be read, is damaged or no exported index.
        IndexMismatchError: when it was made with other settings than `manifest`, or by another version.
        DiskError: when there is no room for it.
        LockedError: when a sync is running.
    """
    part = index_dir / f"{PART}.{os.getpid()}"
    try:
        index_dir.mkdir(parents=True, exist_ok=True)
        _clear(index_dir, PART)
        with _opened(file) as archive:
            described = _described(file, archive)
            _check_origin(file, described, manifest)
            _unpack(file, archive, described, part)
        _check_database(file, part, described)
        with writer_lock(index_dir):
            part.replace(index_dir / INCOMING)
            kept = _take_over(index_dir)
    except OSError as exc:
        raise disk_error(index_dir, exc) from exc
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return described, kept


def finish_import(index_dir: Path) -> None:
    """Finish an import that was killed when all was checked and it only had to take its place."""
    if (index_dir / INCOMING).exists():
        with suppress(LockedError, DiskError), writer_lock(index_dir):
            if (index_dir / INCOMING).exists():
                _take_over(index_dir)


def _take_over(index_dir: Path) -> Path | None:
    """Let the incoming index take its place; return where the old one is kept."""
    kept = move_aside(index_dir)
    (index_dir / INCOMING).replace(index_dir / DATABASE)
    make_durable(index_dir)
    return kept


def _refuse_other(file: Path) -> None:
    """Raise ConfigError where `file` is there and is no index that was exported."""
    if file.exists():
        try:
            with suppress(IndexMismatchError), _opened(file) as archive:  # of another version, it may go, too
                _described(file, archive)
        except ConfigError as exc:
            raise ConfigError(f"{file} exists and is no exported index; name another file") from exc


def _check_room(database: Path, folder: Path) -> None:
    """Raise OSError where the disk of `folder` has no room for a copy of the index."""
    if shutil.disk_usage(folder).free < database.stat().st_size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _clear(folder: Path, prefix: str) -> None:
    """Remove what processes that were killed have left: it ends with their number."""
    for path in folder.iterdir():
        pid = path.suffix[1:]
        if path.name.startswith(prefix) and pid.isdecimal() and not pid_exists(int(pid)):
            path.unlink(missing_ok=True)


def _copy(database: Path, copy: Path) -> None:
    with (
        closing(open_reader(database)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # all in one file


def _describe(copy: Path) -> Described:
    with closing(sqlite3.connect(copy)) as connection:
        (manifest,) = connection.execute("SELECT value FROM meta WHERE key = 'manifest'").fetchone()
        (documents,) = connection.execute("SELECT count(*) FROM documents").fetchone()
        (passages,) = connection.execute("SELECT count(*) FROM passages").fetchone()
    with copy.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Described(
        manifest=manifest,
        documents=documents,
        passages=passages,
        size=copy.stat().st_size,
        sha256=digest,
    )


def _pack(copy: Path, described: Described, part: Path) -> None:
    with part.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(DESCRIPTION, json.dumps(asdict(described), indent=1))
            archive.write(copy, DATABASE)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except FileNotFoundError as exc:
        raise ConfigError(f"{file} does not exist") from exc
    except (PermissionError, IsADirectoryError) as exc:
        raise ConfigError(f"{file} cannot be read: {exc.strerror}") from exc
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise _unusable(file, "it is damaged, cut short or no exported index") from exc


def _described(file: Path, archive: zipfile.ZipFile) -> Described:
    members = {info.filename: info for info in archive.infolist()}
    if sorted(members) != sorted((DESCRIPTION, DATABASE)) or members[DESCRIPTION].file_size > LONGEST:
        raise _unusable(file, "it is no exported index")
    try:
        said: dict[str, Any] = json.loads(archive.read(DESCRIPTION))
        if said["kind"] != KIND:
            raise _unusable(file, "it is no exported index")
        if said["layout"] != LAYOUT:
            raise IndexMismatchError(
                f"{file} was exported by Kaoju {said['kaoju']}, in a form that Kaoju {rag.__version__} does "
                "not know; use the same version on both machines"
            )
        described = Described(**said)
        if type(described.size) is not int or not isinstance(described.sha256, str):
            raise _unusable(file, "its description is damaged")
    except (ValueError, KeyError, TypeError) as exc:
        raise _unusable(file, "its description is damaged") from exc
    return described


def _check_origin(file: Path, described: Described, manifest: Manifest) -> None:
    if described.manifest == str(manifest):
        return
    made = named(file, described.manifest)
    raise IndexMismatchError(
        f"{file} was made with {made}, but the settings ask for {named(file, str(manifest))}; "
        "give the same settings and version of Kaoju on both machines"
    )


def _unpack(file: Path, archive: zipfile.ZipFile, described: Described, part: Path) -> None:
    """Write the database of the archive to `part`, at most as many bytes as are described."""
    free = shutil.disk_usage(part.parent).free
    if described.size > free:
        raise DiskError(
            f"{file} needs {described.size / 1e6:,.0f} MB in {part.parent}/, where "
            f"{free / 1e6:,.0f} MB are free; make room"
        )
    digest, left = hashlib.sha256(), described.size
    with archive.open(DATABASE) as source, part.open("wb") as target:
        for piece in _pieces(source):
            left -= len(piece)
            if left < 0:
                break
            digest.update(piece)
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    if left or digest.hexdigest() != described.sha256:
        raise _unusable(file, "its content is not what it was when it was exported")


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece


def _check_database(file: Path, part: Path, described: Described) -> None:
    """Refuse a database that is damaged or has not just our tables and triggers; give it a new origin.

    What a process holds in memory of an index is known by its origin, and must not pass for the new one's.
    """
    try:
        with closing(sqlite3.connect(part)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise _unusable(file, "its database is damaged")
            if _schema(connection) != _own_schema():
                raise _unusable(file, "its tables are not those of this version of Kaoju")
            found = connection.execute("SELECT value FROM meta WHERE key = 'manifest'").fetchone()
            if found != (described.manifest,):
                raise _unusable(file, "its description does not fit its content")
            with connection:
                connection.execute("UPDATE meta SET value = lower(hex(randomblob(16))) WHERE key = 'origin'")
                connection.execute("DELETE FROM meta WHERE key LIKE 'vectors_file%'")
    except sqlite3.Error as exc:
        raise _unusable(file, f"its database is damaged: {exc}") from exc


def _schema(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    return set(connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master"))


def _own_schema() -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements():
            connection.execute(statement)
        return _schema(connection)


def _unusable(file: Path, why: str) -> ConfigError:
    return ConfigError(f"{file} cannot be imported: {why}; export it again on the other machine")
