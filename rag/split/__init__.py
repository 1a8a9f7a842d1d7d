"""A Document -> Passages: structure first, then sentences, sized by the embedder's own tokenizer."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from pathlib import PurePath
from typing import Final

from rag.datatypes import Document, Page, Passage
from rag.load.kinds import KINDS
from rag.sentences import cut_points
from rag.split.blocks import LINE, Block, code_groups, find_blocks, outline
from rag.split.pack import Atom, joined, pack
from rag.split.place import Places, innermost
from rag.split.ruler import MAX_CHARS_PER_TOKEN, Ruler, Span, TokenOffsets

SMALL: Final = 4  # a section below a quarter of a passage may share one with its neighbour or subsection
TINY: Final = 8  # below an eighth of a passage, also with the next page or what a higher heading opens
EDGE_TOKENS: Final = 16  # a passage this far below the limit is not counted again on its own
COLONS: Final = (":", "：")
PROSE: Final = frozenset({".tex", ".bib"})  # programs by name, but their text is sentences
FAR: Final = 1000  # characters of white space after which nothing is announced any more


def split(
    document: Document, *, token_offsets: TokenOffsets, passage_tokens: int, embedded_tokens: int = 500
) -> list[Passage]:
    """Cut `document` into passages of at most `passage_tokens` tokens, without overlap.

    Every visible character is in exactly one passage. A passage begins anew at a page and at a heading,
    unless what came before is so short that it would say little on its own; at a sheet, and at a member of
    an archive or an attachment, always. Tables are cut between rows, code between definitions, and a list
    stays with what leads to it. The titles above a passage, with the header row where it begins within a
    table, are its `heading`; both together have at most `embedded_tokens`, which is what the embedder reads.
    """
    splitter = _Splitter(document, token_offsets, passage_tokens, embedded_tokens)
    return [splitter.passage(start, end, tokens) for start, end, tokens in splitter.spans()]


class _Splitter:
    def __init__(self, document: Document, token_offsets: TokenOffsets, limit: int, embedded: int) -> None:
        self._document = document
        self._text = document.text
        self._limit = min(limit, embedded)
        self._embedded = embedded
        self._ruler = Ruler(document.text, token_offsets, self._limit)
        self._count = lru_cache(maxsize=1000)(lambda text: len(token_offsets(text)))
        self._places = Places(document)
        rows = [(region.start, region.end) for region in document.regions if region.cells]
        self._blocks = find_blocks(document.text, self._places.bounds, rows, self._is_code)
        self._block_starts = [block.start for block in self._blocks]
        code = [each for each in self._blocks if each.kind == "code"]
        self._code = [line for block in code for line in code_groups(document.text, block)]
        headings = [(heading.start, heading.end) for heading in document.headings]
        uncut = [(block.start, block.end) for block in self._blocks if block.kind != "list"]
        self._uncut = [Spans(headings), Spans(rows), Spans(uncut)]

    def _is_code(self, offset: int) -> bool:
        page = self._places.page(offset)
        suffix = PurePath(page.part if page and page.part else self._document.source).suffix.lower()
        return KINDS.get(suffix) == "code" and suffix not in PROSE

    def passage(self, start: int, end: int, tokens: int) -> Passage:
        return Passage(
            source=self._document.source,
            digest=self._document.digest,
            start=start,
            end=end,
            text=self._text[start:end],
            heading=self._heading(start, end, tokens),
            **self._places.fields(start, end),
        )

    def _heading(self, start: int, end: int, tokens: int) -> str:
        """Return the titles above a passage, as many of the innermost as are read beside its text."""
        titles = self._places.titles(start)
        block = self._block(start)
        if block and start >= block.body:
            below = outline(self._text, block, start) if block.kind == "list" else []
            titles = innermost([*titles, *([block.title] if block.title else []), *below])
        while titles and not self._is_read(" > ".join(titles), start, end, tokens):
            titles = titles[1:]
        return " > ".join(titles)

    def _is_read(self, path: str, start: int, end: int, tokens: int) -> bool:
        """Say whether the embedder reads all of a passage below `path`; counted exactly where it is close."""
        if self._count(path) + tokens + EDGE_TOKENS <= self._embedded:
            return True
        return self._count(f"{path}\n{self._text[start:end]}") <= self._embedded

    def spans(self) -> Iterator[Span]:
        for section in self._sections():
            for start, end, tokens in pack(section, self._ruler.room):
                if tokens + EDGE_TOKENS <= self._limit or self._ruler.count(start, end) <= self._limit:
                    yield start, end, tokens
                else:
                    yield from self._ruler.chop(start, end)

    def _sections(self) -> Iterator[list[Atom]]:
        """Group the atoms into sections that no passage crosses."""
        section: list[Atom] = []
        tokens = 0
        for atom in joined(self._atoms(), self._ruler.room):
            if section and self._parts(section[-1], tokens, atom):
                yield section
                section, tokens = [], 0
            section.append(atom)
            tokens += atom.tokens
        if section:
            yield section

    def _parts(self, last: Atom, tokens: int, atom: Atom) -> bool:
        """Say whether a new section begins with `atom`, after `tokens` tokens that end with `last`."""
        if atom.start - last.end > self._limit or _is_apart(atom.page, last.page):
            return True
        if last.level and tokens <= self._limit // SMALL:
            return False  # a heading stays with what follows it
        if atom.page is not last.page or 0 < atom.level < last.depth:
            return tokens >= self._limit // TINY
        return bool(atom.level) and tokens >= self._limit // SMALL

    def _atoms(self) -> Iterator[Atom]:
        last_end = 0
        for start, end, tokens in self._ruler.measured(self._trimmed()):
            above = self._places.heading(start)
            level = above.level if above and start < above.end else 0
            yield Atom(
                start,
                end,
                max(tokens, (end - start) // MAX_CHARS_PER_TOKEN),
                level=level,
                depth=above.level if above else 0,
                page=self._places.page(start),
                opens_paragraph="\n\n" in self._text[last_end:start],
                leads=bool(level) or self._leads(start, end),
                group=self._group(start),
            )
            last_end = end

    def _group(self, start: int) -> tuple[int, ...]:
        number = bisect_right(self._block_starts, start) - 1
        if number < 0 or start >= self._blocks[number].end:
            return ()
        if self._blocks[number].kind != "code":
            return (number,)
        _, definition, paragraph = self._code[bisect_right(self._code, start, key=itemgetter(0)) - 1]
        return (number, definition, paragraph)

    def _block(self, offset: int) -> Block | None:
        group = self._group(offset)
        return self._blocks[group[0]] if group else None

    def _leads(self, start: int, end: int) -> bool:
        """Say whether a span is a header row, or announces the block after it."""
        block = self._block(start)
        if block and end <= block.body:
            return True
        following = bisect_left(self._block_starts, end)
        if self._text[end - 1] not in COLONS or following == len(self._blocks):
            return False
        return not self._text[end : min(end + FAR, self._block_starts[following])].strip()

    def _trimmed(self) -> Iterator[tuple[int, int]]:
        """Yield the spans between cuts, without the white space at their ends."""
        for start, end in pairwise(self._cuts()):
            piece = self._text[start:end]
            left = start + len(piece) - len(piece.lstrip())
            right = start + len(piece.rstrip())
            if left < right:
                yield left, right

    def _cuts(self) -> list[int]:
        """Return where the text may be cut: at sentences, but only between the rows and lines of a block."""
        headings, rows, blocks = self._uncut
        cuts = {cut for cut in cut_points(self._text) if not blocks.hold(cut)}
        for block in self._blocks:
            cuts.update((block.start, block.end))
            if block.kind != "list":
                cuts.update(line.end() for line in LINE.finditer(self._text, block.start, block.end))
        cuts = {cut for cut in cuts if not headings.hold(cut) and not rows.hold(cut)}
        return sorted(cuts.union(self._places.bounds))


class Spans:
    """Spans in order, none overlapping the next."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    def hold(self, offset: int) -> bool:
        """Say whether one of the spans would be cut at `offset`."""
        at = bisect_left(self._starts, offset) - 1
        return at >= 0 and offset < self._ends[at]


def _is_apart(page: Page | None, other: Page | None) -> bool:
    """Say whether no passage may stand on both pages: a cell range and a member's name are of one."""
    if page is other:
        return False
    units = {each.unit for each in (page, other) if each}
    return "sheet" in units or len({each.part if each else "" for each in (page, other)}) > 1
