"""The order in which the parts of a page are read: columns, side notes and tables, by the gaps between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from statistics import median
from typing import Final, TypeAlias

from rag.load.pages.pieces import CELL_GAP, Line, Piece, as_rows, line_of

Span: TypeAlias = tuple[float, float]

GUTTER: Final = 0.7  # of the usual height: the narrowest gap between columns
NARROWEST: Final = 9  # heights: a column of prose is wider
FEW_LINES: Final = 3  # below this a column is not told from a row of cells
WORDS: Final = 3  # in a line of prose
ALIGNED: Final = 0.2  # of a line's height: the baselines of one row differ by less
MOSTLY: Final = 0.5
FAR: Final = 1.0  # of a line's height: a distance that ends a set of columns
MAX_DEPTH: Final = 8  # columns within columns
MAX_PIECES: Final = 5_000  # of a page that are put in order; more are no text that a person laid out


@dataclass(slots=True)
class _Band:
    """Pieces whose heights overlap, and the gaps that no piece crosses so far."""

    pieces: list[Piece]
    gaps: list[Span]

    @property
    def bottom(self) -> float:
        return min(piece.bottom for piece in self.pieces)

    @property
    def top(self) -> float:
        return max(piece.top for piece in self.pieces)


def in_order(pieces: Sequence[Piece]) -> list[list[Line]]:
    """Return the blocks of a page in reading order, each as its lines from top to bottom."""
    if len(pieces) > MAX_PIECES:
        return [[line_of([piece]) for piece in pieces]]
    return [as_rows(block) for block in _blocks(list(pieces), MAX_DEPTH)]


def _blocks(pieces: list[Piece], depth: int) -> list[list[Piece]]:
    blocks: list[list[Piece]] = []
    for band in _runs(pieces):
        columns = _columns(band) if depth else None
        if columns is None:
            blocks.append(band.pieces)
        else:
            blocks += (block for column in columns for block in _blocks(column, depth - 1))
    return _merged(blocks)


def _merged(blocks: list[list[Piece]]) -> list[list[Piece]]:
    """Join blocks that stand one below the other, so that a paragraph's lines are seen together."""
    merged: list[list[Piece]] = []
    for block in blocks:
        above = merged[-1] if merged else None
        if above and max(piece.top for piece in block) <= min(
            piece.bottom + piece.size / 2 for piece in above
        ):
            above += block
        else:
            merged.append(list(block))
    return merged


def _runs(pieces: list[Piece]) -> list[_Band]:
    """Part the page where no gap runs on: above and below a title that spans its columns."""
    if not pieces:
        return []
    least = GUTTER * median(piece.size for piece in pieces)
    runs: list[_Band] = []
    for band in _bands(pieces, least):
        run = runs[-1] if runs else None
        gaps = _shared_gaps(run, band, least) if run else []
        if run and gaps and not _ends(run, band):
            run.pieces += band.pieces
            run.gaps = gaps
        else:
            runs.append(band)
    return runs


def _shared_gaps(run: _Band, band: _Band, least: float) -> list[Span]:
    if run.gaps:
        return _left_open(run.gaps, band.pieces, least)
    return [] if band.gaps else _gaps([*run.pieces, *band.pieces], least)


def _ends(run: _Band, band: _Band) -> bool:
    """Say whether a band that would fit one column stands so far below them that it begins something else."""
    distance = run.bottom - band.top
    return not band.gaps and distance > FAR * median(piece.size for piece in run.pieces)


def _bands(pieces: list[Piece], least: float) -> list[_Band]:
    bands: list[_Band] = []
    bottom = 0.0
    for piece in sorted(pieces, key=lambda piece: -piece.top):
        if bands and piece.top - bottom > 0.3 * piece.size:  # the loose boxes of close lines overlap a little
            bands[-1].pieces.append(piece)
            bottom = min(bottom, piece.bottom)
        else:
            bands.append(_Band(pieces=[piece], gaps=[]))
            bottom = piece.bottom
    for band in bands:
        band.gaps = _gaps(band.pieces, least)
    return bands


def _gaps(pieces: Sequence[Piece], least: float) -> list[Span]:
    """Return the gaps between pieces, seen from above."""
    gaps: list[Span] = []
    right = None
    for piece in sorted(pieces, key=lambda piece: piece.left):
        if right is not None and piece.left - right >= least:
            gaps.append((right, piece.left))
        right = piece.right if right is None else max(right, piece.right)
    return gaps


def _left_open(gaps: Sequence[Span], pieces: Sequence[Piece], least: float) -> list[Span]:
    for piece in pieces:
        gaps = [rest for gap in gaps for rest in _without(gap, piece) if rest[1] - rest[0] >= least]
    return list(gaps)


def _without(gap: Span, piece: Piece) -> list[Span]:
    if piece.right <= gap[0] or piece.left >= gap[1]:
        return [gap]
    return [(gap[0], piece.left), (piece.right, gap[1])]


def _columns(band: _Band) -> list[list[Piece]] | None:
    """Return the columns of a band from left to right; None where it is read row by row."""
    strips = _strips(band)
    for at in range(1, len(strips)):
        left, right = strips[at - 1], strips[at]
        if _are_columns(as_rows(left), as_rows(right)) or _are_written_so(left, right):
            return [list(chain(*strips[:at])), list(chain(*strips[at:]))]
    return None


def _strips(band: _Band) -> list[list[Piece]]:
    """Return the pieces between the gaps of a band, from left to right."""
    rights = [gap[0] + ALIGNED for gap in sorted(band.gaps)]
    strips: list[list[Piece]] = [[] for _ in range(len(rights) + 1)]
    for piece in band.pieces:
        strips[bisect_left(rights, piece.right)].append(piece)
    return [strip for strip in strips if strip]


def _are_columns(left: Sequence[Line], right: Sequence[Line]) -> bool:
    if _is_prose(left) and _is_prose(right):
        return True
    fewer, more = sorted((left, right), key=len)
    if len(fewer) < FEW_LINES and not (_is_prose(more) and len(more) > FEW_LINES and len(fewer) > 1):
        return False
    aligned = sum(any(_on_one_line(line, other) for other in more) for line in fewer)
    return aligned < MOSTLY * len(fewer)


def _are_written_so(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    """Say whether the file writes one side after the other, in lines long enough for prose."""
    if max(piece.order for piece in left) >= min(piece.order for piece in right):
        return False
    sides = [as_rows(side) for side in (left, right)]
    wide = [max(line.right - line.left for line in side) >= NARROWEST * side[0].size for side in sides]
    return all(wide) and all(len(side) > 1 and len(side[0].text.split()) >= WORDS for side in sides)


def _is_prose(lines: Sequence[Line]) -> bool:
    if len(lines) < FEW_LINES:
        return False
    widths = median((line.right - line.left) / max(line.size, 1.0) for line in lines)
    running = sum(len(line.text.split()) >= WORDS or _is_dense(line) for line in lines)
    tabs = sum(_has_cells(line) for line in lines)
    return widths >= NARROWEST and running > MOSTLY * len(lines) and tabs < MOSTLY * len(lines)


def _is_dense(line: Line) -> bool:
    """Say whether a line is written without spaces, as Chinese is."""
    return not line.text.isascii() and len(line.text) >= NARROWEST


def _has_cells(line: Line) -> bool:
    return any(right.left - left.right > CELL_GAP * line.size for left, right in pairwise(line.cells))


def _on_one_line(line: Line, other: Line) -> bool:
    return abs(line.bottom - other.bottom) < ALIGNED * max(line.size, other.size)
