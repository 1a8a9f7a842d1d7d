"""The best hits of a search -> the same in a better order: one Protocol, chosen by the setting `reranker`.

The LLM could tell by query likelihood too (Sachan et al. 2022, arXiv:2204.07496; `rag.engines.Scorer`): of
60 questions of SQuAD 2 (seed 0), the best five passages each, it put the right one first for .900, the search
for .850, and among the first three for .983 and .967. But it must read the question after each of the five,
and the passages where they are not kept, while the LLM's state, which is looked at anyway (see `rag.chain`),
tells as much after one or two. So it is no choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from rag.datatypes import Hit

if TYPE_CHECKING:
    from rag.config import Config
    from rag.embed import Embedder

__all__ = ["Reranker", "names_model", "open_reranker", "reranked"]

NONE: Final = "none"
SENTENCES: Final = "sentences"
POOL: Final = 10  # hits put in a new order


@runtime_checkable
class Reranker(Protocol):
    """Looks at a question and a few passages together, which a search cannot."""

    name: str

    def score(self, question: str, hits: Sequence[Hit]) -> list[float]:
        """Return how well each hit answers, higher is better; only the order counts.

        Raises:
            ModelError: when a model is missing or cannot be loaded.
        """
        ...


def reranked(question: str, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """Return all hits, the first `POOL` of them ordered anew; each of these tells its new rank and score."""
    pool = list(hits[:POOL])
    scores = reranker.score(question, pool)
    better = sorted(zip(pool, scores, strict=True), key=lambda pair: -pair[1])
    new = [
        replace(hit, reranked=score, ranks=replace(hit.ranks, reranked=place))
        for place, (hit, score) in enumerate(better, start=1)
    ]
    return [*new, *hits[POOL:]]


def names_model(name: str) -> bool:
    """Tell whether the setting names a model of its own."""
    return name not in {NONE, SENTENCES}


def open_reranker(config: Config, embedder: Embedder) -> Reranker | None:
    """Open `config.reranker`, fetching nothing; None where it is "none".

    Raises:
        ModelError: when the model is not on this machine.
    """
    if config.reranker == NONE:
        return None
    if config.reranker == SENTENCES:
        from rag.rerank.sentences import SentenceReranker

        return SentenceReranker(embedder)
    from rag.rerank.cross_encoder import CrossEncoderReranker

    return CrossEncoderReranker.open(config)
