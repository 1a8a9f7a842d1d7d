"""Atoms -> passages: what belongs together is joined while it fits, the rest shared out evenly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from rag.datatypes import Page
from rag.split.ruler import Span

EARLY: Final = 0.7  # a passage may end at a paragraph from this part of its share on


@dataclass(frozen=True, slots=True)
class Atom:
    """A span that is never cut: a sentence, a line, a row, or a whole block that fits into a passage."""

    start: int
    end: int
    tokens: int
    level: int  # of the heading this is; 0: not a heading
    depth: int  # level of the heading this stands below or is
    page: Page | None
    opens_paragraph: bool
    leads: bool = False  # says nothing without what follows: a heading, a header row, "as follows:"
    group: tuple[int, ...] = ()  # the block it is of, the definition and paragraph within; (): of none


def joined(atoms: Iterable[Atom], room: int) -> Iterator[Atom]:
    """Make one atom of each block that fits into `room` tokens beside what leads to it.

    Of a longer one, what belongs together and fits is joined.
    """
    leading = 0  # tokens
    for group, members in groupby(atoms, key=lambda atom: atom.group[:1]):
        for atom in _join(list(members), room - leading, 1) if group else members:
            leading = leading + atom.tokens if atom.leads else 0
            yield atom


def _join(atoms: Sequence[Atom], room: int, depth: int) -> Iterator[Atom]:
    tokens = sum(atom.tokens for atom in atoms)
    if tokens <= room:
        yield replace(atoms[0], end=atoms[-1].end, tokens=tokens, leads=all(atom.leads for atom in atoms))
        return
    for _, members in groupby(atoms, key=lambda atom: atom.group[: depth + 1]):
        some = list(members)
        yield from _join(some, room, depth + 1) if depth < len(some[0].group) else some


def pack(atoms: Sequence[Atom], room: int) -> Iterator[Span]:
    """Cut one section into passages of about equal size, at paragraphs where that is near."""
    first, taken = 0, 0
    left = sum(atom.tokens for atom in atoms)  # from atoms[first] on
    for index, atom in enumerate(atoms):
        if index > first and _is_full(taken, left, room, atom):
            cut, carried = index, 0
            while cut - 1 > first and atoms[cut - 1].leads:
                if carried + atoms[cut - 1].tokens + atom.tokens > room:
                    break
                cut -= 1  # it stays with what follows it
                carried += atoms[cut].tokens
            yield atoms[first].start, atoms[cut - 1].end, taken - carried
            first, left, taken = cut, left - taken + carried, carried
        taken += atom.tokens
    yield atoms[first].start, atoms[-1].end, taken


def _is_full(taken: int, left: int, room: int, following: Atom) -> bool:
    if left <= room:
        return False
    share = left / math.ceil(left / room)
    early = following.opens_paragraph and taken >= EARLY * share
    return early or taken >= share or taken + following.tokens > room
