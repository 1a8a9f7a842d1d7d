"""Excel workbooks (.xlsx, ECMA-376 part 1, SpreadsheetML), read row by row; .xlsb by `xlsb`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

from lxml import etree

from rag.load.content import Content, ContentBuilder
from rag.load.office.drawings import drawn_text
from rag.load.office.objects import SHEET_DRAWING, Objects
from rag.load.office.ooxml import DAMAGES, Package, R
from rag.load.office.sheet_tables import Cell, Merge, Row, Sheet
from rag.load.office.sheets import MAX_COLUMNS, Allowance, column_number, hidden_note, sheet_content
from rag.load.office.xlsx_parts import (
    Look,
    S,
    cell_range,
    comments,
    items,
    looks,
    shared_strings,
    string_text,
    unescaped,
)
from rag.load.source import Source

WORKBOOK: Final = "xl/workbook.xml"
BINARY_WORKBOOK: Final = "xl/workbook.bin"
DIGITS: Final = "0123456789"
DATE_1904: Final = 1462  # days from the one epoch to the other
PLAIN: Final = Look()
TRUTHS: Final = {"0": "FALSE", "1": "TRUE"}


def read_xlsx(source: Source) -> Content:
    """Read every sheet as a page below its name, rows with their cells; then comments, charts and pictures.

    Raises:
        LoadError: when the file is damaged.
    """
    package = Package(source, noun="Excel workbook")
    main = package.main(WORKBOOK)
    if main.endswith(".bin") or (main not in package and BINARY_WORKBOOK in package):
        from rag.load.office.xlsb import read_xlsb

        return read_xlsb(source)
    root = package.parse(main)
    if root is None or root.find(S + "sheets") is None:
        raise package.damaged("it names no sheets")
    return _Reader(source, package, main, root).read()


class _Reader:
    def __init__(self, source: Source, package: Package, main: str, root: etree._Element) -> None:
        self._package = package
        self._root = root
        self._relations = package.relations(main)
        strings, styles = package.related(main, "sharedStrings"), package.related(main, "styles")
        self._strings = shared_strings(package, strings[0]) if strings else {}
        self._looks = looks(package.parse(styles[0])) if styles else {}
        properties = root.find(S + "workbookPr")
        is_1904 = properties is not None and properties.get("date1904") in {"1", "true"}
        self._offset = DATE_1904 if is_1904 else 0
        self._allowance = Allowance()
        self._objects = Objects(source, package)
        self._without_result = 0  # formulas

    def read(self) -> Content:
        builder = ContentBuilder()
        for number, node in enumerate(self._root.find(S + "sheets").iter(S + "sheet"), start=1):
            name = node.get("name", "")
            relation = self._relations.get(node.get(R + "id", ""))
            if relation is None or relation.target not in self._package:
                builder.note(f'the sheet "{name}" is missing from the file')
                continue
            content = self._sheet(name, relation.target)
            builder.add_page(number, content, unit="sheet")
            if node.get("state", "visible") != "visible" and content.text:
                builder.note(hidden_note(name))
        for sentence in (
            *self._package.notes,
            *self._allowance.notes,
            *self._objects.notes(),
            *self._formulas(),
        ):
            builder.note(sentence)
        return builder.build()

    def _formulas(self) -> Iterator[str]:
        if self._without_result:
            yield (
                f"{self._without_result:,} formulas have no stored result: open it in a spreadsheet program "
                "and save it, so that their values can be read"
            )

    def _sheet(self, name: str, part: str) -> Content:
        grid = _Grid()
        try:
            with self._package.open(part) as stream:
                self._fill(grid, name, stream)
        except DAMAGES:
            self._package.notes.append(f'the sheet "{name}" is damaged: what follows the damage is missing')
        for table in self._package.related(part, "table"):
            grid.add_table(self._package.parse(table))
        sheet = Sheet(name=name, rows=grid.rows, merges=grid.merges, header_rows=grid.header_rows)
        return sheet_content(sheet, below=(self._remarks(part), self._drawings(part)))

    def _fill(self, grid: _Grid, name: str, stream: IO[bytes]) -> None:
        for node in items(stream, "row", "mergeCell", "autoFilter"):
            if node.tag != S + "row":
                grid.add_range(node)
                continue
            if not grid.add_row(self._cells(node), node.get("r", ""), self._allowance):
                self._allowance.cut(name, grid.last)
                return

    def _cells(self, row: etree._Element) -> dict[int, Cell]:
        cells: dict[int, Cell] = {}
        column = -1
        for node in row:
            reference = node.get("r", "").rstrip(DIGITS)
            column = column_number(reference) if reference.isascii() and reference.isupper() else column + 1
            if node.tag != S + "c" or column >= MAX_COLUMNS:
                continue
            cell = self._cell(node)
            if cell is not None and cell.text.strip():
                cells[column] = cell
        return cells

    def _cell(self, node: etree._Element) -> Cell | None:
        look = self._looks.get(node.get("s", "0"), PLAIN)
        kind = node.get("t", "n")
        if kind == "inlineStr":
            inline = node.find(S + "is")
            return None if inline is None else Cell(string_text(inline), is_bold=look.is_bold)
        raw = node.findtext(S + "v") or ""
        if not raw:
            return self._formula(node)
        if kind == "n":
            return _number(raw, look, self._offset)
        if kind == "s":
            text = self._strings.get(raw, "")
            return None if look.hides_text else Cell(text, is_bold=look.is_bold)
        text = TRUTHS.get(raw, raw) if kind == "b" else unescaped(raw)
        return Cell(text, is_value=kind in {"b", "d"}, is_bold=look.is_bold)

    def _formula(self, node: etree._Element) -> Cell | None:
        formula = node.findtext(S + "f")
        if not formula or node.get("t") == "str":  # a text that is empty
            return None
        self._without_result += 1
        return Cell(f"={formula}", is_value=True)

    def _remarks(self, part: str) -> Content:
        builder = ContentBuilder()
        for name in self._package.related(part, "comments"):
            for cell, text in comments(self._package.parse(name)):
                builder.add_region(f"{cell}: {text}", cells=cell)
        return builder.build()

    def _drawings(self, part: str) -> Content:
        builder = ContentBuilder()
        for name in self._package.related(part, "drawing"):
            root = self._package.parse(name)
            if root is not None:
                for shape in root.iter(SHEET_DRAWING + "sp"):
                    builder.add(drawn_text(shape))
                self._objects.add(builder, root, self._package.relations(name))
        return builder.build()


class _Grid:
    """The cells of one sheet, and what the file says of their ranges."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.merges: list[Merge] = []
        self.header_rows: set[int] = set()
        self.last = 0  # row

    def add_row(self, cells: dict[int, Cell], number: str, allowance: Allowance) -> bool:
        """Add a row; False when the workbook has given all its cells."""
        at = int(number) if number.isdecimal() else self.last + 1
        if at <= self.last:
            at = self.last + 1  # out of order: rows never go back
        if not allowance.take(len(cells) + 1):
            return False
        self.last = at
        if cells:
            in_order = list(cells) == sorted(cells)
            self.rows.append(Row(at, cells if in_order else dict(sorted(cells.items()))))
        return True

    def add_range(self, node: etree._Element) -> None:
        place = cell_range(node.get("ref", ""))
        if place is None:
            return
        if node.tag == S + "mergeCell":
            self.merges.append(place)
        else:
            self.header_rows.add(place[0])

    def add_table(self, root: etree._Element | None) -> None:
        place = None if root is None else cell_range(root.get("ref", ""))
        if root is not None and place is not None and root.get("headerRowCount", "1") != "0":
            self.header_rows.add(place[0])


def _number(raw: str, look: Look, offset: int) -> Cell:
    try:
        value = float(raw)
        text = look.show(value + offset if offset and look.is_date else value)
    except (ValueError, OverflowError):
        text = raw
    return Cell(text, is_value=True, is_bold=look.is_bold)
