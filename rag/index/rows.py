"""Values to rows and back; every function works inside its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

import rag
from rag.datatypes import Document, DocumentState, Passage, Scope, Vectors
from rag.index.lexical import words
from rag.index.store import read_meta, write_meta
from rag.places import pack, pack_place, unpack, unpack_place
from rag.scope import admits, day_of

PASSAGE: Final = """
    SELECT contents.digest, start, stop, place, heading, passages.text,
           (SELECT json_group_array(source) FROM (
               SELECT source FROM documents WHERE documents.content = contents.key ORDER BY source LIMIT 100))
    FROM passages JOIN contents ON contents.number = passages.content
    WHERE passages.number = ?
"""
NAMED: Final = """
    SELECT source, mtime_ns, contents.number FROM documents JOIN contents ON contents.key = documents.content
"""
PASSAGES_OF: Final = """
    SELECT number FROM passages
    WHERE content = (SELECT contents.number FROM contents JOIN documents ON content = key WHERE source = ?)
    ORDER BY start
"""
FILES: Final = """
    SELECT source, size, mtime_ns, documents.digest, reason, version, synced_at, contents.notes
    FROM documents LEFT JOIN contents ON contents.key = documents.content
"""
STATES: Final = """
    SELECT source, content IS NULL, size, coalesce(contents.passages, 0), reason, synced_at,
           coalesce(contents.notes, '[]')
    FROM documents LEFT JOIN contents ON contents.key = documents.content
    ORDER BY source
"""
CONTENT: Final = """
    INSERT INTO contents (key, digest, maker, passages, notes, places, text) VALUES (?, ?, ?, 0, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET
        maker = excluded.maker, notes = excluded.notes, places = excluded.places, text = excluded.text
"""

OPENINGS: Final = """
    SELECT source, mtime_ns, contents.key, contents.passages, coalesce((
        SELECT heading FROM passages
        WHERE number = (SELECT min(number) FROM passages WHERE passages.content = contents.number)), '')
    FROM documents JOIN contents ON contents.key = documents.content ORDER BY source
"""
DISKS: Final = "disks"  # the key in `meta`


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """A file of data/ as it was when it was read."""

    source: str
    size: int  # bytes
    mtime_ns: int
    digest: str = ""  # sha256 of its bytes; empty when it could not be read
    reason: str = ""  # why it failed
    version: str = rag.__version__  # of Kaoju, when it read the file, and with what settings
    synced_at: float = 0.0  # seconds since the epoch, just before it was read
    partial: bool = False  # there are notes: part of it could not be read, or had to be repaired

    @property
    def content(self) -> str:
        """Name what the file says: its bytes, and its ending, which decides how they are read."""
        return self.digest + Path(self.source).suffix.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Titled:
    """An indexed file and what it calls itself."""

    source: str
    content: str  # the same for files of the same content
    passages: int
    title: str  # the outermost heading above its first passage; "": none


def read_titles(connection: sqlite3.Connection, scope: Scope) -> list[Titled]:
    return [
        Titled(source=source, content=content, passages=passages, title=heading.partition(" > ")[0])
        for source, mtime, content, passages, heading in connection.execute(OPENINGS)
        if admits(scope, source, day_of(mtime))
    ]


def read_files(connection: sqlite3.Connection) -> dict[str, FileState]:
    files = {}
    for source, size, mtime_ns, digest, reason, version, synced_at, notes in connection.execute(FILES):
        files[source] = FileState(
            source=source,
            size=size,
            mtime_ns=mtime_ns,
            digest=digest,
            reason=reason,
            version=version,
            synced_at=synced_at,
            partial=notes not in {None, "[]"},
        )
    return files


def read_states(connection: sqlite3.Connection) -> list[DocumentState]:
    return [
        DocumentState(
            source=source,
            state="failed" if failed else "indexed",
            size=size,
            passages=passages,
            reason=reason,
            notes=tuple(json.loads(notes)),
            synced_at=synced_at,
        )
        for source, failed, size, passages, reason, synced_at, notes in connection.execute(STATES)
    ]


def read_passage(connection: sqlite3.Connection, number: int) -> Passage | None:
    """Return the passage under the first of the names its content has, with 99 more at most."""
    row = connection.execute(PASSAGE, (number,)).fetchone()
    if row is None:
        return None
    digest, start, end, place, heading, text, names = row
    source, *also = json.loads(names) or [""]
    return Passage(
        source=source,
        digest=digest,
        start=start,
        end=end,
        text=text,
        heading=heading,
        also=tuple(also),
        **unpack_place(place),
    )


def read_passages(connection: sqlite3.Connection, source: str, most: int | None = None) -> list[Passage]:
    numbers = [row[0] for row in connection.execute(PASSAGES_OF, (source,))][:most]
    return [passage for passage in map(partial(read_passage, connection), numbers) if passage]


def numbers_in(connection: sqlite3.Connection, scope: Scope) -> NDArray[np.int64]:
    """Return the passages of the documents in a scope, in order."""
    listed = connection.execute(NAMED).fetchall()
    chosen = {content for source, mtime, content in listed if admits(scope, source, day_of(mtime))}
    inside = ",".join(map(str, sorted(chosen)))  # integers: nothing to escape
    found = connection.execute(f"SELECT number FROM passages WHERE content IN ({inside}) ORDER BY number")  # noqa: S608
    return np.fromiter((number for (number,) in found), dtype=np.int64)


def read_found(
    connection: sqlite3.Connection, found: Sequence[tuple[int, float]]
) -> list[tuple[Passage, float]]:
    """Read the passages found; equal ones, of files with other endings, are one under all their names."""
    read: dict[str, tuple[Passage, float]] = {}
    for number, score in found:
        passage = read_passage(connection, number)
        if passage is None:
            continue
        if passage.id in read:
            first, score = read[passage.id]
            passage = replace(first, also=(*first.also, passage.source, *passage.also))
        read[passage.id] = (passage, score)
    return list(read.values())


def numbers_of(connection: sqlite3.Connection, passages: Sequence[Passage]) -> dict[int, str]:
    """Return passage id by number; equal files with different endings share ids."""
    query = "SELECT number FROM passages WHERE id = ?"
    return {
        row[0]: passage.id
        for passage in passages
        for row in connection.execute(query, (passage.id,)).fetchall()
    }


def read_document(connection: sqlite3.Connection, key: str, source: str) -> Document | None:
    query = "SELECT digest, text, places FROM contents WHERE key = ?"
    row = connection.execute(query, (key,)).fetchone()
    if row is None:
        return None
    digest, text, places = row
    return unpack(places, source=source, digest=digest, text=text)


def read_disks(connection: sqlite3.Connection) -> dict[str, int]:
    with suppress(ValueError, AttributeError, TypeError):
        said = json.loads(read_meta(connection, DISKS) or "{}")
        return {str(source): int(inode) for source, inode in said.items()}
    return {}


def write_disks(connection: sqlite3.Connection, disks: Mapping[str, int]) -> None:
    write_meta(connection, DISKS, json.dumps(dict(disks)))


def write_content(connection: sqlite3.Connection, key: str, document: Document, maker: str) -> None:
    notes = json.dumps(document.notes, ensure_ascii=False)
    connection.execute(CONTENT, (key, document.digest, maker, notes, pack(document), document.text))


def write_passages(
    connection: sqlite3.Connection, key: str, passages: Sequence[Passage], vectors: Vectors
) -> None:
    """Store the passages of a content with their words and vectors, in place of those it has."""
    content = connection.execute(
        "UPDATE contents SET passages = ? WHERE key = ? RETURNING number", (len(passages), key)
    ).fetchall()[0][0]
    connection.execute("DELETE FROM passages WHERE content = ?", (content,))
    for passage, vector in zip(passages, vectors, strict=True):
        number = connection.execute(
            "INSERT INTO passages (content, id, start, stop, place, heading, text) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                content,
                passage.id,
                passage.start,
                passage.end,
                pack_place(passage),
                passage.heading,
                passage.text,
            ),
        ).lastrowid
        blob = np.ascontiguousarray(vector, dtype="<f4").tobytes()
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (number, blob))
        said = " ".join(words(f"{passage.heading}\n{passage.text}"))
        connection.execute("INSERT INTO lexicon (rowid, words) VALUES (?, ?)", (number, said))


def write_files(connection: sqlite3.Connection, files: Sequence[FileState]) -> None:
    """Let each file name its content, or none when it failed; what nothing names any more then goes.

    All together, so that files which changed places find each other's content.
    """
    before = [_content_of(connection, file.source) for file in files]
    for file in files:
        content = None if file.reason else file.content
        state = (file.size, file.mtime_ns, file.digest, file.reason, file.version, file.synced_at)
        query = "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        connection.execute(query, (file.source, content, *state))
    for key in before:
        _forget(connection, key)


def delete_file(connection: sqlite3.Connection, source: str) -> None:
    before = _content_of(connection, source)
    connection.execute("DELETE FROM documents WHERE source = ?", (source,))
    _forget(connection, before)


def _content_of(connection: sqlite3.Connection, source: str) -> str | None:
    row = connection.execute("SELECT content FROM documents WHERE source = ?", (source,)).fetchone()
    return None if row is None else row[0]


def _forget(connection: sqlite3.Connection, key: str | None) -> None:
    unnamed = "NOT EXISTS (SELECT 1 FROM documents WHERE content = ?1)"
    connection.execute(f"DELETE FROM contents WHERE key = ?1 AND {unnamed}", (key,))  # noqa: S608 - a constant
