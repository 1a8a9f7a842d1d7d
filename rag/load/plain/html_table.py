"""The grid of an HTML table: cells that span several rows or columns stand in each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from lxml import etree

from rag.load.tables import looks_like_header

MAX_SPAN: Final = 1000  # the limit browsers keep (HTML Standard, 4.9.11)
MAX_CELLS: Final = 200_000  # of one table, after which no cell spans others any more
LAYOUT_INSIDE: Final = "table h1 h2 h3 h4 h5 h6 form article section"


def data_rows(table: etree._Element, text_of: Callable[[etree._Element], str]) -> list[list[str]]:
    """Return the cells' text, row by row; nothing for a table that only lays out a page."""
    if table.get("role") in {"presentation", "none"}:
        return []
    if any(table.find(f".//{tag}") is not None for tag in LAYOUT_INSIDE.split()):
        return []
    grid: list[list[str]] = []
    left = MAX_CELLS
    above: dict[int, tuple[int, str]] = {}  # column -> rows still covered by a cell above, its text
    for row in table.iter("tr"):
        cells = [cell for cell in row if cell.tag in {"td", "th"}]
        grid.append(_grid_row(cells, above, text_of, spans=left > 0))
        left -= len(grid[-1])
    return grid if max(map(len, grid), default=0) > 1 else []


def has_header(table: etree._Element, rows: Sequence[Sequence[str]]) -> bool:
    """Say whether the first row names the columns, by its markup or by its look."""
    first = next(table.iter("tr"))
    tags = [cell.tag for cell in first if cell.tag in {"td", "th"}]
    if "th" in tags:
        return tags.count("th") > 1 or len(tags) == 1
    return table.find(".//th") is None and looks_like_header(rows)


def _grid_row(
    cells: Sequence[etree._Element],
    above: dict[int, tuple[int, str]],
    text_of: Callable[[etree._Element], str],
    *,
    spans: bool,
) -> list[str]:
    row: list[str] = []
    if not spans:
        return [text_of(cell) for cell in cells]
    for cell in cells:
        _take_from_above(row, above)
        text = text_of(cell)
        for _ in range(_span(cell, "colspan")):
            if _span(cell, "rowspan") > 1:
                above[len(row)] = (_span(cell, "rowspan") - 1, text)
            row.append(text)
    _take_from_above(row, above)
    return row


def _take_from_above(row: list[str], above: dict[int, tuple[int, str]]) -> None:
    while len(row) in above:
        left, text = above.pop(len(row))
        if left > 1:
            above[len(row)] = (left - 1, text)
        row.append(text)


def _span(cell: etree._Element, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(MAX_SPAN, max(1, int(value))) if value.isdecimal() else 1
