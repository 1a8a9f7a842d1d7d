"""Tables -> lines of text in which every value stands beside the name of its column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, zip_longest
from typing import Final

from rag.load.forms import are_labelled, begins_form, is_form_below, is_labelled, row_text

PAIR: Final = 2  # columns of a table of names and values
PERIOD: Final = re.compile(r"(?<![\d.,])(?:19|20)\d\d(?![.,]?\d)|\b[QH][1-4]\b|[1-4]季度|\b1?\d月")
NOTE: Final = re.compile(r"\[\d{1,3}\]")  # the mark of one
MAX_PERIOD: Final = 30  # characters of a year, a quarter or a month that names a column


class Covered(str):
    """The text of a merged cell, in each place that it covers but its first."""

    __slots__ = ()


def whole_table_text(rows: Sequence[Sequence[str]], *, header: bool) -> str:
    """Return `table_text`, below a line of all names where a name has no value to stand beside.

    The first row of a form names no columns, though it be marked as a header.
    """
    header = header and not begins_form(list(filter(None, map(_filled, rows))))
    text = table_text(rows, header=header)
    names, *records = [[cell.strip() for cell in row] for row in rows if any(map(str.strip, row))] or [[]]
    filled = {at for record in records for at, value in enumerate(record) if value}
    is_bare = header and any(name and at not in filled for at, name in enumerate(names))
    return f"{table_text([names], header=False)}\n{text}" if is_bare and records else text


def table_text(rows: Sequence[Sequence[str]], *, header: bool) -> str:
    """Return one line per row: "Column: value; Column: value", or "a | b" without column names.

    Args:
        rows: the cells' text, row by row; rows may differ in length.
        header: whether the first row names the columns.
    """
    rows = [[_on_one_line(cell) for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        return ""
    if not header or len(rows) == 1:
        return "\n".join(row_text(_filled(row)) for row in rows)
    names, *records = rows
    return "\n".join(_named(names, record) for record in records)


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether a first row without markup names the columns: words or years over rows of values."""
    if len(rows) <= 1 or len(rows[0]) < PAIR:
        return False
    first, *others = rows
    if is_labelled(_filled(first)) or are_labelled([_filled(row) for row in others], width=len(first)):
        return False
    names = first if len(first) == PAIR or first[0].strip() else first[1:]  # a corner may be empty
    if len(others[0]) != len(first) or len(set(names)) < len(names) or not all(map(str.strip, names)):
        return False
    dated = [at for at, cell in enumerate(first) if any(map(str.isdigit, NOTE.sub("", cell)))]
    if not dated:
        return True
    return len(first) > PAIR and 0 not in dated and all(_is_period(rows, at) for at in dated)


def _is_period(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Say whether a column is named by a year or a quarter above figures: "2023", "Q4", "2023年"."""
    first, *values = (row[at].strip() if at < len(row) else "" for row in rows)
    figures = [value for value in values if any(map(str.isdigit, value))]
    return (
        len(first) <= MAX_PERIOD
        and PERIOD.search(first) is not None
        and bool(figures)
        and not any(PERIOD.search(value) for value in figures)
    )


def _on_one_line(cell: str) -> str:
    text = " ".join(cell.split())
    return Covered(text) if isinstance(cell, Covered) else text


def _filled(row: Sequence[str]) -> dict[int, str]:
    return {at: cell for at, cell in enumerate(row) if cell.strip() and not isinstance(cell, Covered)}


def _named(names: Sequence[str], record: Sequence[str]) -> str:
    if len(record) >= len(names) > 1 and all(isinstance(value, Covered) for value in record[1:]):
        return record[0]  # one cell across the table: it only titles other rows
    if is_form_below(_filled(record), last=len(names) - 1):
        return row_text(_filled(record))
    told = zip_longest(names, record, fillvalue="")
    pairs = [(name, value) for name, value in told if value]
    again = [isinstance(value, Covered) and name == before for (before, _), (name, value) in pairwise(pairs)]
    shown = [pair for pair, is_again in zip(pairs, [False, *again], strict=False) if not is_again]
    return "; ".join(f"{name.rstrip(':：')}: {value}" if name else value for name, value in shown)
