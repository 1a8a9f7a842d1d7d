"""Binary Excel workbooks (.xlsb, MS-XLSB): the same parts as those of an .xlsx, in records instead of XML."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import IO, Final, cast

import xlrd

from rag.load.office.number_format import BUILTIN
from rag.load.office.ooxml import DAMAGES, Package
from rag.load.office.sheet_tables import Cell
from rag.load.office.sheets import MAX_COLUMNS, column_letters
from rag.load.office.workbook import Grid, SheetEntry, Workbook
from rag.load.office.xlsx_parts import PLAIN, Look, look, number_cell, said
from rag.load.source import Source

CHUNK: Final = 1 << 16
MORE: Final = 0x80  # bit of a byte that another one follows (2.1.4)
SHIFTS: Final = (0, 7, 14, 21)  # of the bytes of a size
ROW, BLANK, FILTER, MERGED, TABLE = 0, 1, 161, 176, 343  # records by number (2.3.2)
TEXT, FONT, FORMAT, STYLE, STYLES, STYLES_END = 19, 43, 44, 47, 617, 618
RICH, PROPERTIES, SHEET = 62, 153, 156
AUTHOR, COMMENT, COMMENT_TEXT = 632, 635, 637
FIRST_SHORT: Final = 12  # cells from here on stand right of the one before and say no column
CELLS: Final = {  # a record -> what it holds
    2: "packed", 3: "error", 4: "truth", 5: "number", 6: "text", 7: "shared",
    8: "text", 9: "number", 10: "truth", 11: "error",
    13: "packed", 14: "error", 15: "truth", 16: "number", 17: "text", 18: "shared", RICH: "rich",
}  # fmt: skip
BOLD: Final = 600  # the least weight of a bold font
ERRORS: Final = xlrd.error_text_from_code
CUT: Final = (*DAMAGES, struct.error, IndexError)  # what a damaged part raises
NOTHING: Final = 0xFFFF_FFFF  # the length of a string that isn't there


class BinaryWorkbook(Workbook):
    """Reads an .xlsb."""

    def __init__(self, source: Source, package: Package, main: str) -> None:
        super().__init__(source, package, main)
        self._main = main
        self._is_1904 = any(
            kind == PROPERTIES and data[0] & 1 for kind, data in self._read(main, "the list of its sheets")
        )
        self._strings = [
            _rich(data)
            for name in package.related(main, "sharedStrings")
            for kind, data in self._read(name, "the list of its texts")
            if kind == TEXT
        ]
        styles = package.related(main, "styles")
        self._looks = _looks(self._read(styles[0], "the list of its formats")) if styles else []

    def _read(self, part: str, what: str) -> Iterator[tuple[int, bytes]]:
        """Yield the records of a part as far as it is whole."""
        try:
            with self._package.open(part) as stream:
                yield from _records(stream)
        except CUT:
            self._damaged(what)

    def _entries(self) -> Iterator[SheetEntry]:
        for kind, data in self._read(self._main, "the list of its sheets"):
            if kind == SHEET:
                relation, end = _string(data, 8)
                name, _ = _string(data, end)
                yield SheetEntry(name=name, relation=relation, is_hidden=data[0] != 0)

    def _fill(self, grid: Grid, part: str) -> None:
        row, cells, column = 0, dict[int, Cell](), -1
        for kind, data in self._read(part, f'the sheet "{grid.name}"'):
            if kind == ROW:
                if row and not grid.add_row(cells, row):
                    return
                row, cells, column = _number(data, 0) + 1, {}, -1
            elif BLANK <= kind < TEXT or kind == RICH:
                is_short = FIRST_SHORT <= kind < TEXT
                column = column + 1 if is_short else _number(data, 0)
                cell = self._cell(kind, data if is_short else data[4:])
                if cell.text.strip() and column < MAX_COLUMNS:
                    cells[column] = cell
            elif kind == MERGED:
                top, bottom, left, right = struct.unpack_from("<4I", data)
                grid.merges.append((top + 1, left, bottom + 1, right))
            elif kind == FILTER:
                grid.header_rows.add(_number(data, 0) + 1)
        if row:
            grid.add_row(cells, row)

    def _cell(self, kind: int, data: bytes) -> Cell:
        """Return what a cell shows; `data` begins with its style."""
        holds = CELLS.get(kind, "")
        style = _number(data, 0) & 0xFF_FFFF
        look = self._looks[style] if style < len(self._looks) else PLAIN
        if holds == "packed":
            return number_cell(_unpacked(_number(data, 4)), look, is_1904=self._is_1904)
        if holds == "number":
            return number_cell(struct.unpack_from("<d", data, 4)[0], look, is_1904=self._is_1904)
        if holds == "truth":
            return Cell("TRUE" if data[4] else "FALSE", is_value=True, is_bold=look.is_bold)
        if holds == "error":
            return Cell(ERRORS.get(data[4], "#N/A"), is_bold=look.is_bold)
        return Cell("" if look.hides_text else self._text(holds, data), is_bold=look.is_bold)

    def _text(self, holds: str, data: bytes) -> str:
        if holds == "shared":
            index = _number(data, 4)
            return self._strings[index] if index < len(self._strings) else ""
        if holds == "rich":
            return _rich(data[4:])
        return _string(data, 4)[0] if holds == "text" else ""

    def _comments(self, part: str) -> Iterator[tuple[str, str]]:
        authors: list[str] = []
        cell = who = ""
        for kind, data in self._read(part, "the list of its comments"):
            if kind == AUTHOR:
                authors.append(_string(data, 0)[0])
            elif kind == COMMENT:
                author, row, _, column = struct.unpack_from("<4I", data)
                cell = f"{column_letters(column)}{row + 1}"
                who = authors[author] if author < len(authors) else ""
            elif kind == COMMENT_TEXT:
                yield cell, said(_rich(data), who)

    def _header_row(self, part: str) -> int | None:
        for kind, data in self._read(part, "a table's description"):
            if kind == TABLE:
                return _number(data, 0) + 1 if _number(data, 24) else None
        return None


def _records(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each record (2.1.4).

    Raises:
        IndexError: when the last one is cut.
    """
    buffered = io.BufferedReader(cast("io.RawIOBase", stream), CHUNK)
    while first := buffered.read(1):
        kind = first[0]
        if kind & MORE:
            kind = kind & ~MORE | buffered.read(1)[0] << 7
        size = 0
        for shift in SHIFTS:
            byte = buffered.read(1)[0]
            size |= (byte & ~MORE) << shift
            if not byte & MORE:
                break
        data = buffered.read(size)
        if len(data) < size:
            raise IndexError("the last record is cut")
        yield kind, data


def _looks(records: Iterator[tuple[int, bytes]]) -> list[Look]:
    """Return how the cells of each style are shown."""
    codes: dict[int, str] = {}
    fonts: list[bool] = []
    styles: list[Look] = []
    is_of_cells = False
    for kind, data in records:
        if kind in {STYLES, STYLES_END}:
            is_of_cells = kind == STYLES
        elif kind == FONT:
            fonts.append(struct.unpack_from("<H", data, 4)[0] >= BOLD)
        elif kind == FORMAT:
            codes[struct.unpack_from("<H", data)[0]] = _string(data, 2)[0]
        elif kind == STYLE and is_of_cells:
            _, form, font = struct.unpack_from("<3H", data)
            code = codes.get(form) or BUILTIN.get(form, "General")
            styles.append(look(code, is_bold=font < len(fonts) and fonts[font]))
    return styles


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _unpacked(packed: int) -> float:
    """Return a number written in 30 bits (2.5.122)."""
    if packed & 2:
        value: float = (packed >> 2) - ((packed & 0x8000_0000) >> 1)
    else:
        value = struct.unpack("<d", bytes(4) + (packed & 0xFFFF_FFFC).to_bytes(4, "little"))[0]
    return value / 100 if packed & 1 else value


def _string(data: bytes, at: int) -> tuple[str, int]:
    """Return the string at a place, and where it ends."""
    length = _number(data, at)
    end = at + 4 + (0 if length == NOTHING else 2 * length)
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


def _rich(data: bytes) -> str:
    """Return a string without its formats (2.5.121)."""
    return _string(data, 1)[0]
