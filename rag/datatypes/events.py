"""What a stream yields while a question is answered; last comes the `Answer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from rag.datatypes.answers import Answer, Hit
from rag.datatypes.prompts import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Another question is being answered; `place` 1 is next."""

    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The passages found, best first; those with a marker go into the prompt."""

    hits: tuple[Hit, ...]
    searched_for: str = ""  # the question as rewritten for the search; empty: as it was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The next piece of the answer's text."""

    text: str


Event: TypeAlias = Queued | Retrieved | Reading | Token | Answer
