"""Which of the passages found are worth reading: on a CPU each costs the reader seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rag.datatypes import Hit
from rag.retrieve.compare import sides
from rag.retrieve.gate import is_relevant

# Of 400 answerable questions each of SQuAD 2 | CMRC 2018, the share whose passage is shown, and how many are:
#   the best 4          .973 with 3.87 | .995 with 3.25
#   those above SHARE   .968 with 2.08 | .995 with 1.42
SHARE: Final = 0.4  # of the best score, from which on a passage is shown


def worth_reading(question: str, hits: Sequence[Hit], *, embedder: str) -> list[Hit]:
    """Return the hits to show to the model: none where none fits, all where two are compared.

    The first is always among them: a reranker may have put it there.
    """
    if not is_relevant(question, hits, embedder=embedder):
        return []
    if sides(question):
        return list(hits)
    best = max(hit.score for hit in hits)
    return [hit for hit in hits if hit is hits[0] or best <= 0 or hit.score >= SHARE * best]
