"""Text within ruled fields -> the rows of a table, each of which names its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from rag.load.forms import is_form, row_text
from rag.load.pages.lines import compounds_of, flowing
from rag.load.pages.pieces import Line, Piece, as_rows, line_of
from rag.load.pages.rules import Cell, Grid, Ruling
from rag.load.tables import looks_like_header, table_text

MOST_LINES: Final = 60  # in a cell of a table; a field of more is a page's layout
FILLED: Final = 0.25  # part of the fields that hold text at least: others are drawings and charts
LONGEST_VALUE: Final = 2_000  # characters of a cell
LONGEST_NAME: Final = 80  # characters of a column's name
PAIR: Final = 2
MANY: Final = 4  # lines side by side in three columns and more: they are wrapped nowhere
MOSTLY: Final = 0.5
ALIGNED: Final = 0.3  # of a line's height by which the baselines of one row differ


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What stands side by side in a table."""

    cells: tuple[tuple[Piece, ...], ...]  # of each column; a cell across several stands in each
    owners: tuple[Cell | None, ...]
    bottom: float
    top: float

    @property
    def pieces(self) -> list[Piece]:
        return list({id(piece): piece for cell in self.cells for piece in cell}.values())

    @property
    def is_loose(self) -> bool:
        """Say whether it is no row of values: one field is as wide as it, or holds columns itself."""
        if len({owner for owner in self.owners if owner}) == 1:
            return True
        return any(sum(len(line.cells) > 1 for line in as_rows(cell)) > 1 for cell in self.cells)

    @property
    def is_bold(self) -> bool:
        return all(piece.bold for piece in self.pieces)


def with_ruled_tables(pieces: Sequence[Piece], ruling: Ruling) -> list[Piece]:
    """Return the pieces of a page, with whole rows for those that stand in a ruled table."""
    rest = list(pieces)
    compounds = compounds_of(pieces)
    for turn in {piece.turn for piece in pieces}:
        for grid in ruling.grids(turn):
            inside, outside = _parted(rest, grid, turn)
            every = _rows(inside, grid)
            rows = [row for row in every if not row.is_loose]
            if _is_table(inside, rows):
                loose = {piece: None for row in every if row.is_loose for piece in row.pieces}
                rest = [*outside, *loose, *_told(rows, grid, compounds)]
    return rest


def _parted(pieces: Sequence[Piece], grid: Grid, turn: int) -> tuple[dict[Cell, list[Piece]], list[Piece]]:
    inside: dict[Cell, list[Piece]] = {}
    outside: list[Piece] = []
    for piece in pieces:
        x, y = (piece.left + piece.right) / 2, (piece.bottom + piece.top) / 2
        cell = grid.cell_at(x, y) if piece.turn == turn else None
        if cell is None:
            outside.append(piece)
        else:
            inside.setdefault(cell, []).append(piece)
    return inside, outside


def _is_table(inside: dict[Cell, list[Piece]], rows: Sequence[_Row]) -> bool:
    """Say whether text in fields is a table's, not that of boxes, a chart or a page laid out so."""
    if min(len(rows), len({cell.column for cell in inside})) < PAIR:
        return False
    if any(isinstance(piece, Line) for pieces in inside.values() for piece in pieces):
        return False  # rows of another table within
    filled = sum(bool(cell) for row in rows for cell in row.cells)
    if filled < FILLED * sum(len(row.cells) for row in rows):
        return False
    return not any(_is_layout(cell, as_rows(texts)) for cell, texts in inside.items())


def _is_layout(cell: Cell, lines: Sequence[Line]) -> bool:
    """Say whether a field holds a part of a page rather than one value, or stands beside many others."""
    longest = LONGEST_NAME if cell.rows > 1 else LONGEST_VALUE
    return len(lines) > MOST_LINES or sum(len(line.text) for line in lines) > longest


def _rows(inside: dict[Cell, list[Piece]], grid: Grid) -> list[_Row]:
    rows: list[_Row] = []
    for at, owners in enumerate(grid.owners):
        row = _Row(
            cells=tuple(tuple(inside.get(cell, ())) if cell else () for cell in owners),
            owners=owners,
            bottom=grid.ys[at + 1],
            top=grid.ys[at],
        )
        if row.pieces:
            rows += _by_lines(row, grid)
    return rows


def _by_lines(row: _Row, grid: Grid) -> Iterator[_Row]:
    """Part a row in whose fields several rows stand below each other without a rule between."""
    columns = {
        cell: as_rows(pieces) for cell, pieces in zip(row.owners, row.cells, strict=True) if cell and pieces
    }
    longest = max(columns.values(), key=len)
    if len(longest) < PAIR or not _are_rows(columns, longest, grid):
        yield row
        return
    cuts = [row.top, *((upper.bottom + lower.top) / 2 for upper, lower in pairwise(longest)), row.bottom]
    for top, bottom in pairwise(cuts):
        cells = tuple(
            tuple(piece for piece in cell if bottom < (piece.bottom + piece.top) / 2 <= top)
            for cell in row.cells
        )
        if any(cells):
            yield replace(row, cells=cells, bottom=bottom, top=top)


def _are_rows(columns: dict[Cell, list[Line]], longest: Sequence[Line], grid: Grid) -> bool:
    """Say whether lines stand beside each other, and most of them had room for more: none is wrapped."""
    full = [cell for cell, lines in columns.items() if len(lines) > MOSTLY * len(longest)]
    if len(full) < max(PAIR, MOSTLY * len(columns)) or any(cell.rows > 1 for cell in columns):
        return False
    bottoms = [line.bottom for line in longest]
    if any(
        min(abs(line.bottom - bottom) for bottom in bottoms) > ALIGNED * line.size
        for lines in columns.values()
        for line in lines
    ):
        return False
    ended = [
        _had_room(upper, lower, cell, grid)
        for cell, lines in columns.items()
        for upper, lower in pairwise(lines)
    ]
    if sum(ended) > MOSTLY * len(ended):
        return True
    alike = {len(lines) for lines in columns.values()} == {len(longest)}
    return alike and len(longest) >= MANY and len(columns) > PAIR


def _had_room(line: Line, following: Line, cell: Cell, grid: Grid) -> bool:
    width = grid.xs[cell.column + cell.columns] - grid.xs[cell.column] - line.size
    word = following.text.split(maxsplit=1)[0]
    needed = (len(word) + 1) * (following.right - following.left) / len(following.text)
    return line.right - line.left + needed < width


def _told(rows: Sequence[_Row], grid: Grid, compounds: frozenset[str]) -> Iterator[Line]:
    """Yield a table's rows as lines; what stands in its header is told in each."""
    texts = [[flowing(as_rows(cell), compounds) for cell in row.cells] for row in rows]
    size = _header_size(rows[0])
    names = [" ".join(dict.fromkeys(column)).strip() for column in zip(*texts[:size], strict=True)]
    if size >= len(rows) or not _is_header(rows[:size], rows[size:], names, texts[size:]):
        size, names = 0, []
    for at, (row, cells) in enumerate(zip(rows[size:], texts[size:], strict=True)):
        yield _line(row if at else replace(row, top=rows[0].top), grid, _told_of(row, cells, names))


def _told_of(row: _Row, texts: Sequence[str], names: Sequence[str]) -> str:
    """Return what a row says; columns that one of its fields joins give it no name."""
    joins = any(
        owner and len(set(names[owner.column : owner.column + owner.columns])) > 1 for owner in row.owners
    )
    if names and not joins:
        return table_text([names, texts], header=True)
    if len(row.cells) == PAIR:
        return table_text([texts], header=False)
    said = dict(zip(row.owners, texts, strict=True)).values()
    filled = {at: text for at, text in enumerate(said) if text}
    return row_text(filled) if is_form(filled) else " | ".join(filled.values())


def _header_size(first: _Row) -> int:
    """Return how many rows at the top name the columns, if one does: fields that span more tell."""
    owners = [owner for owner in first.owners if owner]
    return max(*(owner.rows for owner in owners), 1 + any(owner.columns > 1 for owner in owners))


def _is_header(
    head: Sequence[_Row], body: Sequence[_Row], names: Sequence[str], texts: Sequence[Sequence[str]]
) -> bool:
    used = [at for at in range(len(names)) if names[at] or any(row[at] for row in texts)]
    if len(used) < PAIR or any(len(names[at]) > LONGEST_NAME for at in used):
        return False
    if is_form({at: names[at] for at in used if names[at]}):
        return False
    if all(row.is_bold for row in head) and not all(row.is_bold for row in body):
        return sum(bool(names[at]) for at in used) > MOSTLY * len(used)
    told = [at for at in used if at or names[at]]  # the field above the names of rows may be empty
    return len(used) > PAIR and looks_like_header([[row[at] for at in told] for row in (names, *texts)])


def _line(row: _Row, grid: Grid, text: str) -> Line:
    whole = line_of(row.pieces, text)
    return replace(
        whole,
        left=grid.xs[0],
        bottom=row.bottom,
        right=grid.xs[-1],
        top=row.top,
        place=None,
        cells=(),
        order=min(piece.order for piece in row.pieces),
        is_row=True,
    )
