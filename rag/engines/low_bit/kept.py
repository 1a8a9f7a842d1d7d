"""The states of recent prompts, so that no beginning that two prompts share is read twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rag.engines.layout import Held, Layout
from rag.engines.low_bit.decoder import Decoder, States

STEP: Final = 256  # tokens; room is given in multiples of it


@dataclass(slots=True)
class Kept:
    """Keys and values of at least what is held."""

    states: States
    held: Held = field(default_factory=Held)


class KeptStates:
    """A few sequences, the most recently used last, with at most `budget` tokens of room in all."""

    def __init__(self, model: Decoder, budget: int) -> None:
        self._model = model
        self._budget = budget
        self._kept: list[Kept] = []

    def take(self, layout: Layout, *, room: int) -> Kept:
        """Return states with `room` that hold a layout's beginning as far as it is known: never all of it.

        Note in `held` what is read. A sequence that the layout continues gives way to its continuation; one
        that it leaves is kept, and its shared beginning copied (a copy costs a thousandth of reading).
        """
        shares = [(kept.held.shared(layout), kept) for kept in reversed(self._kept)]
        shared, best = max(shares, key=lambda share: share[0], default=(0, None))
        past = min(shared, len(layout.tokens) - 1)
        taken = Kept(States(self._model, -(-room // STEP) * STEP))
        if best:
            taken.states.copy_from(best.states, past)
            if past or not best.held.tokens:
                self._kept.remove(best)
            if 0 < past < len(best.held.tokens):
                self._kept.append(best)  # used just now, so it gives way last
        self._make_room(taken.states.capacity)
        self._kept.append(taken)
        taken.held.note(layout, past)
        return taken

    def _make_room(self, capacity: int) -> None:
        while self._kept and capacity + sum(kept.states.capacity for kept in self._kept) > self._budget:
            del self._kept[0]
