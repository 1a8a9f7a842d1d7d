"""Guessing an answer's next tokens from the prompt: what is copied need not be computed one by one.

Prompt lookup decoding (Saxena 2023, https://github.com/apoorvumang/prompt-lookup-decoding): where the last
few tokens stood before, what followed there is guessed to follow here. The model reads all guesses at once
and keeps those that it would have chosen itself, so that greedy answers stay the same. How many are guessed
depends on what reading them costs and how likely they are right (Leviathan et al. 2023, arXiv:2211.17192).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from operator import mul
from typing import Final, TypeAlias

# How often what followed a run of so many like tokens follows it again: in 69 answers by Qwen2.5-Coder-1.5B
# after one .37, after two .72, after 3 to 7 .83, after 8 to 15 .91, after more .92. Most are taken a little
# lower, since what a wrong guess costs is sure.
CHANCES: Final = {1: 0.3, 2: 0.6, 3: 0.8, 8: 0.85, 16: 0.92}
WORTH: Final = 1.15  # times as many tokens in a time as without guessing; less lost more often than it gained
RUN: Final = 16  # longest that is looked for

Costs: TypeAlias = Sequence[float]  # of reading 1, 2, 3, ... tokens at once, in readings of one
ALONE: Final[Costs] = (1.0,)  # nothing is known of more


class Lookup:
    """The prompt and what was written after it, by what stood where."""

    def __init__(self, prompt: Sequence[int], costs: Costs) -> None:
        self._costs = costs
        self._tokens: list[int] = []
        self._places = defaultdict[int, list[int]](list)  # token -> where what followed it stands
        self._add(prompt)
        self._prompt = len(prompt)

    def guess(self, written: int, *, room: int) -> Sequence[int]:
        """Take a token that was written, and return what may follow, at most `room` tokens."""
        self._add([written])
        run, place = self._latest_longest()
        most = min(room, len(self._tokens) - place, len(self._costs) - 1)
        chances = [_chance(run + more) for more in range(most)]
        return self._tokens[place : place + best_count(chances, self._costs)]

    def learn(self, right: Sequence[int]) -> None:
        """Take the guesses that were right."""
        self._add(right)

    def _latest_longest(self) -> tuple[int, int]:
        """Return how many of the tokens last written stood before, and where what followed them stands.

        What ends the prompt does not count: every turn of a conversation ends so.
        """
        tokens, longest = self._tokens, min(RUN, len(self._tokens) - self._prompt)
        best = 0, len(tokens)
        for place in reversed(self._places[tokens[-1]]):
            run = 1
            while run < min(longest, place) and tokens[place - 1 - run] == tokens[-1 - run]:
                run += 1
            if run > best[0]:
                best = run, place
            if run == longest:
                break
        return best

    def _add(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            if self._tokens:
                self._places[self._tokens[-1]].append(len(self._tokens))
            self._tokens.append(token)


def best_count(chances: Sequence[float], costs: Costs) -> int:
    """Return how many tokens to guess so that most are written in a time, if that is `WORTH` it.

    A guess is right by its chance where all before it were; `costs` of one more token than are guessed.
    """
    written = accumulate(accumulate(chances, mul), initial=1.0)  # one is sure without any guess
    gains = [tokens / cost for tokens, cost in zip(written, costs, strict=False)]
    best = max(range(len(gains)), key=lambda count: gains[count], default=0)
    return best if best and gains[best] >= WORTH else 0


def costs_between(measured: Mapping[int, float]) -> Costs:
    """Return what reading 1, 2, 3, ... tokens costs, from the times of some of these numbers, ascending."""
    costs = [*ALONE]
    for (few, less), (many, more) in pairwise(measured.items()):
        step = (more - less) / (many - few)
        costs += [(less + step * (count - few)) / measured[1] for count in range(few + 1, many + 1)]
    return tuple(costs)


def _chance(run: int) -> float:
    return max((chance for least, chance in CHANCES.items() if run >= least), default=0.0)
