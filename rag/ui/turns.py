"""One question of a conversation and what has come of it: a value that each event of a stream moves on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from rag.datatypes import Answer, Citation, Event, Hit, Queued, Reading, Retrieved, Scope, Token
from rag.render import Step

Phase: TypeAlias = Literal["searching", "queued", "reading", "writing", "done", "stopped", "failed"]
WAITING: frozenset[Phase] = frozenset({"searching", "queued", "reading"})
FINISHED: frozenset[Phase] = frozenset({"done", "stopped", "failed"})
MOST_SHOWN: Final = 1000  # characters of a question


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question, its phase, and the answer as far as it has come."""

    number: int  # from 1, within its conversation
    question: str
    scope: Scope = field(default_factory=Scope)  # where it is searched for
    phase: Phase = "searching"
    place: int = 0  # in the queue, 1 is next
    step: Step = field(default_factory=Step)
    read: float = 0.0  # share of what the model may have to read that it has read, 0 to 1
    text: str = ""
    hits: tuple[Hit, ...] = ()
    searched_for: str = ""  # the question as rewritten for the search; empty: as it was asked
    answer: Answer | None = None
    error: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def citations(self) -> tuple[Citation, ...]:
        return self.answer.citations if self.answer else ()

    @property
    def finished(self) -> bool:
        return self.phase in FINISHED


def advance(turn: Turn, event: Event) -> Turn:
    """Return the turn after one event of `Rag.stream`."""
    if isinstance(event, Queued):
        return replace(turn, phase="queued", place=event.place)
    if isinstance(event, Retrieved):
        step = turn.step.next(event.hits)
        turn = replace(turn, step=step, hits=event.hits, searched_for=event.searched_for)
        return replace(turn, phase="reading", read=step.share(0.0))
    if isinstance(event, Reading):
        again = turn.phase == "writing"  # the next part of a document that is summarised
        share = turn.step.share(event.done / event.total if event.total else 0.0)
        return replace(turn, phase="reading" if again else turn.phase, read=share)
    if isinstance(event, Token):
        text = turn.text + event.text
        return replace(turn, phase="writing" if text else turn.phase, text=text)
    return replace(turn, phase="done", answer=event, text=event.text, hits=event.hits)


def stop(turn: Turn) -> Turn:
    """Return the turn as its reader left it; a finished one stays as it is."""
    return turn if turn.finished else replace(turn, phase="stopped")


def fail(turn: Turn, error: str) -> Turn:
    """Return the turn with the sentence that says why there is no answer."""
    return replace(turn, phase="failed", error=error)


def shorten(question: str) -> str:
    """Return what is shown of a question: a whole document pasted as one is cut."""
    return question if len(question) <= MOST_SHOWN else f"{question[:MOST_SHOWN]}…"
