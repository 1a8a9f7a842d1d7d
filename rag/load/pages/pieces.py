"""Text with its place on a page, as it is read: lines run from left to right, one below the other."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

Rectangle: TypeAlias = tuple[float, float, float, float]  # left, bottom, right, top
Glyph: TypeAlias = tuple[str, Rectangle, int]  # a character, its box, its index in pdfium's list

QUARTER: Final = 90  # degrees
CELL_GAP: Final = 1.5  # of a line's height: the distance of cells in a row
SPACE_GAP: Final = 0.12  # of a line's height: the distance of words
SAME_ROW: Final = 0.5  # part of the height by which two pieces overlap when they stand beside each other
SMALL_PRINT: Final = 0.8  # of a line's height: below this a raised number is an exponent
RAISED: Final = 0.12  # of a line's height
SUPERSCRIPTS: Final = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
EXPONENT: Final = frozenset("0123456789+-−n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text on one baseline without a wide gap; the origin is at the bottom left, the unit points or pixels.

    The box is in the frame in which the text is read: turn the page by `turn` quarters against the clock
    about its origin to have it there.
    """

    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float  # height of its font
    bold: bool = False
    confidence: float | None = None  # of the OCR, 0 to 1
    turn: int = 0  # quarters, 0 to 3, by which the text is turned clockwise on the page
    order: int = 0  # in which the file writes it; all alike where that is not known
    place: Rectangle | None = None  # the box on the page, where it is not this one turned: of a crooked scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Piece):
    """What stands beside each other; cells are parted by tabs."""

    cells: tuple[Piece, ...] = ()
    is_row: bool = False  # of a table
    level: int = 0  # of a heading, 1 is the outermost; 0: none


def turned(box: Rectangle, turn: int) -> Rectangle:
    """Return a box of the page in the frame of text that is turned clockwise by `turn` quarters."""
    left, bottom, right, top = box
    if turn == 1:
        return -top, left, -bottom, right
    if turn == 2:  # noqa: PLR2004 - quarters
        return -right, -top, -left, -bottom
    return (bottom, -right, top, -left) if turn else box


def on_page(piece: Piece) -> Rectangle:
    """Return a piece's box on the page."""
    return piece.place or turned((piece.left, piece.bottom, piece.right, piece.top), -piece.turn % 4)


def moved(piece: Piece, scale: float, left: float = 0.0, bottom: float = 0.0) -> Piece:
    """Return a piece of a picture on the page where it is drawn, its lower left at the place given."""

    def there(box: Rectangle) -> Rectangle:
        return box[0] * scale + left, box[1] * scale + bottom, box[2] * scale + left, box[3] * scale + bottom

    own = (piece.left, piece.bottom, piece.right, piece.top)
    box = turned(there(turned(own, -piece.turn % 4)), piece.turn)
    return replace(
        piece,
        left=box[0],
        bottom=box[1],
        right=box[2],
        top=box[3],
        size=piece.size * scale,
        place=there(piece.place) if piece.place else None,
    )


def as_rows(pieces: Sequence[Piece]) -> list[Line]:
    """Put together what stands side by side: words, cells of a table, a word and its exponent."""
    rows: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: -(piece.top + piece.bottom)):
        beside = next((row for row in rows[-1:-4:-1] if _beside(row, piece)), None)
        if beside is None:
            rows.append([piece])
        else:
            beside.append(piece)
    return [_line(row) for row in rows]


def _beside(row: Sequence[Piece], piece: Piece) -> bool:
    if isinstance(piece, Line) or isinstance(row[0], Line):
        return False  # the row of a table is whole
    widest = max(row, key=lambda other: other.right - other.left)
    overlap = min(widest.top, piece.top) - max(widest.bottom, piece.bottom)
    if overlap <= SAME_ROW * min(widest.top - widest.bottom, piece.top - piece.bottom):
        return False
    room = 0.3 * min(widest.size, piece.size)
    return all(piece.left >= other.right - room or piece.right <= other.left + room for other in row)


def _line(row: Sequence[Piece]) -> Line:
    if isinstance(row[0], Line):
        return row[0]
    row = sorted(row, key=lambda piece: piece.left)
    if is_right_to_left("".join(piece.text for piece in row)):
        row = row[::-1]
    cells = [row[0]]
    for piece in row[1:]:
        last = cells[-1]
        if max(piece.left - last.right, last.left - piece.right) > CELL_GAP * max(last.size, piece.size):
            cells.append(piece)
        else:
            cells[-1] = _joined(last, piece)
    return line_of(cells)


def line_of(cells: Sequence[Piece], text: str | None = None) -> Line:
    """Return the line that holds `cells`, with `text` for theirs."""
    longest = max(cells, key=lambda piece: len(piece.text))
    confidences = [piece.confidence for piece in cells if piece.confidence is not None]
    return Line(
        text="\t".join(piece.text for piece in cells) if text is None else text,
        left=min(piece.left for piece in cells),
        bottom=min(piece.bottom for piece in cells),
        right=max(piece.right for piece in cells),
        top=max(piece.top for piece in cells),
        size=longest.size,
        bold=all(piece.bold for piece in cells),
        confidence=min(confidences) if confidences else None,
        turn=longest.turn,
        place=around([on_page(piece) for piece in cells]) if any(piece.place for piece in cells) else None,
        cells=tuple(cells),
    )


def around(boxes: Sequence[Rectangle]) -> Rectangle:
    """Return the smallest box that holds all `boxes`."""
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def _joined(piece: Piece, following: Piece) -> Piece:
    text = following.text
    gap = max(following.left - piece.right, piece.left - following.right)
    raised = following.bottom > piece.bottom + RAISED * piece.size
    if raised and following.size < SMALL_PRINT * piece.size and EXPONENT.issuperset(text):
        text = text.translate(SUPERSCRIPTS)
    elif gap > SPACE_GAP * min(piece.size, following.size) or _is_mark(piece, following):
        text = f" {text}"
    line = line_of([piece, following], piece.text + text)
    return replace(_as_piece(line), size=max(piece.size, following.size))


def _is_mark(piece: Piece, following: Piece) -> bool:
    """Say whether a piece is the raised sign of a footnote that stands before its text."""
    is_raised = piece.bottom > following.bottom + RAISED * following.size
    return is_raised and piece.size < SMALL_PRINT * following.size


def _as_piece(line: Line) -> Piece:
    return Piece(
        text=line.text,
        left=line.left,
        bottom=line.bottom,
        right=line.right,
        top=line.top,
        size=line.size,
        bold=line.bold,
        confidence=line.confidence,
        turn=line.turn,
        place=line.place,
    )


def is_right_to_left(text: str) -> bool:
    """Say whether most letters of `text` are Hebrew, Arabic or alike."""
    if text.isascii():
        return False
    kinds = [unicodedata.bidirectional(char) for char in text]
    return kinds.count("R") + kinds.count("AL") > kinds.count("L")


def usual_size(pieces: Iterable[Piece]) -> float:
    """Return the height of the font in which most characters are written; 0 where there are none."""
    counts: dict[float, int] = {}
    for piece in pieces:
        size = round(piece.size * 2) / 2
        counts[size] = counts.get(size, 0) + len(piece.text)
    return max(counts, key=lambda size: counts[size], default=0.0)
