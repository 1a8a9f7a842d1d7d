"""What became of what was found and said: what the model was shown of it, and what the question has alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Final

from rag.datatypes import Answer, Hit, LeftOut, Passage, Scope
from rag.index import Index
from rag.prompt import Fitted, language
from rag.unmentioned import is_in, unmentioned

LOOKED_AT: Final = 20  # of the passages that share a part with a word, which hold the whole first


def accounted(found: Sequence[Hit], fitted: Fitted) -> tuple[Hit, ...]:
    """Return every hit, as it was shown to the model or with the reason why it was not."""
    return tuple(_accounted(hit, fitted.hits) for hit in found)


def _accounted(hit: Hit, fitted: Sequence[Hit]) -> Hit:
    shown = next((each for each in fitted if each.marker and _is_part(each.passage, hit.passage)), None)
    if shown is None:
        return replace(hit, left_out=_why_not(hit, fitted))
    return replace(shown, cut=len(hit.passage.text) - len(shown.passage.text))


def _why_not(hit: Hit, fitted: Sequence[Hit]) -> LeftOut:
    if not fitted:
        return "unfit"
    return "room" if any(each.passage.id == hit.passage.id for each in fitted) else "behind"


def _is_part(part: Passage, whole: Passage) -> bool:
    same = (part.source, part.digest) == (whole.source, whole.digest)
    return same and whole.start <= part.start and part.end <= whole.end


def turns_left_out(history: Sequence[Answer], scope: Scope, fitted: Fitted) -> int:
    """Return how many earlier answers the prompt does not hold, where there is one."""
    asked = [message.text for message in fitted.prompt.messages if message.role == "user"][:-1]
    own = [turn for turn in history if turn.scope == scope]
    pairs = zip(reversed(own), reversed(asked), strict=False)
    told = takewhile(lambda pair: pair[0].question in pair[1], pairs)
    return len(history) - sum(1 for _ in told) if fitted.shown else 0


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
