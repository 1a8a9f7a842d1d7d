"""Sheets as text: a page and a heading each, a line for each row, every value beside its column's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from rag.load.content import Content, ContentBuilder
from rag.load.forms import is_form_below, row_text
from rag.load.office.sheet_tables import Row, Sheet, Table, tables

MAX_CELLS: Final = 1_000_000  # of one workbook; as text they are about as long as twenty novels
MAX_COLUMNS: Final = 16_384
PAIR: Final = 2
LETTERS: Final = 26


class Allowance:
    """Counts the cells of a workbook, so that a huge one is cut and not refused."""

    def __init__(self) -> None:
        self._left = MAX_CELLS
        self.notes: list[str] = []

    def take(self, cells: int) -> bool:
        """Take a row; False when the workbook has no more to give."""
        fits = cells <= self._left
        self._left = self._left - cells if fits else 0
        return fits

    def cut(self, sheet: str, last_row: int) -> None:
        """Say that a sheet was read up to `last_row` only."""
        where = f"after row {last_row:,}" if last_row else "altogether"
        self.notes.append(
            f'the sheet "{sheet}" is left out {where}: of one workbook {MAX_CELLS:,} cells are read'
        )


def sheet_content(sheet: Sheet, *, below: Iterable[Content] = ()) -> Content:
    """Return a sheet below its name, then what else stands on it."""
    builder = ContentBuilder()
    for table in tables(sheet):
        _add_table(builder, table)
    for content in below:
        builder.add_content(content)
    body = builder.build()
    if not body.text.strip():
        return body
    named = ContentBuilder()
    named.add_heading(1, sheet.name)
    named.add_content(body)
    return named.build()


def hidden_note(name: str) -> str:
    return f'the sheet "{name}" is hidden in the workbook; it was read like the others'


def unsolved_notes(formulas: int) -> Iterator[str]:
    """Say how many formulas have no stored result, if any."""
    if formulas:
        is_one = formulas == 1
        yield (
            f"{formulas:,} formula{' has' if is_one else 's have'} no stored result: "
            "open it in a spreadsheet program and save it, "
            f"so that {'its value' if is_one else 'their values'} can be read"
        )


def column_letters(column: int) -> str:
    """Return "A" for 0, "AA" for 26."""
    text = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, LETTERS)
        text = chr(ord("A") + letter) + text
    return text


@lru_cache(maxsize=MAX_COLUMNS)
def column_number(letters: str) -> int:
    """Return 0 for "A"."""
    number = 0
    for letter in letters:
        number = number * LETTERS + ord(letter) - ord("A") + 1
    return number - 1


def _add_table(builder: ContentBuilder, table: Table) -> None:
    separator = "\n\n"
    for row in table.titles:
        builder.add_region(_plain(row), separator=separator, cells=_range(row))
        separator = "\n"
    filled = {column for row in table.rows for column in row.cells}
    if not filled.issuperset(table.names):  # some name has no value to stand beside
        builder.add(" | ".join(map(_line, table.names.values())), separator=separator)
        separator = "\n"
    for row in table.rows:
        builder.add_region(_named(row, table), separator=separator, cells=_range(row))
        separator = "\n"


def _named(row: Row, table: Table) -> str:
    """Write each value beside its column's name; a row of one cell in a wide table titles those below it."""
    is_title = len(row.cells) == 1 and table.width > PAIR and min(row.cells) == min(table.names, default=0)
    if not table.names or is_title or is_form_below(row.texts(), last=max(table.names)):
        return _plain(row)
    pairs = ((table.names.get(column, ""), _line(cell.text)) for column, cell in row.cells.items())
    return "; ".join(f"{_line(name).rstrip(':：')}: {text}" if name else text for name, text in pairs)


def _plain(row: Row) -> str:
    return row_text({column: _line(cell.text) for column, cell in row.cells.items()})


def _line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text or "  " in text or "\t" in text else text


def _range(row: Row) -> str:
    first, last = (f"{column_letters(column)}{row.number}" for column in (min(row.cells), max(row.cells)))
    return first if first == last else f"{first}:{last}"
