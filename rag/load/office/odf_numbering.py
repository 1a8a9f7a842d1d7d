"""What is printed before headings and list items of OpenDocument text (OASIS ODF 1.3 part 3, 16.30 to 34)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from lxml import etree

from rag.load.office import numbered
from rag.load.office.numbered import Counts, Level, Levels, Write, next_label
from rag.load.office.odf_package import STYLE, TEXT

LOEXT: Final = "{urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0}"
XML_ID: Final = "{http://www.w3.org/XML/1998/namespace}id"
NUMBERED: Final = frozenset({TEXT + "list-level-style-number", TEXT + "outline-level-style"})
PLACE: Final = re.compile(r"%(\d\d?)%")
MOST_LEVELS: Final = 10
MAX_BASES: Final = 20  # a style based on itself must not hang the reader
LONGEST_NUMBER: Final = 9  # digits
BULLETS: Final[Levels] = {at: Level(parts=()) for at in range(MOST_LEVELS)}
FORMATS: Final[Mapping[str, Write]] = {  # by what a format begins with: "一, 二, 三, ..."
    "": numbered.nothing,
    "a": numbered.letters,
    "A": lambda count: numbered.letters(count).upper(),
    "i": numbered.roman,
    "I": lambda count: numbered.roman(count).upper(),
    "一": numbered.chinese,
    "壹": numbered.formal,
    "甲": numbered.stems,
    "①": numbered.circled,
}


class Listed(NamedTuple):
    """A paragraph or heading of a list, what is printed before it, and how deep it stands, from 0."""

    node: etree._Element
    label: str
    depth: int


class _Run(NamedTuple):
    """A list or a part of one, and the numbers that it goes on from."""

    style: str
    levels: Levels
    counts: Counts
    depth: int


class OdfNumbering:
    """Counts the headings and the items of every list, as the word processor would."""

    def __init__(self, roots: Iterable[etree._Element]) -> None:
        """Read the styles of `roots`, of which later ones go before."""
        self._styles: dict[str, Levels] = {}
        self._bases: dict[str, tuple[str | None, str | None]] = {}  # paragraph styles: list style, parent
        self._outline: Levels = {}
        self._headings: Counts = {}
        self._by_id: dict[str | None, Counts] = {}
        self._by_style: dict[str, Counts] = {}  # those of the last list of a style
        for root in roots:
            for style in root.iter(STYLE + "style"):
                if style.get(STYLE + "family") == "paragraph":
                    names = style.get(STYLE + "list-style-name"), style.get(STYLE + "parent-style-name")
                    self._bases[style.get(STYLE + "name", "")] = names
            for style in root.iter(TEXT + "list-style", TEXT + "outline-style"):
                self._keep(style)

    def _keep(self, style: etree._Element) -> None:
        name = style.get(STYLE + "name", "")
        self._styles[name] = _levels(style)
        if style.tag == TEXT + "outline-style":
            self._outline = self._styles[name]
            self._by_style[name] = self._headings

    def heading(self, node: etree._Element) -> str:
        """Count a heading that stands in no list; return what is printed before it."""
        at = (_number(node, "outline-level") or 1) - 1
        is_plain = node.get(TEXT + "is-list-header") == "true" or self._is_unnumbered(node)
        if is_plain or at not in self._outline:
            return ""
        if node.get(TEXT + "restart-numbering") == "true":
            self._headings.pop(at, None)
        _start(self._headings, at, node)
        return next_label(self._outline, self._headings, at)

    def listed(self, node: etree._Element) -> Iterator[Listed]:
        """Yield the paragraphs and headings of a list, counting its items."""
        style = node.get(TEXT + "style-name", "")
        counts = self._begun(node, style)
        self._by_style[style] = counts
        self._by_id[node.get(XML_ID)] = counts
        yield from self._items(node, _Run(style, self._styles.get(style, BULLETS), counts, 0))

    def _begun(self, node: etree._Element, style: str) -> Counts:
        """Return the numbers that a list goes on from, none where it begins anew."""
        before = node.get(TEXT + "continue-list", "")
        if before in self._by_id:
            return self._by_id[before]
        goes_on = before or node.get(TEXT + "continue-numbering") == "true"
        is_outline = self._styles.get(style) is self._outline
        return self._by_style.get(style, {}) if goes_on or is_outline else {}

    def _items(self, node: etree._Element, run: _Run) -> Iterator[Listed]:
        for item in node:
            if item.tag not in (TEXT + "list-item", TEXT + "list-header"):
                continue
            is_counted = False  # an item is, with its first paragraph
            for block in item:
                if block.tag == TEXT + "list":
                    yield from self._items(block, self._below(run, block, begins=is_counted))
                elif block.tag in (TEXT + "p", TEXT + "h"):
                    yield Listed(block, "" if is_counted else _label(item, run), run.depth)
                    is_counted = True

    def _below(self, run: _Run, node: etree._Element, *, begins: bool) -> _Run:
        """Return a list within an item; where the item has no text before it, it only goes on deeper."""
        depth = min(run.depth + 1, MOST_LEVELS - 1)
        if begins:
            run.counts.pop(depth, None)
        style = node.get(TEXT + "style-name", run.style)
        return _Run(style, self._styles.get(style, BULLETS), run.counts, depth)

    def _is_unnumbered(self, heading: etree._Element) -> bool:
        """Say whether the style of a heading takes it out of the outline."""
        listed, name = None, heading.get(TEXT + "style-name")
        for _ in range(MAX_BASES):
            if listed is not None or name not in self._bases:
                break
            listed, name = self._bases[name]
        return listed == ""


def _label(item: etree._Element, run: _Run) -> str:
    if item.tag == TEXT + "list-header":
        return ""
    _start(run.counts, run.depth, item)
    return next_label(run.levels, run.counts, run.depth)


def _start(counts: Counts, at: int, node: etree._Element) -> None:
    """Begin anew with the number that an item or a heading states, if any."""
    start = _number(node, "start-value")
    if start is not None:
        counts[at] = start - 1


def _levels(style: etree._Element) -> Levels:
    """Return the levels of a list's style; those that it does not define are like its first."""
    nodes = {(_number(node, "level") or 1) - 1: node for node in style if TEXT + "level" in node.attrib}
    formats = {at: node.get(STYLE + "num-format", "1") for at, node in nodes.items() if node.tag in NUMBERED}
    levels = {at: _level(nodes[at], at, formats) for at in nodes}
    is_numbered = 0 in formats and style.tag == TEXT + "list-style"
    others = {at: Level(parts=("", str(at + 1), ".") if is_numbered else ()) for at in range(MOST_LEVELS)}
    return levels if style.tag == TEXT + "outline-style" else others | levels


def _level(node: etree._Element, at: int, formats: Mapping[int, str]) -> Level:
    if at not in formats:
        return Level(parts=())
    pattern = node.get(LOEXT + "num-list-format")
    parts = _parts(node, at, formats) if pattern is None else _places(pattern, at, formats)
    start = _number(node, "start-value")
    return Level(
        parts=tuple(parts),
        write=FORMATS.get(formats[at][:1], str),
        start=1 if start is None else start,
    )


def _parts(node: etree._Element, at: int, formats: Mapping[int, str]) -> Iterator[str]:
    """Yield what stands before the number of a level, those above it, its own, and what follows."""
    first = at + 1 - (_number(node, "display-levels") or 1)
    above = [level for level in range(first, at) if formats.get(level)]
    yield node.get(STYLE + "num-prefix", "")
    for level in above:
        yield from (str(level + 1), ".")
    yield str(at + 1)
    yield node.get(STYLE + "num-suffix", "" if STYLE + "num-format" in node.attrib else ".")


def _places(pattern: str, at: int, formats: Mapping[int, str]) -> Iterator[str]:
    """Yield the parts of "%1%.%2%", levels above that bear no number left out with what follows each."""
    before, *rest = PLACE.split(pattern)
    yield before
    for level, after in zip(rest[::2], rest[1::2], strict=True):
        if int(level) == at + 1 or formats.get(int(level) - 1):
            yield from (level, after)


def _number(node: etree._Element, name: str) -> int | None:
    text = node.get(TEXT + name, "")
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None
