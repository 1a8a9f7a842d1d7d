"""The text layer of a PDF page: its characters put together as pieces of lines, and how many mean nothing."""

from __future__ import annotations

import ctypes
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from rag.load.pages.directions import LOWERED, from_the_right, goes_down, same_way
from rag.load.pages.pdf_frame import Frame
from rag.load.pages.pieces import QUARTER, Glyph, Piece, Rectangle, on_page, turned
from rag.load.pages.rules import Ruling

MAX_CHARACTERS: Final = 200_000  # of one page
PIECE_GAP: Final = 0.6  # of a line's height: a wider gap parts two pieces
LEVEL: Final = 0.25  # of a character's height by which it stands higher or lower on its line
RAISED: Final = 0.1  # of a line's height by which a smaller character is raised or lowered
SMALLER: Final = 0.8  # part of a line's height: smaller characters stand by themselves
NESTED: Final = 0.15  # of a line's height by which a character reaches into the last one: they are one logo
DOUBLED: Final = 0.12  # of a line's height: the same character again so near was drawn twice to look bold
EVEN: Final = 0.08  # part by which the steps of evenly spaced characters differ
MOSTLY: Final = 0.7
SKEWED: Final = 10  # degrees off a quarter turn: a watermark
BOLD: Final = 600  # font weight
BOLD_NAMES: Final = ("bold", "black", "heavy", "semibold", "demi")
HYPHENS: Final = "\u00ad\u2010\x02"
LOST_LIGATURE: Final = re.compile(r"(?<=[A-Za-z])↵(?=[a-z-])")  # what TeX's fonts become in Quartz
PRIVATE: Final = {"\uf0b7": "•", "\uf0a7": "•", "\uf0d8": "•", "\uf0fc": "✓", "\uf06e": "•", "\uf076": "•"}
SPACE, DELETE, WIDE_SPACE, LAST = 0x20, 0x7F, 0x3000, 0x10FFFF
NEWLINES: Final = frozenset((0x0A, 0x0D))
SPACES: Final = frozenset((0x09, SPACE, 0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, WIDE_SPACE))
NOWHERE: Final = (0.0, 0.0, 0.0, 0.0)
COMPATIBLE: Final = (("\ufb00", "\ufb06"), ("\u2e80", "\u2fdf"))  # ligatures, and radicals for characters


@dataclass(slots=True)
class PageText:
    """What the text layer of one page holds."""

    pieces: list[Piece] = field(default_factory=list)
    characters: int = 0  # that are no spaces
    unknown: int = 0  # of them, those of which the file does not say what they mean
    cut: bool = False  # there are more than `MAX_CHARACTERS`


def text_of(page: pypdfium2.PdfPage, frame: Frame, ruling: Ruling) -> PageText:
    """Read the text layer of a page; a rule between two characters parts them."""
    text_page = page.get_textpage()
    try:
        return _Reader(text_page, frame, ruling).read()
    finally:
        text_page.close()


class _Reader:
    def __init__(self, text_page: pypdfium2.PdfTextPage, frame: Frame, ruling: Ruling) -> None:
        self._raw = text_page.raw
        self._frame = frame
        self._ruling = ruling
        self._count = text_page.count_chars()
        self._drawn: dict[tuple[str, int, int], Piece] = {}
        self._page = PageText(cut=self._count > MAX_CHARACTERS)

    def read(self) -> PageText:
        for run in self._runs():
            self._page.pieces += self._pieces(run)
        self._page.pieces = _settled(self._page.pieces)
        return self._page

    def _runs(self) -> Iterator[list[Glyph]]:
        """Yield pdfium's lines, parted where the letters turn; it ends one with a newline of its own."""
        run: list[Glyph] = []
        for glyph in self._glyphs():
            ends = glyph[0] == "\n"
            if run and (ends or self._turns(run, glyph)):
                yield from same_way(run, self._written(run)[0])
                run = []
            if not ends:
                run.append(glyph)
        if run:
            yield from same_way(run, self._written(run)[0])

    def _turns(self, run: Sequence[Glyph], glyph: Glyph) -> bool:
        """Say whether a character that stands on another line than the last one is turned otherwise."""
        _, (_, bottom, _, top), _ = glyph
        if glyph[0].isspace() or abs(bottom - run[-1][1][1]) <= LEVEL * (top - bottom):
            return False
        return self._written(run)[0] != self._written([glyph])[0]

    def _glyphs(self) -> Iterator[Glyph]:
        unicode_of, box_of, raw, frame = (
            pdfium.FPDFText_GetUnicode,
            pdfium.FPDFText_GetLooseCharBox,
            self._raw,
            self._frame,
        )
        box = pdfium.FS_RECTF()
        for index in range(min(self._count, MAX_CHARACTERS)):
            code = unicode_of(raw, index)
            if code in NEWLINES:
                yield "\n", NOWHERE, index
                continue
            char = self._char(code, index)
            if char and box_of(raw, index, box):
                yield char, frame.shown((box.left, box.bottom, box.right, box.top)), index

    def _char(self, code: int, index: int) -> str:
        """Return a character as it is to be read; "" for one without a meaning."""
        if code in SPACES:
            return "\u3000" if code == WIDE_SPACE else " "
        self._page.characters += 1
        char, known = (chr(code), True) if SPACE < code < DELETE else _meaning(code)
        if not known or pdfium.FPDFText_HasUnicodeMapError(self._raw, index) == 1:
            self._page.unknown += 1
            return ""
        return char

    def _pieces(self, run: list[Glyph]) -> Iterator[Piece]:
        turn, skewed = self._turn(run)
        glyphs = [(char, turned(box, turn), index) for char, box, index in run] if turn else run
        glyphs = from_the_right(glyphs)
        if all(char.isspace() for char, _, _ in glyphs):
            return
        pieces = [glyphs] if skewed else self._parted(glyphs, turn)
        for glyphs in pieces:
            piece = self._piece(glyphs, turn)
            if not self._was_drawn(piece):
                yield piece

    def _was_drawn(self, piece: Piece) -> bool:
        """Say whether the same text stands at nearly the same place already."""
        column, row = round(piece.left / piece.size), round(piece.bottom / piece.size)
        for at in ((column + x, row + y) for x in (-1, 0, 1) for y in (-1, 0, 1)):
            other = self._drawn.get((piece.text, *at))
            if other is not None and _is_near(piece, other):
                return True
        self._drawn[piece.text, column, row] = piece
        return False

    def _parted(self, glyphs: Sequence[Glyph], turn: int) -> Iterator[list[Glyph]]:
        """Cut a line at its gaps, without characters drawn twice to look bold."""
        even = _even_step(glyphs)
        piece: list[Glyph] = []
        space: Glyph | None = None
        for glyph in glyphs:
            if glyph[0].isspace():
                space = glyph
                continue
            if piece and _is_doubled(piece[-1], glyph):
                continue
            if piece and (_parts(piece[-1][1], glyph[1]) or self._ruling.parts(turn, piece[-1][1], glyph[1])):
                yield piece
                piece = []
            elif piece and space and self._is_space(space, piece[-1], glyph, even):
                piece.append(space)
            piece.append(glyph)
            space = None
        if piece:
            yield piece

    def _turn(self, run: Sequence[Glyph]) -> tuple[int, bool]:
        """Return by how many quarters a line is turned clockwise as displayed, and whether it is skewed."""
        turn, skewed = self._written(run)
        if goes_down([box for char, box, _ in run if not char.isspace()], turn):
            turn = (turn + 1) % 4
        return turn, skewed

    def _written(self, run: Sequence[Glyph]) -> tuple[int, bool]:
        """Return how the characters of a line are turned, wherever they follow each other."""
        index = next((index for char, _, index in run if not char.isspace()), run[0][2])
        degrees = math.degrees(pdfium.FPDFText_GetCharAngle(self._raw, index)) % 360
        quarters = round(degrees / QUARTER)
        return (quarters + self._frame.turn) % 4, abs(degrees - quarters * QUARTER) > SKEWED

    def _is_space(self, space: Glyph, last: Glyph, following: Glyph, even: float) -> bool:
        box, other = last[1], following[1]
        if space[1][0] == space[1][2] and max(other[0] - box[2], box[0] - other[2]) <= 0:
            return False  # as wide as nothing, between letters that touch
        if not pdfium.FPDFText_IsGenerated(self._raw, space[2]):
            return True
        step = following[1][0] - last[1][0]
        return not even or abs(step - even) > EVEN * even

    def _piece(self, glyphs: Sequence[Glyph], turn: int) -> Piece:
        inked = [glyph for glyph in glyphs if not glyph[0].isspace()]
        boxes = [box for _, box, _ in inked]
        return Piece(
            text=LOST_LIGATURE.sub("ff", "".join(char for char, _, _ in glyphs).strip()),
            left=min(box[0] for box in boxes),
            bottom=min(box[1] for box in boxes),
            right=max(box[2] for box in boxes),
            top=max(box[3] for box in boxes),
            size=max(median(box[3] - box[1] for box in boxes), 0.5),
            bold=self._is_bold(inked[0][2]),
            turn=turn,
        )

    def _is_bold(self, index: int) -> bool:
        if pdfium.FPDFText_GetFontWeight(self._raw, index) >= BOLD:
            return True
        name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
        pdfium.FPDFText_GetFontInfo(self._raw, index, name, len(name), ctypes.byref(flags))
        return any(word in name.value.decode("utf-8", "replace").lower() for word in BOLD_NAMES)


def _meaning(code: int) -> tuple[str, bool]:
    """Return what a character beyond ASCII stands for, and whether that is known."""
    char = PRIVATE.get(chr(code), chr(code)) if code <= LAST else "\ufffd"
    if char in HYPHENS:
        return "-", True
    if any(first <= char <= last for first, last in COMPATIBLE):
        char = unicodedata.normalize("NFKC", char)
    return char, char != "\ufffd" and unicodedata.category(char[0]) not in {"Co", "Cc", "Cn", "Cs"}


def _settled(pieces: Sequence[Piece]) -> list[Piece]:
    """Number the pieces, and give single characters, which show no direction, that of the page."""
    weights = [0] * 4
    for piece in pieces:
        weights[piece.turn] += len(piece.text)
    usual = weights.index(max(weights))
    return [
        replace(
            _in_turn(piece, usual) if len(piece.text) == 1 and piece.turn != usual and usual else piece,
            order=order,
        )
        for order, piece in enumerate(pieces, start=1)
    ]


def _in_turn(piece: Piece, turn: int) -> Piece:
    left, bottom, right, top = turned(on_page(piece), turn)
    return replace(piece, left=left, bottom=bottom, right=right, top=top, turn=turn)


def _is_doubled(glyph: Glyph, following: Glyph) -> bool:
    """Say whether a character is the last one again, a little aside; a ligature's letters share their box."""
    box, other = glyph[1], following[1]
    if glyph[0] != following[0] or box == other:
        return False
    near = min(DOUBLED * (box[3] - box[1]), (box[2] - box[0]) / 2)
    return abs(box[0] - other[0]) < near and abs(box[1] - other[1]) < near


def _is_near(piece: Piece, other: Piece) -> bool:
    near = DOUBLED * piece.size
    return abs(piece.left - other.left) < near and abs(piece.bottom - other.bottom) < near


def _parts(box: Rectangle, following: Rectangle) -> bool:
    """Say whether two characters that follow each other belong to different pieces."""
    size = max(min(box[3] - box[1], following[3] - following[1]), 0.5)
    larger = max(box[3] - box[1], following[3] - following[1])
    shift = abs(following[1] - box[1])
    gap = max(following[0] - box[2], box[0] - following[2])
    if gap > PIECE_GAP * size or shift > LOWERED * larger:
        return True
    return size < SMALLER * larger and shift > RAISED * larger and gap > -NESTED * size


def _even_step(glyphs: Sequence[Glyph]) -> float:
    """Return the distance at which most characters follow each other whatever their width; 0 if none."""
    steps = [
        following[1][0] - glyph[1][0]
        for glyph, following in pairwise(glyphs)
        if not glyph[0].isspace() and not following[0].isspace()
    ]
    if len(steps) < 3:  # noqa: PLR2004 - fewer show no rule
        return 0.0
    step = median(steps)
    even = sum(abs(other - step) <= EVEN * abs(step) for other in steps)
    return step if even >= MOSTLY * len(steps) else 0.0
