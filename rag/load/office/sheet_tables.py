"""The tables of a sheet: where they stand, and which of their rows name the columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from rag.load.forms import are_labelled, is_form, is_label, is_labelled

MAX_NESTING: Final = 4  # how often a block is cut again by columns and rows
MAX_TITLES: Final = 10  # rows of one cell above a table
MAX_HEADER_ROWS: Final = 4
MAX_NAME: Final = 80  # characters of a column's name, unless the file says that it is one
MAX_FILLED: Final = 20_000_000  # cells looked at to fill merged ones
LOOK_AHEAD: Final = 20  # rows below a header that tell what its columns hold
PAIR: Final = 2
SURE_ROWS: Final = 5  # of a table of two columns of text that has a header
YEARS: Final = range(1900, 2101)


class Cell(NamedTuple):
    text: str
    is_value: bool = False  # a number, a date or a truth, not text
    is_bold: bool = False


class Row(NamedTuple):
    number: int  # from 1
    cells: Mapping[int, Cell]  # by column from 0, none of them empty, in order

    def texts(self) -> dict[int, str]:
        return {column: cell.text for column, cell in self.cells.items()}


Merge: TypeAlias = tuple[int, int, int, int]  # first row, first column, last row, last column


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    name: str
    rows: Sequence[Row]  # those that are not empty, in order
    merges: Sequence[Merge] = ()
    header_rows: Collection[int] = field(default_factory=frozenset)  # those of which the file says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`names` is empty for a table without a header; `titles` are lines above it."""

    titles: Sequence[Row]
    names: Mapping[int, str]  # by column
    rows: Sequence[Row]
    width: int  # columns


def tables(sheet: Sheet) -> Iterator[Table]:
    """Yield the tables of a sheet in reading order; a block of text is a table without names."""
    rows = _filled(sheet)
    before: Table | None = None
    for block in _with_names(_blocks(rows, 0)):
        table = _table(block, sheet)
        if before is not None and _goes_on(before, table):
            table = Table(titles=(), names=before.names, rows=table.rows, width=before.width)
        yield table
        before = table


def _filled(sheet: Sheet) -> Sequence[Row]:
    """Return the rows, a cell merged over several of them standing in each."""
    merges = sorted(merge for merge in sheet.merges if merge[2] > merge[0])
    if not merges:
        return sheet.rows
    rows, active, at, left = [], [], 0, MAX_FILLED
    values: dict[Merge, Cell] = {}
    for row in sheet.rows:
        while at < len(merges) and merges[at][0] <= row.number:
            active.append(merges[at])
            at += 1
        active = [merge for merge in active if merge[2] >= row.number]
        left -= len(active)
        if left < 0:  # ranges that overlap as no program makes them
            return sheet.rows
        cells = dict(row.cells)
        for merge in active:
            if merge[0] == row.number and merge[1] in cells:
                values[merge] = cells[merge[1]]
            elif merge in values:
                cells.setdefault(merge[1], values[merge])
        rows.append(
            Row(row.number, dict(sorted(cells.items())) if len(cells) > len(row.cells) else row.cells)
        )
    return rows


def _blocks(rows: Sequence[Row], depth: int) -> Iterator[Sequence[Row]]:
    """Cut rows at empty ones, and each block at an empty column where two tables stand side by side."""
    for block in _between_empty_rows(rows):
        parts = _side_by_side(block) if depth < MAX_NESTING else []
        if not parts:
            yield block
        for part in parts:
            yield from _blocks(part, depth + 1)


def _between_empty_rows(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    starts = [0, *(at for at, (one, two) in enumerate(pairwise(rows), 1) if two.number > one.number + 1)]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        if start < end:
            yield rows[start:end]


def _with_names(blocks: Iterator[Sequence[Row]]) -> Iterator[Sequence[Row]]:
    """Join a lone row of names to the values below it, which empty rows set off."""
    waiting: Sequence[Row] = ()
    for block in blocks:
        if waiting and set(block[0].cells) == set(waiting[0].cells) and not _is_lone(block):
            yield [*waiting, *block]
            waiting = ()
            continue
        if waiting:
            yield waiting
        waiting = block if _is_lone(block) else ()
        if not waiting:
            yield block
    if waiting:
        yield waiting


def _is_lone(block: Sequence[Row]) -> bool:
    """Say whether a block is but one row, of nothing but texts."""
    cells = block[0].cells.values()
    return len(block) == 1 and len(cells) > 1 and not any(cell.is_value for cell in cells)


def _side_by_side(block: Sequence[Row]) -> list[list[Row]]:
    """Return the tables of a block, [] where it is but one: they end at other rows, or share their names."""
    columns = sorted({column for row in block for column in row.cells})
    groups = _runs(columns)
    if len(groups) < PAIR or any(len(group) < PAIR for group in groups):
        return []
    parts = [_of_columns(block, group) for group in groups]
    extents = {(part[0].number, part[-1].number) for part in parts}
    heads = [{cell.text for cell in part[0].cells.values()} for part in parts]
    same = any(one & two for one, two in pairwise(heads))
    return parts if len(extents) > 1 or same else []


def _of_columns(block: Sequence[Row], columns: Collection[int]) -> list[Row]:
    wanted = frozenset(columns)
    cut = (Row(row.number, {at: cell for at, cell in row.cells.items() if at in wanted}) for row in block)
    return [row for row in cut if row.cells]


def _runs(columns: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for column in columns:
        if runs and column == runs[-1][-1] + 1:
            runs[-1].append(column)
        else:
            runs.append([column])
    return runs


def _goes_on(before: Table, table: Table) -> bool:
    """Say whether a block is the rest of the table above it, set off by empty rows."""
    if table.names or table.titles or not before.names or table.width < PAIR:
        return False
    columns = sorted({column for row in table.rows for column in row.cells})
    is_narrow = len(columns) < before.width and len(_runs(columns)) == 1
    if is_narrow and all(is_labelled(row.texts()) for row in table.rows):
        return False
    return before.names.keys() >= set(columns)


def _table(block: Sequence[Row], sheet: Sheet) -> Table:
    width = len({column for row in block for column in row.cells})
    first = _first_full_row(block, sheet.header_rows, width)
    body = block[first:]
    if not body or not (body[0].number in sheet.header_rows or _looks_like_header(body, width)):
        return Table(titles=(), names={}, rows=block, width=width)
    merges = {(merge[0], merge[1]): merge[3] for merge in sheet.merges}
    height = _header_height(body, merges, sheet.header_rows, width)
    names = _names(body[:height], merges)
    return Table(titles=block[:first], names=names, rows=body[height:], width=width)


def _first_full_row(block: Sequence[Row], sure: Collection[int], width: int) -> int:
    """Return how many rows of one cell or of a form stand above the table's first row; none do in a form."""
    if width < PAIR:
        return 0
    for at, row in enumerate(block[:MAX_TITLES]):
        if len(row.cells) > 1 and (row.number in sure or not is_of_form(block[at:], width)):
            goes_on = at > 0 and is_label(next(iter(row.texts().values())))
            return 0 if goes_on and is_labelled(block[at - 1].texts()) else at
    return 0


def is_of_form(rows: Sequence[Row], width: int) -> bool:
    """Say whether a first row holds labels and values, and not names of columns that end in colons."""
    first, *below = rows[: LOOK_AHEAD + 1]
    if not is_labelled(first.texts()):
        return False
    is_marked = len(first.cells) == width and _is_marked(first, below)
    if not is_form(first.texts()):
        return not is_marked
    if not below or any(is_form(row.texts()) for row in below):
        return True
    have_values = [any(cell.is_value for cell in row.cells.values()) for row in below]
    return not (have_values[0] or (is_marked and not any(have_values)))


def _is_marked(head: Row, below: Sequence[Row]) -> bool:
    """Say whether a row is bold and the next is not."""
    is_bold, *others = (all(cell.is_bold for cell in row.cells.values()) for row in (head, *below[:1]))
    return is_bold and others == [False]


def _looks_like_header(body: Sequence[Row], width: int) -> bool:
    head, below = body[0].cells, body[1 : LOOK_AHEAD + 1]
    names = [cell.text for cell in head.values()]
    if not below or width < PAIR or len(names) * 2 < width or len(set(names)) < len(names):
        return False
    if is_of_form(body, width) or are_labelled([row.texts() for row in below], width=width):
        return False
    is_corner_empty = _is_corner_empty(body[0], below, width)
    if not _are_names(list(head.values()), all_years=is_corner_empty) or max(map(len, names)) > MAX_NAME:
        return False
    if _is_marked(body[0], below):
        return True
    if width == PAIR:
        return _names_two(body, below)
    has_values = any(cell.is_value for row in below for cell in row.cells.values())
    return has_values or is_corner_empty or len(names) == width


def _is_corner_empty(head: Row, below: Sequence[Row], width: int) -> bool:
    """Say whether every column bears a name, above what differs from it, but the first: it names the rows."""
    first = min(column for row in below for column in row.cells)
    return (
        first < min(head.cells)
        and len(head.cells) == width - 1
        and all(first in row.cells and not row.cells[first].is_value for row in below)
        and all(row.cells.get(column) != cell for row in below for column, cell in head.cells.items())
    )


def _are_names(cells: Sequence[Cell], *, all_years: bool) -> bool:
    """Say whether cells are text, years among them or, with `all_years`, alone borne."""
    values = [cell.text for cell in cells if cell.is_value]
    are_years = all(text.isdecimal() and int(text) in YEARS for text in values)
    return are_years and (all_years or len(values) < len(cells) or not values)


def _names_two(body: Sequence[Row], below: Sequence[Row]) -> bool:
    """Tell a table of two columns from a list of names and values."""
    labels = [row.cells[min(row.cells)].text for row in body[: LOOK_AHEAD + 1]]
    if any(map(is_label, labels)):
        return False
    first, last = (
        {row.cells[column].is_value for row in below if column in row.cells}
        for column in (min(body[0].cells), max(body[0].cells))
    )
    return {True} in (first, last) or (last == {False} and len(body) >= SURE_ROWS)


def _header_height(
    body: Sequence[Row], merges: Mapping[tuple[int, int], int], sure: Collection[int], width: int
) -> int:
    """Return the number of rows that name the columns: more than one below names merged over several."""
    height = 1
    while height < min(MAX_HEADER_ROWS, len(body) - 1):
        row = body[height - 1]
        spans = [merges.get((row.number, column), column) > column for column in row.cells]
        following = list(body[height].cells.values())
        if not any(spans) or len(row.cells) == 1 < width or not _are_names(following, all_years=False):
            break
        if body[height].number in sure and row.number in sure:
            break
        height += 1
    return height


def _names(rows: Sequence[Row], merges: Mapping[tuple[int, int], int]) -> dict[int, str]:
    parts: dict[int, list[str]] = {}
    for at, row in enumerate(rows):
        for column, cell in row.cells.items():
            last = merges.get((row.number, column), column) if at < len(rows) - 1 else column
            for covered in range(column, min(last, column + 1000) + 1):
                if cell.text not in parts.setdefault(covered, []):
                    parts[covered].append(cell.text)
    return {column: " ".join(texts) for column, texts in parts.items()}
