"""Which of the passages found are worth reading: on a CPU each costs the reader seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rag.datatypes import Hit
from rag.retrieve.compare import sides
from rag.retrieve.gate import is_relevant

# Of 400 answerable questions each of SQuAD 2 | CMRC 2018 (seed 0), the share whose passage is shown, and how
# many are, from which share of the best score on:
#   all 4    .973 with 3.87 | .995 with 3.23
#   .4       .970 with 2.49 | .995 with 1.35
#   .5       .970 with 2.09 | .995 with 1.24
#   .6       .960 with 1.72 | .995 with 1.17
#   .7       .955 with 1.49 | .993 with 1.12
#   the best .890           | .983
SHARE: Final = 0.5
SEVERAL: Final = re.compile(
    r"\b(?:all|each|every|both|list|several|various|different)\b"
    r"|\b(?:what|which|who|where) (?:are|were)\b"
    r"|\b(?:what|which) (?:\w+ ){0,2}?\w+(?<![isu])s (?:are|were|do|did|have|can|may|must)\b"
    r"|哪些|哪几|分别|各自|各有|列出|列举|举出|所有|全部|都有",
    re.IGNORECASE,
)


def worth_reading(question: str, hits: Sequence[Hit], *, embedder: str, apart: bool) -> list[list[Hit]]:
    """Return the hits to show to the model, those together that it reads together: none where none fits.

    If the model can tell which one answers, each stands `apart`, unless the question asks for several things
    or compares two; a comparison needs all. The first hit is always among them: a reranker may have put it
    there.
    """
    if not is_relevant(question, hits, embedder=embedder):
        return []
    if sides(question):
        return [list(hits)]
    best = max(hit.score for hit in hits)
    chosen = [hit for hit in hits if hit is hits[0] or best <= 0 or hit.score >= SHARE * best]
    return [[hit] for hit in chosen] if apart and not SEVERAL.search(question) else [chosen]
