"""Lines with their place on a page -> paragraphs; for PDF now, and for whatever else has boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rag.load.content import CJK

BULLET: Final = re.compile(
    r"[•·●○▪◦■□–—*!]\s|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)、]\s|[（(][一二三四五六七八九十\d]+[)）]"
)
JOINED: Final = re.compile(rf"[{CJK}\u3000-\u303f\uff00-\uffef]")  # no space between these
WIDE_GAP: Final = 0.75  # of a line's height: a paragraph's distance
SAME_ROW: Final = 0.5  # part of the height by which two lines overlap when they stand beside each other
CELL_GAP: Final = 1.0  # of a line's height: the distance of cells in a row
SAME_SIZE: Final = 0.15  # part by which the heights in one paragraph may differ
SMALL_PRINT: Final = 0.75  # of a line's height: below this it may be a superscript
PROSE: Final = 45  # columns of text from which on a line is taken for running text
INDENT: Final = 0.8  # of a line's height
BLOCK: Final = 6  # lines before and after that tell how wide the column is


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text and its box in points, the origin at the bottom left."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    height: float  # of its last character


def as_paragraphs(lines: Sequence[Line]) -> str:
    """Return the text of a page: the lines of a paragraph joined, the others on lines of their own."""
    rows = _rows(lines)
    pieces = [rows[0].text] if rows else []
    for at in range(1, len(rows)):
        pieces.append(_separator(rows, at))
        pieces.append(rows[at].text)
    return "".join(pieces)


def _rows(lines: Sequence[Line]) -> list[Line]:
    """Put together what stands side by side: cells of a table, or a word and its superscript."""
    rows: list[Line] = []
    for line in lines:
        if rows and _beside(rows[-1], line):
            rows[-1] = _row(rows[-1], line)
        else:
            rows.append(line)
    return rows


def _row(line: Line, following: Line) -> Line:
    distant = following.left - line.right > CELL_GAP * line.height
    return Line(
        text=line.text + ("\t" if distant else " ") + following.text,
        left=line.left,
        right=max(line.right, following.right),
        bottom=min(line.bottom, following.bottom),
        top=max(line.top, following.top),
        height=max(line.height, following.height),
    )


def _beside(line: Line, following: Line) -> bool:
    overlap = min(line.bottom + line.height, following.top) - max(line.bottom, following.bottom)
    if following.height < SMALL_PRINT * line.height and following.left < line.right:
        return overlap > 0 and following.bottom > line.bottom  # a superscript within the line
    is_right_of = following.left >= line.right - line.height
    return is_right_of and overlap > SAME_ROW * min(line.height, following.height)


def _separator(lines: Sequence[Line], at: int) -> str:
    line, following = lines[at - 1], lines[at]
    if following.bottom > line.bottom:  # the next column
        goes_on = following.text[0].islower() or (JOINED.match(line.text[-1]) and not _ends(line))
        return _glue(line, following) if goes_on else "\n\n"
    if line.bottom - following.top > WIDE_GAP * line.height or _other_size(line, following):
        return "\n\n"
    if "\t" in line.text + following.text or BULLET.match(following.text):
        return "\n"
    if not _is_prose(line, following) or _had_room(lines, at):
        return "\n"
    if following.left > line.left + INDENT * line.height and not BULLET.match(line.text):
        return "\n\n"
    return _glue(line, following)


def _other_size(line: Line, following: Line) -> bool:
    return abs(line.height - following.height) > SAME_SIZE * max(line.height, following.height)


def _had_room(lines: Sequence[Line], at: int) -> bool:
    """Say whether the next line's first word would have fitted on this line: then the author ended it."""
    line, following = lines[at - 1], lines[at]
    edge = max(other.right for other in _block(lines, at))
    width = (following.right - following.left) / max(1, len(following.text))
    word = 1 if JOINED.match(following.text[0]) else len(following.text.split(maxsplit=1)[0]) + 1
    return line.right + (word + 1) * width < edge


def _block(lines: Sequence[Line], at: int) -> Sequence[Line]:
    """Return the lines around `at` that follow each other without a gap: they show the column's width."""
    first, last = at - 1, at
    while first > 0 and at - first < BLOCK and _is_close(lines[first - 1], lines[first]):
        first -= 1
    while last + 1 < len(lines) and last - at < BLOCK and _is_close(lines[last], lines[last + 1]):
        last += 1
    return lines[first : last + 1]


def _is_close(line: Line, following: Line) -> bool:
    return -line.height < line.bottom - following.top <= WIDE_GAP * line.height


def _is_prose(line: Line, following: Line) -> bool:
    """Say whether the two may be one sentence, and are not two entries of a receipt or an address."""
    columns = sum(2 if JOINED.match(char) else 1 for char in line.text)
    return columns >= PROSE or following.text[0].islower() or line.text[-1] in ",，、;；"


def _ends(line: Line) -> bool:
    return line.text[-1] in ".!?。！？：:；;”\"'"


def _glue(line: Line, following: Line) -> str:
    between_cjk = JOINED.match(line.text[-1]) and JOINED.match(following.text[0])
    return "" if between_cjk else " "
