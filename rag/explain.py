"""What became of what was found and said: what the model was shown of it, and what the question has alone."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from rag.datatypes import Hit, LeftOut, Passage, Scope
from rag.index import Index
from rag.prompt import Fitted, language
from rag.unmentioned import is_in, unmentioned

Start: TypeAlias = tuple[str, int]  # document and offset
LOOKED_AT: Final = 20  # of the passages that share a part with a word, which hold the whole first


def start_of(passage: Passage) -> Start:
    """Return where a passage begins, which stays when it is cut."""
    return passage.source, passage.start


def accounted(
    found: Sequence[Hit], fitted: Fitted, chosen: Container[str], read: Mapping[Start, float | None]
) -> tuple[Hit, ...]:
    """Return every hit, as it is shown in the prompt or with the reason why it is not.

    `chosen` holds the ids of the passages worth reading, `read` tells which were read by now, and of those
    that were read alone the log-odds.
    """
    return tuple(_accounted(hit, fitted, chosen, read) for hit in found)


def _accounted(hit: Hit, fitted: Fitted, chosen: Container[str], read: Mapping[Start, float | None]) -> Hit:
    hit = replace(hit, log_odds=read.get(start_of(hit.passage)))
    shown = next((each for each in fitted.shown if _is_part(each.passage, hit.passage)), None)
    if shown is None:
        return replace(hit, left_out=_why_not(hit, fitted.hits, chosen, read))
    return replace(
        hit, marker=shown.marker, passage=shown.passage, cut=len(hit.passage.text) - len(shown.passage.text)
    )


def _why_not(hit: Hit, fitted: Sequence[Hit], chosen: Container[str], read: Container[Start]) -> LeftOut:
    if start_of(hit.passage) in read:
        return "doubted"
    if hit.passage.id in chosen:
        return "room" if any(each.passage.id == hit.passage.id for each in fitted) else "unread"
    return "behind" if fitted else "unfit"


def _is_part(part: Passage, whole: Passage) -> bool:
    same = (part.source, part.digest) == (whole.source, whole.digest)
    return same and whole.start <= part.start and part.end <= whole.end


def nowhere(question: str, hits: Sequence[Hit], *, index: Index, scope: Scope) -> tuple[str, ...]:
    """Return the words of the question that no passage in the scope holds.

    Where all that is near is in another language, they could not stand there, and none is returned.
    """
    near = [hit.passage.text for hit in hits if language(hit.passage.text) == language(question)]

    def is_mentioned(word: str) -> bool:
        if any(is_in(text, word) for text in near):
            return True
        found = index.search_lexical(word, LOOKED_AT, scope=scope)
        whole = word.isascii() and word.isalnum()  # any other is found by its parts, too
        return any(whole or is_in(passage.text, word) for passage, _ in found)

    return unmentioned(question, is_mentioned) if near else ()
