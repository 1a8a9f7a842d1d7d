"""Which of the passages found are worth reading: on a CPU each costs the reader seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rag.datatypes import Hit
from rag.retrieve.compare import sides
from rag.retrieve.gate import is_relevant
from rag.unmentioned import is_in, telling

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
    r"\b(?:all|each|every|both|list|several|various|different|name the|tell me about)\b"
    r"|\b(?:what|which|who|where) (?:are|were)\b"
    r"|\bwhich (?!is\b|was\b|has\b|does\b)\w+(?<![isu])s\b"
    r"|\b(?:what|which) (?:\w+ ){0,2}?\w+(?<![isu])s (?:are|were|do|does|did|have|can|may|must|will)\b"
    r"|哪些|哪几|分别|各自|各有|列出|列举|举出|所有|全部|都有|有什么|怎么说的|介绍",
    re.IGNORECASE,
)
JOINS: Final = re.compile(
    r"\b(?:and|or|both|than|versus|vs|plus|over|compared|as \w+ as)\b|[和与及或跟同比加、，,&＋+]"
    r"|还是|以及|不如|[高低大小]于|有.+[吗么]|从.+到|[？?].*\w",
    re.IGNORECASE,
)


def worth_reading(question: str, hits: Sequence[Hit], *, embedder: str, apart: bool) -> list[list[Hit]]:
    """Return the hits to show to the model, those together that it reads together: none where none fits.

    If the model can tell which one answers, each stands `apart`, unless the question asks for several things
    or each has words of it that the other lacks; a comparison needs all. The first hit is always among them:
    a reranker may have put it there.
    """
    if not is_relevant(question, hits, embedder=embedder):
        return []
    if sides(question):
        return [list(hits)]
    best = max(hit.score for hit in hits)
    chosen = [hit for hit in hits if hit is hits[0] or best <= 0 or hit.score >= SHARE * best]
    if apart and not SEVERAL.search(question) and not _complete_one_another(question, chosen):
        return [[hit] for hit in chosen]
    return [chosen]


def _complete_one_another(question: str, hits: Sequence[Hit]) -> bool:
    """Tell whether a hit has a telling word that the first lacks, and lacks one that it has.

    Another document's counts only where the question joins two things: pets in the lease say nothing of the
    canteen's.
    """
    words = set(telling(question))
    near = hits if JOINS.search(question) else [hit for hit in hits if _is_of_one(hit, hits[0])]
    first, *others = ({word for word in words if is_in(hit.passage.text, word)} for hit in near)
    return any(first - other and other - first for other in others)


def _is_of_one(hit: Hit, first: Hit) -> bool:
    return hit.passage.source == first.passage.source
