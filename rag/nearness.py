"""How near a sentence is to texts in the other language, by the embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rag.datatypes import Vector
from rag.embed import Embedder
from rag.retrieve.languages import cohort, script_of

MEASURED: Final = frozenset({"multilingual-e5-small"})  # embedders that `rag.evidence.FAR` was measured with
KEPT: Final = 2_000  # texts whose vectors stay in memory, 1.5 kB each


class EmbeddedNearness:
    """Embeds a sentence and the texts all at once; those lately seen it knows."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Vector] = {}

    def __call__(self, sentence: str, texts: Sequence[str]) -> list[float]:
        """Return by how much each text's cosine exceeds that of everyday sentences of their script."""
        vectors = self._vectors([sentence, *texts])
        others = cohort(self._embedder).vectors[script_of(" ".join(texts))]
        usual = float((others @ vectors[0]).mean())
        return [float(vector @ vectors[0]) - usual for vector in vectors[1:]]

    def _vectors(self, texts: Sequence[str]) -> list[Vector]:
        wanted = dict.fromkeys(texts)
        new = [text for text in wanted if text not in self._known]
        embedded = dict(zip(new, self._embedder.embed_passages(new), strict=True)) if new else {}
        used = {text: embedded[text] if text in embedded else self._known.pop(text) for text in wanted}
        self._known = dict(list({**self._known, **used}.items())[-KEPT:])
        return [used[text] for text in texts]


def nearness_by(embedder: Embedder) -> EmbeddedNearness | None:
    """Return what tells nearness by this embedder, if it was ever measured."""
    return EmbeddedNearness(embedder) if embedder.name in MEASURED else None
