"""Which way the characters of a PDF's line run: across, downwards, or from right to left."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from rag.load.pages.pieces import SPACE_GAP, Glyph, Rectangle, turned

LOWERED: Final = 0.5  # of a line's height by which the next character may stand higher or lower
LETTERS: Final = frozenset(("R", "AL"))
WITH_MARKS: Final = LETTERS | {"NSM"}
WRITTEN_SO: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
FEW: Final = 3  # letters: fewer show no direction


def from_the_right(glyphs: Sequence[Glyph]) -> list[Glyph]:
    """Return the characters of a line in the order in which they are read.

    pdfium turns such letters round, for most files hold them as they stand from left to right; those of
    a file that holds them as they are read come out backwards, and without the spaces of their words.
    """
    if not WRITTEN_SO.search("".join(char for char, _, _ in glyphs)):
        return list(glyphs)
    righted: list[Glyph] = []
    rising: list[Glyph] = []
    for glyph in glyphs:
        if rising and not _rises(rising[-1], glyph):
            righted += _turned_round(rising)
            rising = []
        rising.append(glyph)
    return righted + _turned_round(rising)


def _rises(glyph: Glyph, following: Glyph) -> bool:
    """Say whether a letter that is read leftwards stands to the right of the one before it."""
    if not all(unicodedata.bidirectional(char) in WITH_MARKS for char in (glyph[0], following[0])):
        return False
    return following[1][0] + following[1][2] > glyph[1][0] + glyph[1][2]


def _turned_round(rising: list[Glyph]) -> list[Glyph]:
    if sum(unicodedata.bidirectional(char) in LETTERS for char, _, _ in rising) < FEW:
        return rising
    righted = [rising[-1]]
    for glyph, following in pairwise(reversed(rising)):
        _, (left, bottom, _, top), index = glyph
        if left - following[1][2] > SPACE_GAP * (top - bottom):
            righted.append((" ", (following[1][2], bottom, left, top), index))
        righted.append(following)
    return righted


def same_way(run: list[Glyph], turn: int) -> Iterator[list[Glyph]]:
    """Cut a line where it turns from across to downwards: pdfium takes both for one when they touch."""
    boxes = [turned(box, turn) if turn else box for _, box, _ in run]
    inked = [at for at, glyph in enumerate(run) if not glyph[0].isspace()]  # pdfium's spaces lie anywhere
    down = [_is_below(boxes[at], boxes[following]) for at, following in pairwise(inked)]
    start = 0
    if any(down) and not all(down):
        for at in range(1, len(down)):
            if down[at] != down[at - 1] and (inked[at] > start or not down[at]):
                yield run[start : inked[at + 1]]
                start = inked[at + 1]
    yield run[start:]


def _is_below(box: Rectangle, following: Rectangle) -> bool:
    """Say whether a character stands right below the last one."""
    width, height = max(box[2] - box[0], 0.5), max(box[3] - box[1], 0.5)
    return abs(box[0] - following[0]) < width / 2 and LOWERED * height < box[1] - following[1] < 2 * height


def goes_down(boxes: Sequence[Rectangle], turn: int) -> bool:
    """Say whether characters that stand upright follow each other downwards, as in vertical writing."""
    if len(boxes) < 2:  # noqa: PLR2004 - two characters show a direction
        return False
    first, last = turned(boxes[0], turn), turned(boxes[-1], turn)
    size = max(first[2] - first[0], 0.5)
    return abs(first[0] - last[0]) < size / 2 and first[1] - last[3] > -LOWERED * size
