"""BM25 (Robertson et al. 1994) over FTS5: by its own `rank` while few passages match, else word by word.

`rank` takes 2 microseconds for each passage that holds any of the words, and reads every word's list twice: a
second for one question of common words and a million passages. Read through `fts5vocab` and summed in numpy
a list takes a tenth of that. The rarest words name the candidates, as many as `POSTINGS` allows; the common
ones, which weigh little, are then counted in the best candidates alone.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any, Final

import numpy as np

from rag.index.lexical import match_any
from rag.index.shapes import FEW, Numbers
from rag.index.store import read_meta

K1: Final = 1.2  # FTS5's, as the next two
B: Final = 0.75
LEAST_WEIGHT: Final = 1e-6  # of a word that half of all passages hold
# Occurrences read for one question, 0.2 microseconds each. Of what FTS5 ranks first of a million passages (n=
# 30 questions), recall@30 is .999 with 250,000 and 600 candidates, .992 with 300; .970 and .960 with 100,000.
POSTINGS: Final = 250_000
LISTED: Final = 8_000_000  # entries of the lists kept, 8 bytes each
CANDIDATES: Final = 600  # passages in which the common words are counted
SIZE_KEPT: Final = 0.01  # share by which the index may grow before a large one's frequencies are read again

LARGE: Final = 10_000  # passages; up to here all that match are ranked in 20 ms

RANKED: Final = "SELECT rowid, -rank FROM lexicon WHERE lexicon MATCH ? {} ORDER BY rank, rowid LIMIT ?"
STEM: Final = "INSERT INTO temp.stemmer (rowid, words) VALUES (?, ?)"
STEMMED: Final = "SELECT doc, term FROM temp.stemmed ORDER BY doc, offset"
HELD: Final = "SELECT doc, cnt FROM temp.word_rows WHERE term = ?"
PLACES: Final = "SELECT group_concat(doc) FROM temp.word_places WHERE term = ?"
SIZES: Final = "SELECT id, sz FROM lexicon_docsize WHERE id > ?"
TEXTS: Final = "SELECT id, c0 FROM lexicon_content WHERE id IN ({})"
TOTALS: Final = "SELECT block FROM lexicon_data WHERE id = 1"  # passages and words, as varints
SHORT: Final = 2  # letters of a word that Porter leaves alone
MORE: Final = 0x80  # the bit that says that a number goes on
STEMS_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Held:
    """In how many passages a word is, and how many times in all."""

    passages: int = 0
    places: int = 0


class WordSearch:
    """Not thread-safe, its owner holds a lock; every method works inside its caller's transaction."""

    def __init__(self, *, large: int) -> None:
        self._large = large
        self._seen: tuple[str, str, int] = ("", "", 0)  # origin, generation and passages at the last look
        self._held: dict[str, Held] = {}
        self._lists: dict[str, tuple[Any, Any]] = {}  # lately asked for, of `_lists_of` the last
        self._lists_of = ("", "")  # origin and generation
        self._listed = 0  # entries in `_lists`
        self._stems: dict[str, str] = {}
        self._origin = ""
        self._lengths = np.zeros(1, dtype=np.float32)  # words of each passage, by its number
        self._measured = 0  # the highest passage number in `_lengths`

    def search(
        self, connection: sqlite3.Connection, wanted: list[str], top_k: int, *, among: Numbers | None = None
    ) -> list[tuple[int, float]]:
        """Return (passage number, BM25) of the best passages for these words, best first.

        With `among` only these are ranked, by the rarity of words in all.
        """
        few = among is not None and len(among) <= FEW
        if few or int(read_meta(connection, "passages")) < self._large:
            rest = "" if among is None else f"AND rowid IN ({','.join(map(str, among.tolist()))})"
            return connection.execute(RANKED.format(rest), (match_any(wanted), top_k)).fetchall()
        self.measure(connection)
        stems = Counter(self.stems(connection, wanted))
        held = self.held(connection, list(stems))
        found = sorted((stem for stem in stems if held[stem].passages), key=lambda stem: held[stem].places)
        listed = _affordable(found, held)
        scores = _Scores(connection, self._lengths)
        for stem in listed:
            scores.add(*self._list(connection, stem), weight=stems[stem] * scores.weight(held[stem]))
        scores.keep(among)
        numbers = scores.best(max(CANDIDATES, 2 * top_k) if len(listed) < len(found) else top_k)
        texts = _texts(connection, numbers) if len(listed) < len(found) else []
        for stem in found[len(listed) :]:
            counts = self._counts(connection, stem, texts)
            scores.add(numbers, counts, weight=stems[stem] * scores.weight(held[stem]))
        return scores.ranked(numbers)[:top_k]

    def coverage(
        self, connection: sqlite3.Connection, wanted: list[str], numbers: dict[int, str]
    ) -> dict[str, float]:
        """Return the share of `wanted`, by weight, that each passage holds; `numbers` tells their ids."""
        shares = dict.fromkeys(numbers.values(), 0.0)
        total = 0.0
        size = int(read_meta(connection, "passages"))
        texts = _texts(connection, np.fromiter(numbers, dtype=np.int64))
        stems = self.stems(connection, wanted)
        held = self.held(connection, stems)
        for stem in stems:
            count = min(held[stem].passages, size)
            weight = log(1 + (size - count + 0.5) / (count + 0.5))
            total += weight
            counts = self._counts(connection, stem, texts)
            for key in {key for key, its in zip(numbers.values(), counts, strict=True) if its}:
                shares[key] += weight
        return {key: weight / total if total else 0.0 for key, weight in shares.items()}

    def held(self, connection: sqlite3.Connection, stems: Sequence[str]) -> dict[str, Held]:
        """Return how often each stem is held; a large index's figures may be 1 % old."""
        self._forget_old(connection)
        for stem in stems:
            if stem not in self._held:
                row = connection.execute(HELD, (stem,)).fetchone()
                self._held[stem] = Held(*row) if row else Held()
        return {stem: self._held[stem] for stem in stems}

    def stems(self, connection: sqlite3.Connection, wanted: Sequence[str]) -> list[str]:
        """Return what FTS5 makes of each word; its own stemmer is asked, so that the two never differ."""
        if len(self._stems) > STEMS_KEPT:
            self._stems.clear()
        unknown = [word for word in dict.fromkeys(wanted) if word not in self._stems]
        if unknown:
            connection.execute("DELETE FROM temp.stemmer")
            connection.executemany(STEM, enumerate(unknown))
            for number, stem in connection.execute(STEMMED):
                self._stems.setdefault(unknown[number], stem)
        return [self._stems.get(word, word) for word in wanted]

    def measure(self, connection: sqlite3.Connection) -> None:
        """Learn the lengths of the passages that are new; of all of a million, once, it takes a second."""
        origin = read_meta(connection, "origin")
        if origin != self._origin:
            self._origin, self._measured = origin, 0
        rows = connection.execute(SIZES, (self._measured,)).fetchall()
        if not rows:
            return
        numbers = np.fromiter((number for number, _ in rows), dtype=np.int64, count=len(rows))
        self._measured = int(numbers.max())
        if self._measured >= len(self._lengths):
            longer = np.zeros(self._measured + self._measured // 16 + 1, dtype=np.float32)
            longer[: len(self._lengths)] = self._lengths
            self._lengths = longer
        self._lengths[numbers] = [_varints(size)[0] for _, size in rows]

    def _list(self, connection: sqlite3.Connection, stem: str) -> tuple[Any, Any]:
        """Return what `_postings` does; until something changes, lists read lately are not read again."""
        state = (read_meta(connection, "origin"), read_meta(connection, "generation"))
        if state != self._lists_of:
            self._lists.clear()
            self._lists_of, self._listed = state, 0
        found = self._lists.pop(stem, None)
        if found is None:
            found = _postings(connection, stem)
            self._listed += len(found[0])
        self._lists[stem] = found  # as the last one used
        while self._listed > LISTED:
            self._listed -= len(self._lists.pop(next(iter(self._lists)))[0])
        return found

    def _forget_old(self, connection: sqlite3.Connection) -> None:
        origin, generation = read_meta(connection, "origin"), read_meta(connection, "generation")
        size = int(read_meta(connection, "passages"))
        before = self._seen
        near = size >= self._large and abs(size - before[2]) <= SIZE_KEPT * size
        if (origin, generation) == before[:2] or (origin == before[0] and near):
            return
        self._seen = (origin, generation, size)
        self._held.clear()

    def _counts(self, connection: sqlite3.Connection, stem: str, texts: Sequence[str]) -> Any:
        """Return how many times each of these texts holds `stem`."""
        # Porter's rules change the end of a word, and what is left of it by no more than a letter.
        kept = stem[:-1] if stem.isascii() and len(stem) > SHORT else stem
        like = re.compile(rf" {re.escape(kept)}\S*")  # beginning with plain letters, which is searched fast
        found = [like.findall(text) for text in texts]
        alike = list({word for some in found for word in some})
        stems = self.stems(connection, [word[1:] for word in alike])
        same = {word for word, its in zip(alike, stems, strict=True) if its == stem}
        return np.array([sum(word in same for word in some) for some in found], dtype=np.float32)


class _Scores:
    """BM25 summed word by word, for all passages at once."""

    def __init__(self, connection: sqlite3.Connection, lengths: Any) -> None:
        self._size, total = _varints(connection.execute(TOTALS).fetchone()[0])[:2]
        self._lengths = lengths
        self._mean = total / self._size if self._size else 1.0
        self._scores = np.zeros(len(lengths), dtype=np.float32)

    def weight(self, held: Held) -> float:
        count = held.passages
        return max(log(max(self._size - count + 0.5, 0.5) / (count + 0.5)), LEAST_WEIGHT)

    def add(self, numbers: Any, counts: Any, *, weight: float) -> None:
        norms = self._lengths[numbers] * np.float32(K1 * B / self._mean) + np.float32(K1 * (1 - B))
        self._scores[numbers] += counts * np.float32(weight * (K1 + 1)) / (counts + norms)

    def keep(self, among: Numbers | None) -> None:
        """Forget the scores of all but these."""
        if among is not None:
            kept = np.zeros_like(self._scores)
            kept[among] = self._scores[among]
            self._scores = kept

    def best(self, count: int) -> Any:
        """Return the numbers of the `count` highest scores above none."""
        found = np.flatnonzero(self._scores)
        if len(found) <= count:
            return found
        return found[np.argpartition(-self._scores[found], count)[:count]]

    def ranked(self, numbers: Any) -> list[tuple[int, float]]:
        pairs = [(int(number), float(self._scores[number])) for number in numbers]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _affordable(stems: Sequence[str], held: dict[str, Held]) -> Sequence[str]:
    """Return the first of the stems, rarest first, up to `POSTINGS`; at least one."""
    spent = 0
    for count, stem in enumerate(stems):
        spent += held[stem].places
        if count and spent > POSTINGS:
            return stems[:count]
    return stems


def _postings(connection: sqlite3.Connection, stem: str) -> tuple[Any, Any]:
    """Return the passages that hold `stem`, and how many times each does."""
    listed = connection.execute(PLACES, (stem,)).fetchone()[0]
    if listed is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    places = np.fromstring(listed, dtype=np.int64, sep=",")  # one number for each occurrence, in order
    first = np.flatnonzero(np.diff(places, prepend=-1))
    counts = np.diff(first, append=len(places)).astype(np.float32)
    return places[first].astype(np.int32), counts


def _texts(connection: sqlite3.Connection, numbers: Any) -> list[str]:
    """Return the words of each passage, a space before each."""
    query = TEXTS.format(",".join(map(str, numbers.tolist())))  # integers: nothing to escape
    found = dict(connection.execute(query))
    return [f" {found.get(number, '')}" for number in numbers.tolist()]


def _varints(data: bytes) -> list[int]:
    """Return the numbers in `data`, as SQLite writes those below 2^56: 7 bits a byte, the highest first."""
    values, value = [], 0
    for byte in data:
        value = value << 7 | byte & ~MORE
        if byte < MORE:
            values.append(value)
            value = 0
    return values
