"""Questions timed one after the other, the embedding of them left out if you like."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rag.datatypes import Vector, Vectors
from rag.embed import Embedder


class Known:
    """An embedder whose questions are embedded already, so that what is timed is the index alone.

    What a question that compares two things asks of each is embedded when it comes up.
    """

    def __init__(self, embedder: Embedder, questions: Sequence[str], vectors: Vectors) -> None:
        self.name, self.dim, self.max_tokens = embedder.name, embedder.dim, embedder.max_tokens
        self.embed_passages, self.token_offsets = embedder.embed_passages, embedder.token_offsets
        self._embed_query = embedder.embed_query
        self._vectors = dict(zip(questions, vectors, strict=True))

    def embed_query(self, text: str) -> Vector:
        known: Vector | None = self._vectors.get(text)
        return self._embed_query(text) if known is None else known


def vectors_of(questions: Sequence[str], embedder: Embedder) -> Vectors:
    return np.stack([embedder.embed_query(question) for question in questions])


def timed(questions: Sequence[str], ask: Callable[[str], Any]) -> list[tuple[float, Any]]:
    """Return (milliseconds, answer) of each question, asked in turn."""
    answers = []
    for question in questions:
        started = time.perf_counter()
        answer = ask(question)
        answers.append((1000 * (time.perf_counter() - started), answer))
    return answers
