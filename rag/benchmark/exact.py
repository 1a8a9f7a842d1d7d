"""Exact search over a whole index, for comparison: every vector compared, every word ranked by FTS5."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from rag.datatypes import Vectors
from rag.index.bm25 import RANKED
from rag.index.lexical import match_any, question_words

NEAREST: Final = 10  # passages of the dense search that are compared
RANKS: Final = 30  # passages of the lexical search, as retrieval asks for
CHUNK: Final = 20_000  # vectors compared at once
CLOSE: Final = 1e-5  # scores this near are the same


def exact_dense(folder: Path, vectors: Vectors) -> list[list[float]]:
    """Return the scores of each question's nearest passages, all of them compared."""
    best = np.full((len(vectors), NEAREST), -np.inf, dtype=np.float32)
    for some in _all_vectors(folder, vectors.shape[1]):
        best = np.sort(np.concatenate([best, vectors @ some.T], axis=1), axis=1)[:, -NEAREST:]
    return [[score for score in row[::-1].tolist() if score > -np.inf] for row in best]


def _all_vectors(folder: Path, dim: int) -> Iterator[Vectors]:
    connection = sqlite3.connect(folder / "index.sqlite")
    cursor = connection.execute("SELECT vector FROM vectors")
    while rows := cursor.fetchmany(CHUNK):
        yield np.frombuffer(b"".join(row[0] for row in rows), dtype="<f4").reshape(len(rows), dim)
    connection.close()


def exact_lexical(folder: Path, questions: Sequence[str]) -> list[list[float]]:
    connection = sqlite3.connect(folder / "index.sqlite")
    queries = [match_any(question_words(question)) for question in questions]
    found = [
        [score for _, score in connection.execute(RANKED.format(""), (query, RANKS))] for query in queries
    ]
    connection.close()
    return found


def recall(found: Sequence[Sequence[float]], exact: Sequence[Sequence[float]]) -> float:
    """Return the share of what exact search finds that was found, passages of equal scores being equal."""
    shares = [
        sum(score >= best[-1] * (1 - CLOSE) for score in got) / len(best)
        for got, best in zip(found, exact, strict=True)
        if best
    ]
    return float(np.mean(np.minimum(shares, 1.0))) if shares else 1.0
