"""Which lines of a document with pages are headings: by its outline, its title, and the size of letters."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from rag.load.pages.lines import BULLET
from rag.load.pages.pieces import Line, usual_size

Index: TypeAlias = dict[str, list[tuple[int, int]]]  # a text -> the first line that says it, and how many do

LARGER: Final = 1.13  # times the usual height
LONGEST: Final = 140  # characters of a heading
FEW_ENTRIES: Final = 3  # found of an outline: fewer do not tell how the whole document is parted
MOSTLY: Final = 0.6
LEVELS: Final = 4  # sizes of letters that are told apart
COMMON: Final = 0.15  # part of the text: what is written more of is no heading
NUMBERED: Final = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+\S")
CHAPTER: Final = re.compile(r"第[一二三四五六七八九十百\d]+[章节篇部]|[一二三四五六七八九十]{1,3}、")
NO_HEADING: Final = re.compile(r"[.。,，;；:：!！、]$|\S\t|@|https?://|\d{4}$|(?:\D*\d){6}")
TAB: Final = re.compile(r"(?<=[\d.])\t")
SAME: Final = 0.08  # part by which the heights of headings of one level differ
LEADING_NUMBER: Final = re.compile(r"^[\d.]+\s*")
NEAR: Final = 40.0  # points that an outline's entry may point above or below its line
WIDER: Final = 1.4  # times the line above: this is no rest of it
MAX_LINES: Final = 3  # of one heading


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a PDF's outline."""

    title: str
    level: int  # 1 is the outermost
    page: int  # index
    top: float | None  # points from the page's lower edge, where it says so


def with_headings(pages: Sequence[Sequence[Line]], outline: Sequence[Entry], title: str) -> list[list[Line]]:
    """Return the lines with the level of those that are headings.

    An outline most of which is found in the text decides alone; else size and weight do where certain.
    """
    marked = [list(lines) for lines in pages]
    indexes: dict[int, Index] = {}
    found = 0
    for entry in outline:
        if entry.page < len(marked):
            lines = marked[entry.page]
            if entry.page not in indexes:
                indexes[entry.page] = _index(lines)
            found += _mark(lines, indexes[entry.page], entry)
    if found >= max(FEW_ENTRIES, MOSTLY * len(outline)):
        return [_joined(lines) for lines in marked]
    levels = _levels_by_size(pages)
    bold_tells = _is_rare_bold(pages)
    marked = [[_by_look(line, levels, bold_tells=bold_tells) for line in lines] for lines in marked]
    if marked and title and not any(line.level for lines in marked for line in lines):
        _mark(marked[0], _index(marked[0]), Entry(title=title, level=1, page=0, top=None))
    return [_joined(lines) for lines in marked]


def _index(lines: Sequence[Line]) -> Index:
    """Return where each text of one line or a few stands on a page, with its number and without."""
    index: Index = {}
    for at in range(len(lines)):
        for size in range(1, min(MAX_LINES, len(lines) - at) + 1):
            key = _key("".join(line.text for line in lines[at : at + size]))
            if len(key) > LONGEST:
                break
            for each in {key, LEADING_NUMBER.sub("", key)}:
                index.setdefault(each, []).append((at, size))
    return index


def _mark(lines: list[Line], index: Index, entry: Entry) -> bool:
    """Mark the line, or the lines, that say an entry's title; the one nearest to where it points."""
    key = _key(entry.title)
    bare = LEADING_NUMBER.sub("", key)
    places = index.get(key) or (index.get(bare) if bare else None)
    if not places or not key:
        return False
    at, size = min(places, key=lambda place: (_distance(lines[place[0]], entry), place[1]))
    if len(places) > 1 and _distance(lines[at], entry) > NEAR:
        at, size = places[0]
    lines[at : at + size] = [replace(line, level=entry.level) for line in lines[at : at + size]]
    return True


def _key(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum() or char == ".").strip(".")


def _distance(line: Line, entry: Entry) -> float:
    return 0.0 if entry.top is None else abs(line.top - entry.top)


def _levels_by_size(pages: Sequence[Sequence[Line]]) -> dict[float, int]:
    """Return the level of each height of letters that is surely one of headings."""
    lines = [line for page in pages for line in page if not (line.is_row or line.turn or line.confidence)]
    usual = usual_size(lines)
    written = Counter[float]()
    for line in lines:
        if line.size >= LARGER * usual:
            written[_rounded(line.size)] += len(line.text)
    total = sum(len(line.text) for line in lines)
    levels: dict[float, int] = {}
    last, level = 0.0, 0
    for size in sorted((size for size, count in written.items() if count < COMMON * total), reverse=True):
        if not last or size < (1 - SAME) * last:
            last, level = size, min(level + 1, LEVELS)
        levels[size] = level
    return levels


def _is_rare_bold(pages: Sequence[Sequence[Line]]) -> bool:
    bold = sum(len(line.text) for lines in pages for line in lines if line.bold)
    return bold < COMMON * sum(len(line.text) for lines in pages for line in lines)


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _by_look(line: Line, levels: dict[float, int], *, bold_tells: bool) -> Line:
    if line.level:
        return line
    line = replace(line, text=TAB.sub(" ", line.text)) if NUMBERED.match(line.text) else line
    if not _may_be(line):
        return line
    level = levels.get(_rounded(line.size), 0)
    number = NUMBERED.match(line.text)
    if not level and line.bold and bold_tells and number:
        level = len(set(levels.values())) + 1 + number[1].count(".")
    return replace(line, level=level) if level else line


def _may_be(line: Line) -> bool:
    text = line.text
    if len(text) > LONGEST or line.is_row or line.turn or line.confidence is not None:
        return False
    is_numbered = NUMBERED.match(text) or CHAPTER.match(text)
    if NO_HEADING.search(text):
        return False
    return any(char.isalpha() for char in text) and bool(is_numbered or not BULLET.match(text))


def _joined(lines: Iterable[Line]) -> list[Line]:
    """Put the lines of one heading together."""
    joined: list[Line] = []
    for line in lines:
        last = joined[-1] if joined else None
        if last and _is_one_heading(last, line):
            joined[-1] = _whole(last, line)
        else:
            joined.append(line)
    return joined


def _is_one_heading(line: Line, following: Line) -> bool:
    if not line.level or line.level != following.level or len(line.text) > LONGEST:
        return False
    if NUMBERED.match(following.text) or CHAPTER.match(following.text):
        return False
    if following.right - following.left > WIDER * (line.right - line.left):
        return False  # the first line had room for the second's first word
    return 0 <= line.bottom - following.bottom < 1.6 * line.size and abs(line.size - following.size) < 1


def _whole(line: Line, following: Line) -> Line:
    glue = "" if not line.text[-1].isascii() and not following.text[0].isascii() else " "
    return replace(
        line,
        text=f"{line.text}{glue}{following.text}",
        left=min(line.left, following.left),
        right=max(line.right, following.right),
        bottom=following.bottom,
    )
