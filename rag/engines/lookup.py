"""Guessing an answer's next tokens from the prompt: what is copied need not be computed one by one.

Prompt lookup decoding (Saxena 2023, https://github.com/apoorvumang/prompt-lookup-decoding): where the last
few tokens stood before, what followed there is guessed to follow here. The model reads all guesses at once
and keeps those that it would have chosen itself, so that greedy answers stay the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LONGEST: Final = 3  # tokens that must have stood before, first so many, then fewer
SHORTEST: Final = 2


class Lookup:
    """What followed each short run of tokens, of which the latest counts."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}  # run -> where what followed it stands
        self.add(tokens)

    def add(self, tokens: Sequence[int]) -> None:
        """Take what was written after all that is known."""
        for token in tokens:
            for size in range(SHORTEST, LONGEST + 1):
                if len(self._tokens) >= size:
                    self._ends[tuple(self._tokens[-size:])] = len(self._tokens)
            self._tokens.append(token)

    def guess(self, count: int) -> list[int]:
        """Return at most `count` tokens that may come next."""
        for size in range(LONGEST, SHORTEST - 1, -1):
            place = self._ends.get(tuple(self._tokens[-size:]))
            if place is not None:
                return self._tokens[place : place + count]
        return []
