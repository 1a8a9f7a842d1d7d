"""Where the tokens of a prompt stand, and what of a prompt is held already.

Where passages are kept, each is read once after the constant beginning, seeing nothing else. So it stands in
any prompt that shows it first, and that is exactly as if it had been read there. So are neighbours that were
found together: the second is read after the first, and kept as what follows it.

What other passages follow is read anew in each prompt, since it has to see those before it; or, where
passages are spliced, none sees another: all stand at that same position, and what follows them stands after
the longest (as in APE, Yang et al. 2025, arXiv:2502.05431, without its temperature and scale), so that
nothing is turned or read anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, takewhile
from typing import Final

from rag.tokenizer.chat import ChatTokenizer, Rendered, Shown

FIRST: Final = "[1] "  # the number under which every passage is read: another would be another text


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A passage of a prompt that is read apart."""

    slots: range  # of its tokens among those of the prompt
    after: range  # the slots of the neighbours that stand before it, and that it has seen
    texts: tuple[str, ...]  # of those and, last, its own, without their numbers

    @property
    def text(self) -> str:
        return self.texts[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The tokens of a prompt, and the position of each."""

    tokens: Sequence[int]
    places: Sequence[int]
    constant: int = 0  # the first so many are the beginning
    passages: tuple[Part, ...] = ()  # those read apart; all but neighbours begin at the same place

    @property
    def apart(self) -> int:
        """How many tokens come before the rest, which is read in one row."""
        return self.passages[-1].slots.stop if self.passages else self.constant

    def seen_by(self, part: Part) -> Sequence[int]:
        """Return the tokens that stand before a passage: the beginning, and its neighbours."""
        return [*self.tokens[: self.constant], *self.tokens[part.after.start : part.after.stop]]

    def first_hit(self) -> Layout:
        """Return the layout of the beginning and the first passage, with the neighbours found with it."""
        follow = takewhile(lambda part: part.after, self.passages[1:])
        passages = (self.passages[0], *follow)
        end = passages[-1].slots.stop
        return replace(self, tokens=self.tokens[:end], places=self.places[:end], passages=passages)


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


def kept_apart(prompt: Rendered, tokenizer: ChatTokenizer, *, splices: bool) -> Layout:
    """Return the layout of a prompt of which all that can be kept is read apart."""
    return spliced(prompt, tokenizer) if splices else first_apart(prompt, tokenizer)


def first_apart(prompt: Rendered, tokenizer: ChatTokenizer) -> Layout:
    """Return the layout of a prompt of which only the beginning and the first hit are read apart."""
    whole = replace(plain(prompt), constant=prompt.constant)
    if not prompt.constant or not prompt.passages:
        return whole
    parts = list(_parts(_hits(prompt)[0], prompt.constant, tokenizer))
    said = [token for _, tokens in parts for token in tokens]
    if said != prompt.tokens[prompt.constant : prompt.constant + len(said)]:
        return whole  # it bears another number
    return replace(whole, passages=tuple(part for part, _ in parts))


def spliced(prompt: Rendered, tokenizer: ChatTokenizer) -> Layout:
    """Return the layout of a prompt whose hits are all read apart."""
    if not prompt.constant:
        return plain(prompt)
    tokens = list(prompt.tokens[: prompt.constant])
    places = list(range(prompt.constant))
    passages: list[Part] = []
    for hit in _hits(prompt):
        for part, said in _parts(hit, len(tokens), tokenizer):
            passages.append(part)
            first = prompt.constant + len(part.after)
            tokens += said
            places += range(first, first + len(said))
    rest = prompt.tokens[prompt.passages[-1].places.stop if passages else prompt.constant :]
    first = max(places) + 1
    return Layout(
        tokens=[*tokens, *rest],
        places=[*places, *range(first, first + len(rest))],
        constant=prompt.constant,
        passages=tuple(passages),
    )


def _hits(prompt: Rendered) -> list[list[Shown]]:
    """Return the passages of each hit."""
    return [list(hit) for _, hit in groupby(prompt.passages, key=lambda shown: shown.number)]


def _parts(hit: Sequence[Shown], start: int, tokenizer: ChatTokenizer) -> Iterator[tuple[Part, list[int]]]:
    """Yield the passages of a hit from a slot on, each with its tokens."""
    slot = start
    for number, shown in enumerate(hit):
        said = tokenizer.encode(f"{FIRST}{shown.text}")
        texts = tuple(each.text for each in hit[: number + 1])
        slots = range(slot, slot + len(said))
        yield Part(slots=slots, after=range(start, slot), texts=texts), said
        slot = slots.stop
