"""A Document -> Passages: structure first, then sentences, sized by the embedder's own tokenizer."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

from rag.datatypes import Document, Heading, Passage, Region
from rag.sentences import cut_points

TokenOffsets: TypeAlias = Callable[[str], list[tuple[int, int]]]
Span: TypeAlias = tuple[int, int, int]  # start, end, tokens

WINDOW: Final = 16_384  # characters given to the tokenizer at once
CHARS_PER_TOKEN: Final = 4  # width of the window in which a text without sentence ends is cut
MAX_CHARS_PER_TOKEN: Final = 8  # a tokenizer that calls a long word one unknown token is not believed
SMALL: Final = 4  # a section below a quarter of a passage may share one with its neighbour or subsection
TINY: Final = 8  # below an eighth of a passage, also with the next page or what a higher heading opens
EARLY: Final = 0.7  # a passage may end at a paragraph from this part of its share on
EDGE_TOKENS: Final = 16  # a passage this far below the limit is not counted again on its own
SOFT_CUT: Final = re.compile(r".*(?:\n|[\s，、,;:：）)\]}])", re.DOTALL)
CORNER: Final = re.compile(r"([A-Z]+)(\d+)")
MAX_PATH_TITLE: Final = 80  # characters of one title in a heading path
MAX_PATH: Final = 200  # characters; it is embedded with the passage, and the model reads 512 tokens


@dataclass(frozen=True, slots=True)
class Atom:
    """A span that is never cut: a sentence, a line or a piece of an endless one."""

    start: int
    end: int
    tokens: int
    level: int  # of the heading this is; 0: not a heading
    depth: int  # level of the heading this stands below or is
    page: int  # how many pages have begun before it
    opens_paragraph: bool


def split(document: Document, *, token_offsets: TokenOffsets, passage_tokens: int) -> list[Passage]:
    """Cut `document` into passages of at most `passage_tokens` tokens, without overlap.

    Every visible character is in exactly one passage. A passage begins anew at a page and at a heading,
    unless what came before is so short that it would say little on its own.
    """
    splitter = _Splitter(document, token_offsets, passage_tokens)
    return [splitter.passage(start, end) for start, end in splitter.spans()]


class _Splitter:
    def __init__(self, document: Document, token_offsets: TokenOffsets, limit: int) -> None:
        self._document = document
        self._text = document.text
        self._token_offsets = token_offsets
        self._limit = limit
        self._room = max(1, limit - 2)  # a tokenizer may count a span's edges differently on its own
        self._page_starts = [page.start for page in document.pages]
        self._heading_starts = [heading.start for heading in document.headings]
        self._region_starts = [region.start for region in document.regions]
        self._region_ends = [region.end for region in document.regions]
        self._paths = _heading_paths(document.headings)

    def passage(self, start: int, end: int) -> Passage:
        above = bisect_right(self._page_starts, start) - 1
        page = self._document.pages[above] if above >= 0 else None
        heading = bisect_right(self._heading_starts, start) - 1
        regions = self._regions(start, end)
        confidences = [each.confidence for each in regions if each.confidence is not None]
        return Passage(
            source=self._document.source,
            digest=self._document.digest,
            start=start,
            end=end,
            text=self._text[start:end],
            page=page.number if page else None,
            unit=page.unit if page else "page",
            part=page.part if page else "",
            heading=self._paths[heading] if heading >= 0 else "",
            cells=_cell_range([each.cells for each in regions if each.cells]),
            boxes=tuple(each.box for each in regions if each.box),
            confidence=min(confidences) if confidences else None,
        )

    def _regions(self, start: int, end: int) -> Sequence[Region]:
        first = bisect_right(self._region_ends, start)
        return self._document.regions[first : bisect_left(self._region_starts, end)]

    def spans(self) -> Iterator[tuple[int, int]]:
        for section in self._sections():
            for start, end, tokens in _pack(section, self._room):
                if tokens + EDGE_TOKENS <= self._limit or self._count(start, end) <= self._limit:
                    yield start, end
                else:
                    yield from ((left, right) for left, right, _ in self._chop(start, end))

    def _sections(self) -> Iterator[list[Atom]]:
        """Group the atoms into sections that no passage crosses."""
        section: list[Atom] = []
        tokens = 0
        for atom in self._atoms():
            if section and self._parts(section[-1], tokens, atom):
                yield section
                section, tokens = [], 0
            section.append(atom)
            tokens += atom.tokens
        if section:
            yield section

    def _parts(self, last: Atom, tokens: int, atom: Atom) -> bool:
        """Say whether a new section begins with `atom`, after `tokens` tokens that end with `last`."""
        if last.level and tokens <= self._limit // SMALL:
            return False  # a heading stays with what follows it
        if atom.page != last.page or 0 < atom.level < last.depth:
            return tokens >= self._limit // TINY
        return bool(atom.level) and tokens >= self._limit // SMALL

    def _atoms(self) -> Iterator[Atom]:
        headings, last_end = self._document.headings, 0
        for start, end, tokens in self._measured(self._trimmed()):
            above = bisect_right(self._heading_starts, start) - 1
            inside = above >= 0 and start < headings[above].end
            yield Atom(
                start,
                end,
                max(tokens, (end - start) // MAX_CHARS_PER_TOKEN),
                level=headings[above].level if inside else 0,
                depth=headings[above].level if above >= 0 else 0,
                page=bisect_right(self._page_starts, start),
                opens_paragraph="\n\n" in self._text[last_end:start],
            )
            last_end = end

    def _trimmed(self) -> Iterator[tuple[int, int]]:
        """Yield the spans between cuts, without the white space at their ends."""
        for start, end in pairwise(self._cuts()):
            piece = self._text[start:end]
            left = start + len(piece) - len(piece.lstrip())
            right = start + len(piece.rstrip())
            if left < right:
                yield left, right

    def _cuts(self) -> list[int]:
        cuts = {0, len(self._text), *self._page_starts}
        for heading in self._document.headings:
            cuts.update((heading.start, heading.end))
        return sorted(cuts.union(cut for cut in cut_points(self._text) if not self._in_heading(cut)))

    def _in_heading(self, offset: int) -> bool:
        above = bisect_right(self._heading_starts, offset) - 1
        return above >= 0 and offset < self._document.headings[above].end

    def _measured(self, spans: Iterator[tuple[int, int]]) -> Iterator[Span]:
        """Count the tokens of each span, calling the tokenizer on windows of many; cut the long ones."""
        batch: list[tuple[int, int]] = []
        for start, end in spans:
            if batch and end - batch[0][0] > WINDOW:
                yield from self._measure(batch)
                batch = []
            if end - start > WINDOW:
                yield from self._chop(start, end)
            else:
                batch.append((start, end))
        yield from self._measure(batch)

    def _measure(self, batch: Sequence[tuple[int, int]]) -> Iterator[Span]:
        if not batch:
            return
        base = batch[0][0]
        ends = [base + end for _, end in self._token_offsets(self._text[base : batch[-1][1]])]
        for start, end in batch:
            tokens = bisect_right(ends, end) - bisect_right(ends, start)
            if max(tokens, (end - start) // MAX_CHARS_PER_TOKEN) > self._room:
                yield from self._chop(start, end)
            else:
                yield start, end, tokens

    def _chop(self, start: int, end: int) -> Iterator[Span]:
        """Cut a span that is too long at its softest places, reading a few hundred characters at a time."""
        while start < end:
            cut, tokens = self._cut(start, end)
            piece = self._text[start:cut]
            left, right = cut - len(piece.lstrip()), start + len(piece.rstrip())
            if left < right:
                yield left, right, tokens
            start = cut

    def _cut(self, start: int, end: int) -> tuple[int, int]:
        """Return the end of the piece that begins at `start`, and its tokens."""
        window = self._text[start : min(end, start + self._limit * CHARS_PER_TOKEN)]
        offsets = self._token_offsets(window)
        size = offsets[self._room][0] if len(offsets) > self._room else len(window)
        if start + size < end:
            soft = SOFT_CUT.match(window, size // 2, size)
            size = soft.end() if soft else size
        size = max(1, size)
        while (tokens := self._count(start, start + size)) > self._limit and size > 1:
            size = max(1, size * 3 // 4)
        return start + size, tokens

    def _count(self, start: int, end: int) -> int:
        return len(self._token_offsets(self._text[start:end]))


def _pack(atoms: Sequence[Atom], room: int) -> Iterator[Span]:
    """Cut one section into passages of about equal size, at paragraphs where that is near."""
    first, taken = 0, 0
    left = sum(atom.tokens for atom in atoms)  # from atoms[first] on
    for index, atom in enumerate(atoms):
        if index > first and _is_full(taken, left, room, atom):
            cut = index
            while cut - 1 > first and atoms[cut - 1].level:
                cut -= 1  # a heading stays with what follows it
            carried = sum(atom.tokens for atom in atoms[cut:index])
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


def _cell_range(cells: Sequence[str]) -> str:
    """Return the cells from the first to the last of these ranges: "A2:C2", "A3:D3" -> "A2:D3"."""
    corners = [CORNER.fullmatch(corner) for each in cells for corner in each.split(":")]
    places = [(len(found[1]), found[1], int(found[2])) for found in corners if found]
    if not places:
        return ""
    columns, rows = [(size, letters) for size, letters, _ in places], [row for *_, row in places]
    return f"{min(columns)[1]}{min(rows)}:{max(columns)[1]}{max(rows)}"


def _heading_paths(headings: Sequence[Heading]) -> list[str]:
    """Return for each heading the titles above it and its own, outermost first."""
    paths: list[str] = []
    above: list[Heading] = []
    for heading in headings:
        while above and above[-1].level >= heading.level:
            above.pop()
        above.append(heading)
        paths.append(_path([item.title[:MAX_PATH_TITLE] for item in above]))
    return paths


def _path(titles: list[str]) -> str:
    while len(path := " > ".join(titles)) > MAX_PATH:
        titles = titles[1:]
    return path
