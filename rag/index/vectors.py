"""FAISS over the vectors that SQLite holds: derived, checked, and rebuilt or mended at any doubt."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from heapq import nlargest
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag.datatypes import Progress, ProgressCallback, Vector, Vectors
from rag.index import shapes
from rag.index.faiss_file import Stamp, digest_of, look_of, read_file, read_stamps, written_beside
from rag.index.faults import damaged
from rag.index.shapes import FEW, Numbers
from rag.index.store import read_meta

CHUNK: Final = 4096  # vectors read from SQLite at once
RESCORED: Final = 4  # candidates of a quantised index, for each passage asked for
LAG: Final = 0.02  # share of a quantised index by which its file may be behind: what is missing is caught up

VECTORS: Final = "SELECT number, vector FROM vectors WHERE number > ? {rest} ORDER BY number"
OF_MAKER: Final = """
    AND (SELECT maker FROM contents JOIN passages ON content = contents.number
         WHERE passages.number = vectors.number) = ?
"""
GONE: Final = "SELECT position, number FROM gone WHERE position > ? ORDER BY position"
HIGHEST: Final = "SELECT seq FROM sqlite_sequence WHERE name = ?"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Followed:
    """How far the FAISS index in memory has followed SQLite."""

    origin: str = ""  # names the database: another one has other passages under the same numbers
    generation: int = -1
    newest: str = ""  # digest of the newest file when it was looked at
    last: int = 0
    gone: int = 0


class NearestVectors:
    """Inner product over the passages made by `maker`; not thread-safe, its owner holds a lock."""

    def __init__(self, folder: Path, *, dim: int, maker: str, large: int) -> None:
        self._folder = folder
        self._dim = dim
        self._maker = maker
        self._large = large
        self._faiss: Any = None
        self._followed = _Followed()
        self._unusable: object = None  # the file, and what it should be, when it was last found wanting

    @property
    def count(self) -> int:
        return 0 if self._faiss is None else int(self._faiss.ntotal)

    @property
    def lists(self) -> int:
        """In how many lists they are; 0: all are compared."""
        return shapes.lists_of(self._faiss)

    def search(
        self, connection: sqlite3.Connection, vector: Vector, top_k: int, *, among: Numbers | None = None
    ) -> list[tuple[int, float]]:
        """Return (passage number, cosine) of the nearest passages, best first; with `among` only of these."""
        self.refresh(connection)
        if among is not None and len(among) <= FEW:
            return _best(self.cosines(connection, vector, among.tolist()), top_k)
        if self._faiss is None:
            return self._compared(connection, vector, top_k, among)
        if not self.count:
            return []
        row = np.ascontiguousarray(vector.reshape(1, self._dim), dtype=np.float32)
        if not shapes.is_quantised(self._faiss):
            return list(shapes.nearest(self._faiss, row, min(top_k, self.count), among=among))
        rough = [number for number, _ in shapes.nearest(self._faiss, row, RESCORED * top_k, among=among)]
        return _best(self._scored(connection, vector, rough), top_k)

    def cosines(self, connection: sqlite3.Connection, vector: Vector, numbers: list[int]) -> dict[int, float]:
        """Return the cosine of each passage that has a vector of this maker."""
        made = "" if self._is_alone(connection) else OF_MAKER
        return self._scored(connection, vector, numbers, made=made)

    def refresh(
        self,
        connection: sqlite3.Connection,
        progress: ProgressCallback = lambda _: None,
        *,
        train: bool = False,
    ) -> None:
        """Follow what was committed since the last look, by this process or another.

        A large index whose file is lost is trained again by the one writer, who says `train` and can show how
        far it is: it takes a minute for a million. Meanwhile readers compare all vectors.
        """
        origin, generation = read_meta(connection, "origin"), int(read_meta(connection, "generation"))
        followed = self._followed
        if self._faiss is not None and (origin, generation) == (followed.origin, followed.generation):
            return
        if self._faiss is None or origin != followed.origin or self._is_left_behind(connection):
            self._load(connection, progress, train=train)
        if self._faiss is not None:
            self._catch_up(connection, progress)
            self._followed = replace(self._followed, origin=origin, generation=generation)

    def is_unsaved(self, connection: sqlite3.Connection) -> bool:
        """Say whether the FAISS file is missing, damaged or too far behind what is committed."""
        stamps = [stamp for stamp in read_stamps(connection) if stamp.maker == self._maker]
        digest = digest_of(self._folder)
        found = next((stamp for stamp in reversed(stamps) if stamp.digest == digest), None)
        if found is None:
            return True
        passed = _highest(connection, "passages") - found.last + _highest(connection, "gone") - found.gone
        return passed > (LAG * found.count if found.lists else 0)

    def unsaved(
        self, connection: sqlite3.Connection, progress: ProgressCallback
    ) -> tuple[AbstractContextManager[tuple[Path, str]], Stamp]:
        """Return what writes the FAISS file, and its stamp, still without a digest; for the one writer."""
        self.refresh(connection, progress, train=True)
        lists = shapes.lists_for(self.count, now=self.lists, large=self._large)
        if lists != self.lists:
            self._build(connection, lists, progress)
        stamp = Stamp(
            digest="",
            maker=self._maker,
            last=self._followed.last,
            gone=self._followed.gone,
            count=self.count,
            lists=self.lists,
        )
        return written_beside(self._folder, self._faiss), stamp

    def _is_left_behind(self, connection: sqlite3.Connection) -> bool:
        """Say whether the file is of another shape by now, or what is gone was forgotten since."""
        stamps = read_stamps(connection)
        if not stamps:
            return False
        newest = stamps[-1]
        reshaped = newest.maker == self._maker and newest.lists != self.lists
        return self._followed.gone < stamps[0].gone or (reshaped and newest.digest != self._followed.newest)

    def _load(self, connection: sqlite3.Connection, progress: ProgressCallback, *, train: bool) -> None:
        stamps = read_stamps(connection)
        newest = stamps[-1].digest if stamps else ""
        look = (newest, look_of(self._folder))
        if look != self._unusable:
            read = read_file(self._folder, stamps, self._maker)
            if read is not None and shapes.fits(read[0], self._dim):
                self._faiss, stamp = read
                self._followed = _Followed(newest=newest, last=stamp.last, gone=stamp.gone)
                return
        count = int(read_meta(connection, "passages"))
        lists = shapes.lists_for(count, now=0, large=self._large)
        self._followed = _Followed(newest=newest)
        if train or not lists:
            self._build(connection, lists, progress)
            return
        self._faiss = None
        if look != self._unusable:
            log.warning(
                "the vector index in %s/ is missing or damaged: answers are as good but slower until "
                "`rag sync` has built it anew",
                self._folder,
            )
        self._unusable = look

    def _compared(
        self, connection: sqlite3.Connection, vector: Vector, top_k: int, among: Numbers | None
    ) -> list[tuple[int, float]]:
        """Compare all vectors, read from SQLite: some seconds for a million."""
        best: list[tuple[float, int]] = []
        for numbers, vectors in self._fetch(connection, VECTORS, after=0):
            if among is not None:
                kept = np.isin(numbers, among)
                numbers, vectors = numbers[kept], vectors[kept]
            scores = vectors @ vector
            near = np.argsort(-scores, kind="stable")[:top_k]
            pairs = zip(scores[near].tolist(), (-numbers[near]).tolist(), strict=True)
            best = nlargest(top_k, [*best, *pairs])
        return [(-number, score) for score, number in best]

    def _build(self, connection: sqlite3.Connection, lists: int, progress: ProgressCallback) -> None:
        if lists:
            _tell(progress, 0, int(read_meta(connection, "passages")))
            self._faiss = shapes.quantised(self._dim, lists, self._sample(connection, lists))
        else:
            self._faiss = shapes.exact(self._dim)
        self._followed = replace(self._followed, last=0, gone=_highest(connection, "gone"))
        self._catch_up(connection, progress)

    def _catch_up(self, connection: sqlite3.Connection, progress: ProgressCallback) -> None:
        gone = connection.execute(GONE, (self._followed.gone,)).fetchall()
        if gone:
            shapes.remove(self._faiss, [number for _, number in gone])
        for numbers, vectors in self._fetch(connection, VECTORS, after=self._followed.last):
            self._faiss.add_with_ids(vectors, numbers)
            if self.lists:
                _tell(progress, self.count, int(read_meta(connection, "passages")))
        self._followed = replace(
            self._followed,
            last=_highest(connection, "passages"),
            gone=_highest(connection, "gone"),
        )

    def _sample(self, connection: sqlite3.Connection, lists: int) -> Vectors:
        """Return vectors from everywhere, enough to train `lists` lists."""
        step = max(1, int(read_meta(connection, "passages")) // (shapes.PER_LIST * lists))
        query = VECTORS.format(rest="{rest} AND number % " + f"{step} = 0")
        found = [vectors for _, vectors in self._fetch(connection, query, after=0)]
        return np.concatenate(found) if found else np.zeros((1, self._dim), dtype=np.float32)

    def _fetch(
        self, connection: sqlite3.Connection, query: str, *, after: int
    ) -> Iterator[tuple[Any, Vectors]]:
        """Yield (numbers, vectors) of this maker, `CHUNK` at a time."""
        if self._is_alone(connection):
            cursor = connection.execute(query.format(rest=""), (after,))
        else:
            cursor = connection.execute(query.format(rest=OF_MAKER), (after, self._maker))
        while rows := cursor.fetchmany(CHUNK):
            yield np.array([number for number, _ in rows], dtype=np.int64), self._stacked(rows)

    def _scored(
        self, connection: sqlite3.Connection, vector: Vector, numbers: list[int], *, made: str = ""
    ) -> dict[int, float]:
        wanted = ",".join(map(str, numbers))  # integers: nothing to escape
        query = VECTORS.format(rest=f"AND number IN ({wanted}) {made}")
        rows = connection.execute(query, (0, self._maker) if made else (0,)).fetchall()
        scores = self._stacked(rows) @ vector if rows else ()
        return {number: float(score) for (number, _), score in zip(rows, scores, strict=True)}

    def _stacked(self, rows: list[tuple[int, bytes]]) -> Vectors:
        vectors = np.frombuffer(b"".join(blob for _, blob in rows), dtype="<f4")
        if vectors.size != len(rows) * self._dim:
            raise damaged(self._folder, "vectors of a wrong length")
        return vectors.reshape(len(rows), self._dim).astype(np.float32, copy=False)

    def _is_alone(self, connection: sqlite3.Connection) -> bool:
        """Say whether no passage is of another maker, so that none need be told apart."""
        query = "SELECT 1 FROM contents WHERE maker < ?1 OR maker > ?1 LIMIT 1"
        return connection.execute(query, (self._maker,)).fetchone() is None


def _best(scored: dict[int, float], top_k: int) -> list[tuple[int, float]]:
    return sorted(scored.items(), key=lambda item: (-item[1], item[0]))[:top_k]


def _highest(connection: sqlite3.Connection, table: str) -> int:
    """Return the highest number that a row of `table` ever had."""
    row = connection.execute(HIGHEST, (table,)).fetchone()
    return 0 if row is None else int(row[0])


def _tell(progress: ProgressCallback, done: int, total: int) -> None:
    progress(Progress(stage="Building the vector index", done=done, total=total, unit="passages"))
