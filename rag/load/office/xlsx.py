"""Excel workbooks (.xlsx, ECMA-376 part 1, SpreadsheetML), read row by row; .xlsb by `xlsb`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

from lxml import etree

from rag.load.content import Content
from rag.load.office.ooxml import DAMAGES, Package, R
from rag.load.office.sheet_tables import Cell
from rag.load.office.sheets import MAX_COLUMNS, column_number
from rag.load.office.workbook import Grid, SheetEntry, Workbook
from rag.load.office.xlsx_parts import (
    PLAIN,
    S,
    cell_range,
    comments,
    items,
    looks,
    number_cell,
    shared_strings,
    string_text,
    unescaped,
)
from rag.load.source import Source

WORKBOOK: Final = "xl/workbook.xml"
BINARY_WORKBOOK: Final = "xl/workbook.bin"
DIGITS: Final = "0123456789"
TRUTHS: Final = {"0": "FALSE", "1": "TRUE"}


def read_xlsx(source: Source) -> Content:
    """Read every sheet as a page below its name, rows with their cells; then comments, charts and pictures.

    Raises:
        LoadError: when the file is damaged.
    """
    package = Package(source, noun="Excel workbook")
    main = package.main(WORKBOOK)
    if main.endswith(".bin") or (main not in package and BINARY_WORKBOOK in package):
        from rag.load.office.xlsb import BinaryWorkbook

        return BinaryWorkbook(source, package, main if main in package else BINARY_WORKBOOK).read()
    root = package.parse(main)
    if root is None or root.find(S + "sheets") is None:
        raise package.damaged("it names no sheets")
    return _XmlWorkbook(source, package, main, root).read()


class _XmlWorkbook(Workbook):
    def __init__(self, source: Source, package: Package, main: str, root: etree._Element) -> None:
        super().__init__(source, package, main)
        self._root = root
        strings, styles = package.related(main, "sharedStrings"), package.related(main, "styles")
        self._strings = shared_strings(package, strings[0]) if strings else {}
        self._looks = looks(package.parse(styles[0])) if styles else {}
        properties = root.find(S + "workbookPr")
        self._is_1904 = properties is not None and properties.get("date1904") in {"1", "true"}

    def _entries(self) -> Iterator[SheetEntry]:
        for node in self._root.find(S + "sheets").iter(S + "sheet"):
            is_hidden = node.get("state", "visible") != "visible"
            yield SheetEntry(name=node.get("name", ""), relation=node.get(R + "id", ""), is_hidden=is_hidden)

    def _fill(self, grid: Grid, part: str) -> None:
        try:
            with self._package.open(part) as stream:
                self._fill_from(grid, stream)
        except DAMAGES:
            self._damaged(f'the sheet "{grid.name}"')

    def _fill_from(self, grid: Grid, stream: IO[bytes]) -> None:
        for node in items(stream, "row", "mergeCell", "autoFilter"):
            place = cell_range(node.get("ref", ""))
            number = node.get("r", "")
            if node.tag == S + "row":
                if not grid.add_row(self._cells(node), int(number) if number.isdecimal() else None):
                    return
            elif place is not None and node.tag == S + "mergeCell":
                grid.merges.append(place)
            elif place is not None:
                grid.header_rows.add(place[0])

    def _comments(self, part: str) -> Iterator[tuple[str, str]]:
        return comments(self._package.parse(part))

    def _header_row(self, part: str) -> int | None:
        root = self._package.parse(part)
        if root is None or root.get("headerRowCount", "1") == "0":
            return None
        place = cell_range(root.get("ref", ""))
        return place[0] if place else None

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
            return number_cell(raw, look, is_1904=self._is_1904)
        if kind == "s":
            text = self._strings.get(raw, "")
            return None if look.hides_text else Cell(text, is_bold=look.is_bold)
        text = TRUTHS.get(raw, raw) if kind == "b" else unescaped(raw)
        return Cell(text, is_value=kind in {"b", "d"}, is_bold=look.is_bold)

    def _formula(self, node: etree._Element) -> Cell | None:
        formula = node.findtext(S + "f")
        if not formula or node.get("t") == "str":  # a text that is empty
            return None
        self._unsolved += 1
        return Cell(f"={formula}", is_value=True)
