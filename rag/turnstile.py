"""First come, first served: one question at a time goes through, the others know their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self


class Turnstile:
    """A fair lock whose waiters can leave; a ticket may be used from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: list[Ticket] = []

    def ticket(self) -> Ticket:
        return Ticket(self)

    def join(self, ticket: Ticket) -> None:
        with self._changed:
            self._line.append(ticket)

    def leave(self, ticket: Ticket) -> None:
        with self._changed:
            self._line.remove(ticket)
            self._changed.notify_all()

    def is_waited_for(self, ticket: Ticket) -> bool:
        """Tell whether anybody stands behind a ticket."""
        with self._changed:
            return self._line[-1] is not ticket

    def wait(self, ticket: Ticket, *, seconds: float) -> int:
        """Return the ticket's place, 0 when it is its turn, as soon as that changes or time is up."""
        with self._changed:
            place = self._line.index(ticket)
            if place:
                self._changed.wait_for(lambda: self._line.index(ticket) != place, timeout=seconds)
            return self._line.index(ticket)


class Ticket:
    """A place in the line, from `with` to its end."""

    def __init__(self, turnstile: Turnstile) -> None:
        self._turnstile = turnstile

    def __enter__(self) -> Self:
        self._turnstile.join(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turnstile.leave(self)

    def is_waited_for(self) -> bool:
        return self._turnstile.is_waited_for(self)

    def places(self, *, seconds: float = 0.5) -> Iterator[int]:
        """Yield the place, at least every so many seconds, until it is this ticket's turn."""
        place = self._turnstile.wait(self, seconds=0)
        while place:
            yield place
            place = self._turnstile.wait(self, seconds=seconds)
