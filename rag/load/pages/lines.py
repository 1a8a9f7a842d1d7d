"""Lines with their place on a page -> paragraphs, each line still known by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeAlias

from rag.load.content import CJK
from rag.load.pages.pieces import Line, Piece

Joined: TypeAlias = tuple[str, Line]  # what parts a line from the one before, and the line

BULLET: Final = re.compile(
    r"[•·●○▪◦■□–—*!✓]\s|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)、]\s|[（(][一二三四五六七八九十\d]+[)）]"
)
JOINED: Final = re.compile(rf"[{CJK}\u3000-\u303f\uff00-\uffef]")  # no space between these
CUT_WORD: Final = re.compile(r"([^\W\d_]+)-$")
COMPOUND: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")
WIDE_GAP: Final = 0.75  # of a line's height: a paragraph's distance
WIDEST_GAP: Final = 2.0  # of a line's height: no lines of a paragraph are further apart
WIDER: Final = 1.3  # times the usual distance of lines: a paragraph's distance in text that is set wide
FEW_STEPS: Final = 4  # distances of lines: fewer show nothing usual
SAME_SIZE: Final = 0.15  # part by which the heights in one paragraph may differ
PROSE: Final = 45  # columns of text from which on a line is taken for running text
INDENT: Final = 0.8  # of a line's height
BLOCK: Final = 6  # lines before and after that tell how wide the column is


def as_paragraphs(lines: Sequence[Line], compounds: frozenset[str] = frozenset()) -> Iterator[Joined]:
    """Yield each line with what parts it from the one before: nothing, a space, or newlines.

    A word cut at a line's end loses its hyphen, unless it is written with one elsewhere (`compounds`).
    """
    separator = ""
    for at, line in enumerate(lines):
        following = separator_after(lines, at) if at + 1 < len(lines) else ""
        if len(following) <= 1 and at + 1 < len(lines) and (word := CUT_WORD.search(line.text)):
            yield separator, _uncut(line, word[1], lines[at + 1], compounds)
            following = ""
        else:
            yield separator, line
        separator = following


def flowing(lines: Sequence[Line], compounds: frozenset[str] = frozenset()) -> str:
    """Return lines as one that runs on, as the text of a narrow field does."""
    text = ""
    for at, line in enumerate(lines):
        following = lines[at + 1] if at + 1 < len(lines) else None
        word = CUT_WORD.search(line.text)
        if following and word:
            text += _uncut(line, word[1], following, compounds).text
        else:
            text += line.text + (_glue(line, following) if following else "")
    return " ".join(text.split())


def compounds_of(lines: Iterable[Piece]) -> frozenset[str]:
    """Return the words that are written with a hyphen within a line, in lower case."""
    return frozenset(word.lower() for line in lines for word in COMPOUND.findall(line.text))


def separator_after(lines: Sequence[Line], at: int) -> str:
    """Return what parts a line from the one that follows it."""
    line, following = lines[at], lines[at + 1]
    if line.level or following.level:
        return "\n\n"
    if line.turn != following.turn:
        return "\n\n"
    if _is_row(line) and _is_row(following) and following.bottom < line.bottom:
        return "\n" if line.bottom - following.top < WIDEST_GAP * line.size else "\n\n"
    if line.is_row or following.is_row:
        return "\n\n"
    if following.bottom > line.bottom:  # the next column
        return _glue(line, following) if _goes_on(line, following) else "\n\n"
    if _other_size(line, following) or _is_far(lines, at):
        return "\n\n"
    return _within_block(lines, at)


def _is_row(line: Line) -> bool:
    return line.is_row or "\t" in line.text


def _is_far(lines: Sequence[Line], at: int) -> bool:
    """Say whether the next line is further than lines of one paragraph are, which may be set wide."""
    line, following = lines[at], lines[at + 1]
    distance = line.bottom - following.top
    if distance <= WIDE_GAP * line.size:
        return False
    around = lines[max(0, at - BLOCK) : at + BLOCK + 2]
    steps = [upper.bottom - lower.top for upper, lower in pairwise(around) if not _other_size(upper, lower)]
    near = sorted(step for step in steps if -line.size < step < WIDEST_GAP * line.size)
    return len(near) < FEW_STEPS or distance > WIDER * max(near[len(near) // 4], 0.0)


def _within_block(lines: Sequence[Line], at: int) -> str:
    line, following = lines[at], lines[at + 1]
    if "\t" in line.text + following.text or BULLET.match(following.text):
        return "\n"
    if not _is_prose(line, following) or _had_room(lines, at):
        return "\n"
    if following.left > line.left + INDENT * line.size and _ends(line) and not BULLET.match(line.text):
        return "\n\n"
    return _glue(line, following)


def _uncut(line: Line, start: str, following: Line, compounds: frozenset[str]) -> Line:
    end = following.text.split(maxsplit=1)[0]
    whole = COMPOUND.match(f"{start}-{end}")
    keeps = end[:1].isupper() or not end[:1].isalpha() or (whole and whole[0].lower() in compounds)
    return line if keeps else replace(line, text=line.text[:-1])


def _goes_on(line: Line, following: Line) -> bool:
    if _other_size(line, following) or line.text.endswith("\t"):
        return False
    first = following.text[0]
    return (
        first.islower() or bool(CUT_WORD.search(line.text)) or bool(JOINED.match(first) and not _ends(line))
    )


def _other_size(line: Line, following: Line) -> bool:
    return abs(line.size - following.size) > SAME_SIZE * max(line.size, following.size)


def _had_room(lines: Sequence[Line], at: int) -> bool:
    """Say whether the next line's first word would have fitted on this line: then the author ended it."""
    line, following = lines[at], lines[at + 1]
    edge = max(other.right for other in _block(lines, at))
    width = (following.right - following.left) / max(1, len(following.text))
    word = 1 if JOINED.match(following.text[0]) else len(following.text.split(maxsplit=1)[0]) + 1
    return line.right + (word + 1) * width < edge


def _block(lines: Sequence[Line], at: int) -> Sequence[Line]:
    """Return the lines around `at` that follow each other without a gap: they show the column's width."""
    first, last = at, at + 1
    while first > 0 and at - first < BLOCK and _is_close(lines[first - 1], lines[first]):
        first -= 1
    while last + 1 < len(lines) and last - at <= BLOCK and _is_close(lines[last], lines[last + 1]):
        last += 1
    return lines[first : last + 1]


def _is_close(line: Line, following: Line) -> bool:
    return -line.size < line.bottom - following.top <= WIDEST_GAP * line.size


def _is_prose(line: Line, following: Line) -> bool:
    """Say whether the two may be one sentence, and are not two entries of a receipt or an address."""
    columns = sum(2 if JOINED.match(char) else 1 for char in line.text)
    return columns >= PROSE or following.text[0].islower() or line.text[-1] in ",，、;；"


def _ends(line: Line) -> bool:
    return line.text[-1] in ".!?。！？：:；;”\"'"


def _glue(line: Line, following: Line) -> str:
    between_cjk = JOINED.match(line.text[-1]) and JOINED.match(following.text[0])
    return "" if between_cjk else " "
