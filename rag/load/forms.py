"""Rows of a form, in which labels and values stand in turn: "Name:", "Ada", "Age:", "36"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

COLONS: Final = (":", "：")
PAIR: Final = 2


def is_form(row: Mapping[int, str]) -> bool:
    """Say whether a row (column -> text, none empty) holds labels apart from each other, and values.

    What stands before the first label may be the name of a section.
    """
    labels = [column for column, text in row.items() if is_label(text)]
    if not PAIR <= len(labels) < len(row) or labels[0] not in list(row)[:PAIR]:
        return False
    return all(two > one + 1 for one, two in pairwise(labels))


def is_form_below(row: Mapping[int, str], *, last: int) -> bool:
    """Say whether a row that stands below names, up to the column `last`, is told by its own labels."""
    return _is_form_from_its_first_cell(row) and not is_label(row.get(last, ""))


def is_labelled(row: Mapping[int, str]) -> bool:
    """Say whether a row is one of a form, or one label and its value."""
    if len(row) != PAIR:
        return is_form(row)
    label, value = row.values()
    return is_label(label) and not is_label(value)


def are_labelled(rows: Sequence[Mapping[int, str]], *, width: int) -> bool:
    """Say whether most rows of a table of `width` columns are labelled, in a wide one more than once."""
    return 2 * sum(map(is_labelled if width == PAIR else _is_form_from_its_first_cell, rows)) > len(rows)


def begins_form(rows: Sequence[Mapping[int, str]]) -> bool:
    """Say whether a first row surely names no columns."""
    if not rows or not is_labelled(rows[0]):
        return False
    first, *below = rows
    is_one = is_form(first) and (not below or any(map(is_form, below)))
    return is_one or are_labelled(below, width=PAIR)


def row_text(row: Mapping[int, str]) -> str:
    """Write a row without names of its columns: "label: value", several of them, or "a | b"."""
    cells = list(row.values())
    if len(cells) == PAIR and not is_label(cells[1]):
        return f"{cells[0].rstrip(':：')}: {cells[1]}"
    return _pairs(cells) if is_form(row) else " | ".join(cells)


def _is_form_from_its_first_cell(row: Mapping[int, str]) -> bool:
    return is_form(row) and is_label(next(iter(row.values())))


def _pairs(cells: Sequence[str]) -> str:
    following = [*cells[1:], ":"]
    told = (
        f"{cell.rstrip(':： ')}: " if is_label(cell) and not is_label(after) else f"{cell}; "
        for cell, after in zip(cells, following, strict=True)
    )
    return "".join(told).removesuffix("; ")


def is_label(text: str) -> bool:
    """Say whether a text ends with a colon."""
    return text.rstrip().endswith(COLONS)
