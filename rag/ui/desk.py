"""The conversations of all who have the page open: one `Session` per browser tab, gone when the tab is."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING

from rag.datatypes import Answer, Event, Scope
from rag.errors import RagError
from rag.ui.background import Background, Emit
from rag.ui.languages import ENGLISH
from rag.ui.listing import View
from rag.ui.texts import Texts
from rag.ui.turns import Turn, advance, fail, stop

if TYPE_CHECKING:
    from rag.pipeline import Rag


class Session:
    """One tab: its language, turns, scope and view of the documents, and the answer being written, if any."""

    def __init__(self) -> None:
        self.texts: Texts = ENGLISH
        self.turns: list[Turn] = []
        self.scope = Scope()  # of the questions to come
        self.find_place = ""  # in the folders and files to choose from
        self.view = View()
        self.notices: tuple[str, ...] = ()  # of the last change of the documents
        self.seen: object = None  # the state of the shelf that this tab shows
        self._running: Background[Event] | None = None

    @property
    def busy(self) -> bool:
        return self._running is not None and not self._running.stopped

    def history(self) -> tuple[Answer, ...]:
        return tuple(turn.answer for turn in self.turns if turn.answer)

    def stop(self) -> None:
        """Stop the answer being written; safe from any thread."""
        if self._running is not None:
            self._running.stop()

    def clear(self) -> None:
        """Begin a new conversation; an answer being written belongs to the old one."""
        self.stop()
        self.turns, self._running = [], None
        self.scope, self.find_place = Scope(), ""

    async def ask(self, rag: Rag, question: str) -> AsyncGenerator[Turn, None]:
        """Yield the turn as it moves on, also kept in `turns`; closing this stops the engine."""
        turns, place, history = self.turns, len(self.turns), self.history()
        turn = Turn(number=place + 1, question=question, scope=self.scope)
        turns.append(turn)

        def work(emit: Emit[Event]) -> None:
            with closing(rag.stream(question, history=history, scope=turn.scope)) as events:
                for event in events:
                    if not emit(event):
                        return

        running = Background(work, name="answer")
        self._running = running
        try:
            yield turn
            async with aclosing(_follow(turn, running)) as steps:
                async for turns[place] in steps:
                    yield turns[place]
        finally:
            running.stop()
            turns[place] = stop(turns[place])
            if self._running is running:
                self._running = None


async def _follow(turn: Turn, running: Background[Event]) -> AsyncGenerator[Turn, None]:
    try:
        async for batch in running.batches():
            for event in batch:
                turn = advance(turn, event)
            yield turn
    except RagError as exc:
        yield fail(turn, str(exc))
        return
    if not turn.finished:
        yield stop(turn) if running.stopped else fail(turn, "")


class Desk:
    """The sessions by their browser tab's hash; safe from any thread."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def session(self, tab: str) -> Session:
        with self._lock:
            return self._sessions.setdefault(tab, Session())

    def leave(self, tab: str) -> None:
        """Forget a tab that was closed, stopping what it waited for."""
        with self._lock:
            session = self._sessions.pop(tab, None)
        if session is not None:
            session.stop()
