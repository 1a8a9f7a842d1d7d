"""Passages of many documents embedded together, each document handed on once all of its own are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from rag.datatypes import Passage, Vectors
from rag.embed import Embedder, text_for_embedding

WINDOW: Final = 128  # passages embedded at once: enough to sort by length, a few seconds between two steps
Done: TypeAlias = Callable[[Sequence[Passage], Vectors], None]


@dataclass(slots=True)
class _Part:
    """The passages of one document and those of their vectors that are made."""

    passages: Sequence[Passage]
    vectors: Vectors
    done: Done


class Batches:
    """Collects passages until they are worth embedding; documents are done in the order they came."""

    def __init__(self, embedder: Embedder, *, embedded: Callable[[int], None]) -> None:
        """`embedded` is told each time how many passages were."""
        self._embedder = embedder
        self._embedded = embedded
        self._rows: list[tuple[_Part, int]] = []

    def add(self, passages: Sequence[Passage], done: Done) -> None:
        """Take a document's passages; `done` gets them with their vectors, now or at a later call."""
        part = _Part(passages, np.zeros((len(passages), self._embedder.dim), dtype=np.float32), done)
        if not passages:
            self.flush()
            done(part.passages, part.vectors)
        for row in range(len(passages)):
            self._rows.append((part, row))
            if len(self._rows) >= WINDOW:
                self.flush()

    def flush(self) -> None:
        """Embed what has been collected."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        texts = [text_for_embedding(part.passages[row]) for part, row in rows]
        for (part, row), vector in zip(rows, self._embedder.embed_passages(texts), strict=True):
            part.vectors[row] = vector
        self._embedded(len(rows))
        for part, row in rows:
            if row == len(part.passages) - 1:
                part.done(part.passages, part.vectors)
