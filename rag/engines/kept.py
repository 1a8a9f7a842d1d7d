"""The states of recent prompts, so that no beginning that two prompts share is read twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from rag.engines.decoder import Decoder, States

STEP: Final = 256  # tokens; room is given in multiples of it


@dataclass(slots=True)
class Kept:
    """`states` holds the keys and values of at least `tokens`."""

    tokens: list[int]
    states: States


class KeptStates:
    """A few sequences, the most recently used last, with at most `budget` tokens of room in all."""

    def __init__(self, model: Decoder, budget: int) -> None:
        self._model = model
        self._budget = budget
        self._kept: list[Kept] = []

    def take(self, tokens: Sequence[int], *, room: int) -> tuple[States, int]:
        """Return states with `room`, and how many of `tokens` they hold already: never all of them.

        A sequence that `tokens` continue gives way to its continuation; one that they leave is kept, and its
        shared beginning copied (a copy costs a thousandth of reading).
        """
        best = max(reversed(self._kept), key=lambda kept: _shared(kept.tokens, tokens), default=None)
        past = min(_shared(best.tokens, tokens), len(tokens) - 1) if best else 0
        states = States(self._model, -(-room // STEP) * STEP)
        if best:
            states.copy_from(best.states, past)
            if past or not best.tokens:
                self._kept.remove(best)
            if 0 < past < len(best.tokens):
                self._kept.append(best)  # used just now, so it gives way last
        self._make_room(states.capacity)
        self._kept.append(Kept(list(tokens[:past]), states))
        return states, past

    def keep(self, tokens: Sequence[int], states: States) -> None:
        """Note that `states`, the last taken, now hold `tokens`."""
        self._kept[-1] = Kept(list(tokens), states)

    def _make_room(self, capacity: int) -> None:
        while self._kept and capacity + sum(kept.states.capacity for kept in self._kept) > self._budget:
            del self._kept[0]


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
