"""Rows of cells that stand below each other on a page -> the lines of a table, which name their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rag.load.pages.pieces import Line, Piece, line_of
from rag.load.tables import looks_like_header, table_text

FEW_ROWS: Final = 3
CLOSE: Final = 2.0  # heights between two rows of one table
PAIR: Final = 2
MOSTLY: Final = 0.6  # of the values below a header are numbers in a column that shows it


def with_tables(lines: Sequence[Line]) -> list[Line]:
    """Return the lines of a block with its rows marked; under a certain header they name their columns."""
    result: list[Line] = []
    at = 0
    while at < len(lines):
        table = _table_at(lines, at)
        result += _told(table) if len(table) > 1 else [lines[at]]
        at += max(1, len(table))
    return result


def _table_at(lines: Sequence[Line], at: int) -> list[Line]:
    """Return the rows from `at` on whose cells stand below each other."""
    rows: list[Line] = []
    for line in lines[at:]:
        if line.is_row or len(line.cells) < PAIR or (rows and not _continues(rows, line)):
            break
        rows.append(line)
    return rows


def _continues(rows: Sequence[Line], line: Line) -> bool:
    last = rows[-1]
    if last.bottom - line.top > CLOSE * last.size:
        return False
    first = rows[0]
    if len(line.cells) == len(first.cells):
        return all(_share(cell, above) for cell, above in zip(line.cells, first.cells, strict=True))
    return all(any(_share(cell, above) for above in first.cells) for cell in line.cells)


def _share(cell: Piece, above: Piece) -> bool:
    """Say whether two cells stand in one column: they overlap, seen from above."""
    return min(cell.right, above.right) > max(cell.left, above.left)


def _told(rows: list[Line]) -> list[Line]:
    columns = len(rows[0].cells)
    cells = [[cell.text for cell in row.cells] for row in rows]
    is_full = all(len(row) == columns for row in cells)
    if not (is_full and len(rows) >= FEW_ROWS and _has_header(rows, cells)):
        return [replace(row, is_row=True) for row in rows]
    named = [table_text([cells[0], row], header=True) for row in cells[1:]]
    told = [_row(row, text) for row, text in zip(rows[1:], named, strict=True)]
    told[0] = _row(rows[1], named[0], rows[0])
    return told


def _row(row: Line, text: str, header: Line | None = None) -> Line:
    cells = row.cells if header is None else (*header.cells, *row.cells)
    return replace(line_of(cells, text), size=row.size, is_row=True)


def _has_header(rows: Sequence[Line], cells: Sequence[Sequence[str]]) -> bool:
    """Say whether the first row surely names the columns: set in bold alone, or words above numbers."""
    if not looks_like_header(cells):
        return False
    if rows[0].bold and not any(row.bold for row in rows[1:]):
        return True
    return len(cells[0]) > PAIR and any(_is_number_column(cells, at) for at in range(len(cells[0])))


def _is_number_column(cells: Sequence[Sequence[str]], at: int) -> bool:
    values = [row[at] for row in cells[1:]]
    numbers = sum(any(char.isdigit() for char in value) for value in values)
    return numbers == len(values) and numbers > 1
