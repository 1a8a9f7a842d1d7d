"""Tables -> lines of text in which every value stands beside the name of its column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

PAIR = 2  # columns of a table of names and values


def table_text(rows: Sequence[Sequence[str]], *, header: bool) -> str:
    """Return one line per row: "Column: value; Column: value", or "a | b" without column names.

    Args:
        rows: the cells' text, row by row; rows may differ in length.
        header: whether the first row names the columns.
    """
    rows = [[" ".join(cell.split()) for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        return ""
    if not header or len(rows) == 1:
        return "\n".join(_plain(row) for row in rows)
    names, *records = rows
    return "\n".join(_named(names, record) for record in records)


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether a first row without markup names the columns: words over rows of values."""
    if len(rows) <= 1 or len(rows[0]) < PAIR:
        return False
    first, *others = rows
    named = all(cell.strip() and not any(char.isdigit() for char in cell) for cell in first)
    return named and len(set(first)) == len(first) and len(others[0]) == len(first)


def _plain(row: Sequence[str]) -> str:
    cells = [cell for at, cell in enumerate(row) if cell and (at == 0 or cell != row[at - 1])]
    if len(cells) == PAIR:
        return f"{cells[0].rstrip(':：')}: {cells[1]}"
    return " | ".join(cells)


def _named(names: Sequence[str], record: Sequence[str]) -> str:
    pairs = list(zip_longest(names, record, fillvalue=""))
    if len({value for _, value in pairs}) == 1:  # one cell across the table: a row that only titles others
        return pairs[0][1]
    return "; ".join(f"{name}: {value}" if name else value for name, value in pairs if value)
