"""Where the tokens of a prompt stand, and what of a prompt is held already.

Where passages are kept, each is read once after the constant beginning, seeing nothing else. In a prompt all
stand at that same position, and what follows them stands after the longest (as in APE, Yang et al. 2025,
arXiv:2502.05431, without its temperature and scale): so nothing is turned or read anew, and each looks the
same in whatever company. A passage alone is exactly as if it had been read there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rag.tokenizer.chat import ChatTokenizer, Rendered

FIRST: Final = "[1] "  # the number under which every passage is read: another would be another text


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The tokens of a prompt, and the position of each."""

    tokens: Sequence[int]
    places: Sequence[int]
    constant: int = 0  # the first so many are the beginning
    passages: tuple[range, ...] = ()  # of the tokens, those read apart; all begin at the same place
    texts: tuple[str, ...] = ()  # of the passages, without their numbers

    @property
    def apart(self) -> int:
        """How many tokens come before the rest, which is read in one row."""
        return self.passages[-1].stop if self.passages else self.constant

    def first_passage(self) -> Layout:
        """Return the layout of the beginning and the first passage alone."""
        end = self.passages[0].stop
        return replace(
            self,
            tokens=self.tokens[:end],
            places=self.places[:end],
            passages=self.passages[:1],
            texts=self.texts[:1],
        )


@dataclass(slots=True)
class Held:
    """Tokens that were read, and their positions."""

    tokens: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def shared(self, layout: Layout) -> int:
        """Return how many of the layout's tokens are held, from its beginning on."""
        mine = zip(self.tokens, self.places, strict=True)
        theirs = zip(layout.tokens, layout.places, strict=True)
        pairs = enumerate(zip(mine, theirs, strict=False))
        least = min(len(self.tokens), len(layout.tokens))
        return next((number for number, (one, other) in pairs if one != other), least)

    def note(self, layout: Layout, count: int) -> None:
        """Hold the first `count` tokens of a layout, of which some are held, and no others."""
        self.tokens[:], self.places[:] = layout.tokens[:count], layout.places[:count]

    def add(self, tokens: Sequence[int]) -> None:
        """Hold tokens at the places that follow."""
        place = self.places[-1] + 1
        self.tokens += tokens
        self.places += range(place, place + len(tokens))

    def take_back(self, count: int) -> None:
        """Hold the last so many no longer."""
        del self.tokens[len(self.tokens) - count :], self.places[len(self.places) - count :]


def plain(prompt: Rendered) -> Layout:
    """Return the layout of a prompt that is read from its beginning to its end."""
    return Layout(tokens=prompt.tokens, places=range(len(prompt.tokens)))


def spliced(prompt: Rendered, tokenizer: ChatTokenizer) -> Layout:
    """Return the layout of a prompt whose passages are read apart."""
    if not prompt.constant:
        return plain(prompt)
    tokens = list(prompt.tokens[: prompt.constant])
    places = list(range(prompt.constant))
    passages: list[range] = []
    for shown in prompt.passages:
        start = len(tokens)
        tokens += tokenizer.encode(f"{FIRST}{shown.text}")
        passages.append(range(start, len(tokens)))
        places += range(prompt.constant, prompt.constant + len(passages[-1]))
    rest = prompt.tokens[prompt.passages[-1].places.stop if passages else prompt.constant :]
    first = prompt.constant + max(map(len, passages), default=0)
    return Layout(
        tokens=[*tokens, *rest],
        places=[*places, *range(first, first + len(rest))],
        constant=prompt.constant,
        passages=tuple(passages),
        texts=tuple(shown.text for shown in prompt.passages),
    )
