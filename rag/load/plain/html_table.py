"""Tables of HTML: cells that span several rows or columns stand in each of them, below one name each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile, zip_longest
from typing import Final, TypeAlias

from lxml import etree

from rag.load.forms import is_label
from rag.load.tables import Covered, looks_like_header, whole_table_text

Cells: TypeAlias = list[etree._Element]
MAX_SPAN: Final = 1000  # the limit browsers keep (HTML Standard, 4.9.11)
MAX_CELLS: Final = 200_000  # of one table, after which no cell spans others any more
PAIR: Final = 2
MAX_HEADER: Final = 4  # rows that name the columns together
LAYOUT_INSIDE: Final = "table h1 h2 h3 h4 h5 h6 pre form article section"


def data_text(table: etree._Element, text_of: Callable[[etree._Element], str]) -> str:
    """Return the caption and the rows, each naming its columns; "" for a table that only lays out a page."""
    if table.get("role") in {"presentation", "none"}:
        return ""
    if any(table.find(f".//{tag}") is not None for tag in LAYOUT_INSIDE.split()):
        return ""
    rows = _rows(table)
    height = _header_height(rows)
    labels = {cell for row in rows if height == 0 and _is_form(row) for cell in row[::PAIR]}
    grid = _grid(rows, lambda cell: _label(text_of(cell)) if cell in labels else text_of(cell))
    if max(map(len, grid), default=0) <= 1:
        return ""
    titles = [text_of(caption) for caption in table.iter("caption")]
    titles += (row[0] for row in grid[:height] if len(set(row)) == 1)  # one cell across the table
    names = _names([row for row in grid[:height] if len(set(row)) > 1])
    body = grid[height:]
    is_named = bool(names) or (table.find(".//th") is None and looks_like_header(body))
    text = whole_table_text([names, *body] if names else body, header=is_named)
    return "\n".join(filter(None, [*titles, text]))


def _rows(table: etree._Element) -> list[Cells]:
    """Return the cells of each row; those that stand outside of any row are one of their own."""
    rows: list[Cells] = []
    last = None
    for node in table.iter("tr", "td", "th"):
        home = node if node.tag == "tr" else node.getparent()
        if home is not last:
            rows.append([])
            last = home
        if node.tag != "tr":
            rows[-1].append(node)
    return rows


def _header_height(rows: Sequence[Cells]) -> int:
    """Return how many rows at the top name the columns, by their markup."""
    height = sum(1 for _ in takewhile(_is_header, rows[:MAX_HEADER]))
    if height == len(rows):
        return min(1, height)
    first = [cell.tag for cell in rows[0]]
    return height or int(first.count("th") > 1 and not _is_form(rows[0]))


def _is_form(cells: Cells) -> bool:
    """Say whether headers and values stand in turn, more than once."""
    pairs, rest = divmod(len(cells), PAIR)
    return pairs > 1 and not rest and [cell.tag for cell in cells] == ["th", "td"] * pairs


def _label(text: str) -> str:
    return f"{text}:" if text and not is_label(text) else text


def _is_header(cells: Cells) -> bool:
    if not cells:
        return False
    row = cells[0].getparent()
    return all(cell.tag == "th" for cell in cells) or (row.tag == "tr" and row.getparent().tag == "thead")


def _names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one name a column, "2024 Q1" where "Q1" stands below a "2024" that spans more."""
    return [" ".join(dict.fromkeys(filter(None, column))) for column in zip_longest(*rows, fillvalue="")]


def _grid(rows: Sequence[Cells], text_of: Callable[[etree._Element], str]) -> list[list[str]]:
    grid: list[list[str]] = []
    left = MAX_CELLS
    above: dict[int, tuple[int, str]] = {}  # column -> rows still covered by a cell above, its text
    for cells in rows:
        grid.append(_grid_row(cells, above, text_of, spans=left > 0))
        left -= len(grid[-1])
    return grid


def _grid_row(
    cells: Cells,
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
        for place in range(_span(cell, "colspan")):
            text = Covered(text) if place else text
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
