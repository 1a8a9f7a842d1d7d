"""FAISS over the vectors that SQLite holds: derived, checked, and rebuilt or mended at any doubt."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag.datatypes import Vector, Vectors
from rag.index.faults import damaged
from rag.index.store import read_meta, write_meta

FILE: Final = "vectors.faiss"
STAMP: Final = "vectors_file"  # the key in `meta` that ties the file to this database
CHUNK: Final = 4096  # vectors read from SQLite at once

log = logging.getLogger(__name__)


class FlatVectors:
    """Exact inner product over the passages made by `maker`; not thread-safe, its owner holds a lock."""

    def __init__(self, folder: Path, *, dim: int, maker: str) -> None:
        self._folder = folder
        self._dim = dim
        self._maker = maker
        self._faiss: Any = None
        self._numbers: set[int] = set()
        self._origin = ""  # names the database: another one has other passages under the same numbers
        self._generation = -1

    def search(self, connection: sqlite3.Connection, vector: Vector, top_k: int) -> list[tuple[int, float]]:
        """Return (passage number, cosine) of the nearest passages, best first."""
        self.refresh(connection)
        if not self._numbers:
            return []
        scores, numbers = self._faiss.search(self._row(vector), min(top_k, len(self._numbers)))
        return [(int(number), float(score)) for number, score in zip(numbers[0], scores[0], strict=True)]

    def cosines(self, connection: sqlite3.Connection, vector: Vector, numbers: list[int]) -> dict[int, float]:
        """Return the cosine of each passage that has a vector of this maker."""
        self.refresh(connection)
        known = [number for number in numbers if number in self._numbers]
        row = self._row(vector)[0]
        return {number: float(self._faiss.reconstruct(number) @ row) for number in known}

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Follow what was committed since the last look, by this process or another."""
        origin, generation = read_meta(connection, "origin"), int(read_meta(connection, "generation"))
        if (origin, generation) == (self._origin, self._generation):
            return
        if self._faiss is None or origin != self._origin:
            self._faiss, self._numbers = self._read(connection)
        wanted = {int(row[0]) for row in connection.execute(WANTED, (self._maker,))}
        self._drop(self._numbers - wanted)
        for numbers, vectors in self._fetch(connection, sorted(wanted - self._numbers)):
            self._faiss.add_with_ids(vectors, numbers)
            self._numbers.update(numbers.tolist())
        self._origin, self._generation = origin, generation

    def unsaved(self, connection: sqlite3.Connection) -> bytes | None:
        """Return what the FAISS file should hold; None when it holds that."""
        import faiss

        self.refresh(connection)
        stamp = json.loads(read_meta(connection, STAMP) or "{}")
        path = self._folder / FILE
        if (
            path.exists()
            and stamp.get("generation") == self._generation
            and stamp.get("digest") == _digest(path)
        ):
            return None
        data: bytes = faiss.serialize_index(self._faiss).tobytes()
        return data

    def save(self, connection: sqlite3.Connection, data: bytes) -> None:
        """Write the FAISS file and stamp it in `meta`; for the one writer, after `unsaved`."""
        _write_whole(self._folder / FILE, data)
        stamp = {"generation": self._generation, "digest": hashlib.sha256(data).hexdigest()}
        write_meta(connection, STAMP, json.dumps(stamp))

    def _row(self, vector: Vector) -> Vectors:
        return np.ascontiguousarray(vector.reshape(1, self._dim), dtype=np.float32)

    def _drop(self, numbers: set[int]) -> None:
        if numbers:
            self._faiss.remove_ids(np.fromiter(numbers, dtype=np.int64))
            self._numbers -= numbers

    def _fetch(self, connection: sqlite3.Connection, numbers: list[int]) -> Iterator[tuple[Any, Vectors]]:
        for start in range(0, len(numbers), CHUNK):
            some = numbers[start : start + CHUNK]
            query = (
                "SELECT vector FROM vectors WHERE number BETWEEN ? AND ? AND number IN ({}) ORDER BY number"
            )
            query = query.format(",".join(map(str, some)))  # integers: nothing to escape
            blobs = [row[0] for row in connection.execute(query, (some[0], some[-1]))]
            vectors = np.frombuffer(b"".join(blobs), dtype="<f4")
            if vectors.size != len(some) * self._dim:
                raise damaged(self._folder, "vectors of a wrong length")
            yield np.array(some, dtype=np.int64), vectors.reshape(len(some), self._dim).astype(np.float32)

    def _read(self, connection: sqlite3.Connection) -> tuple[Any, set[int]]:
        """Return the file's index when it is the one stamped in `meta`, else an empty one."""
        import faiss

        stamp = json.loads(read_meta(connection, STAMP) or "{}")
        with suppress(OSError, RuntimeError):  # FAISS reports a bad file as RuntimeError
            data = (self._folder / FILE).read_bytes()
            if hashlib.sha256(data).hexdigest() == stamp.get("digest"):
                index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
                if isinstance(index, faiss.IndexIDMap2) and index.d == self._dim:
                    return index, set(faiss.vector_to_array(index.id_map).tolist())
            log.info("%s is not the one this index wrote last; rebuilding it", self._folder / FILE)
        return faiss.IndexIDMap2(faiss.IndexFlatIP(self._dim)), set()


WANTED: Final = """
    SELECT passages.number FROM passages JOIN contents ON contents.number = content WHERE maker = ?
"""


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a reader or a crash sees the old or the new file, never a part."""
    for left_over in path.parent.glob(f".{path.name}.*"):
        left_over.unlink()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
