"""Excel workbooks of before 2007 (.xls, MS-XLS), read by xlrd with their number formats."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any, Final

import xlrd

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.office.encrypted import WAY_UNKNOWN, decrypted, is_encrypted
from rag.load.office.libreoffice import program
from rag.load.office.number_format import BUILTIN
from rag.load.office.old_office import by_libreoffice
from rag.load.office.sheet_tables import Cell, Merge, Row, Sheet
from rag.load.office.sheets import Allowance, column_letters, hidden_note, sheet_content
from rag.load.office.xls_drawings import drawn_texts
from rag.load.office.xlsx_parts import look, number_cell, said
from rag.load.source import Source

ERRORS: Final = xlrd.error_text_from_code
EMPTY: Final = frozenset({xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK})
BIFF8: Final = 80  # xlrd's number for Excel 97 and later
DAMAGES: Final = (  # what xlrd raises
    xlrd.XLRDError,
    xlrd.compdoc.CompDocError,
    xlrd.formula.FormulaError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    struct.error,
)
LOCAL: Final = frozenset({14, 22})  # numbers of formats


def read_xls(source: Source) -> Content:
    """Read every sheet as a page below its name.

    What xlrd cannot read goes through LibreOffice, where that is installed.

    Raises:
        LoadError: when the file is damaged, or encrypted with a password that isn't known.
    """
    data = decrypted(source) if is_encrypted(source.data) else source.data
    try:
        return _read(data)
    except DAMAGES as exc:
        if "encrypted" in str(exc):
            raise LoadError(WAY_UNKNOWN) from exc
        if program() is None:
            raise LoadError("the Excel workbook is damaged: its structure cannot be read") from exc
        return by_libreoffice(source, data, suffix=".xls", to="xlsx")


def _read(data: bytes) -> Content:
    book = xlrd.open_workbook(
        file_contents=data,
        formatting_info=True,
        on_demand=True,
        ragged_rows=True,
        ignore_workbook_corruption=True,
        logfile=io.StringIO(),
    )
    builder = ContentBuilder()
    allowance = Allowance()
    for number in range(book.nsheets):
        sheet = book.sheet_by_index(number)
        content = sheet_content(
            _sheet(book, sheet, allowance), below=(_comments(sheet), _drawings(book, sheet))
        )
        builder.add_page(number + 1, content, unit="sheet")
        if sheet.visibility and content.text:
            builder.note(hidden_note(sheet.name))
        book.unload_sheet(number)
    for sentence in allowance.notes:
        builder.note(sentence)
    return builder.build()


def _sheet(book: Any, sheet: Any, allowance: Allowance) -> Sheet:
    rows: list[Row] = []
    for at in range(sheet.nrows):
        cells = _cells(book, sheet, at)
        if not allowance.take(len(cells)):
            allowance.cut(sheet.name, at)
            break
        if cells:
            rows.append(Row(at + 1, cells))
    return Sheet(name=sheet.name, rows=rows, merges=_merges(sheet.merged_cells))


def _comments(sheet: Any) -> Content:
    builder = ContentBuilder()
    for (row, column), note in sorted(sheet.cell_note_map.items()):
        cell = f"{column_letters(column)}{row + 1}"
        text = said(note.text, note.author)
        builder.add_region(f"{cell}: {text}" if text else "", cells=cell)
    return builder.build()


def _drawings(book: Any, sheet: Any) -> Content:
    """Return the texts of a sheet's boxes and charts; those of its comments are told already."""
    builder = ContentBuilder()
    if book.biff_version >= BIFF8:
        told = {note.text for note in sheet.cell_note_map.values()}
        for text in dict.fromkeys(drawn_texts(book.mem, book._sh_abs_posn[sheet.number])):
            builder.add("" if text in told else text)
    return builder.build()


def _merges(ranges: Sequence[tuple[int, int, int, int]]) -> list[Merge]:
    """Return xlrd's half-open ranges (first row, row after, first column, column after) as ours."""
    return [(top + 1, left, bottom, right - 1) for top, bottom, left, right in ranges]


def _cells(book: Any, sheet: Any, row: int) -> dict[int, Cell]:
    cells = {}
    for column, kind in enumerate(sheet.row_types(row)):
        if kind not in EMPTY:
            cell = _cell(book, kind, sheet.cell_value(row, column), sheet.cell_xf_index(row, column))
            if cell.text.strip():
                cells[column] = cell
    return cells


def _cell(book: Any, kind: int, value: Any, style: int) -> Cell:
    code, is_bold = _look(book, style)
    if kind == xlrd.XL_CELL_TEXT:
        return Cell(value, is_bold=is_bold)
    if kind == xlrd.XL_CELL_BOOLEAN:
        return Cell("TRUE" if value else "FALSE", is_value=True, is_bold=is_bold)
    if kind == xlrd.XL_CELL_ERROR:
        return Cell(ERRORS.get(value, "#N/A"), is_value=True, is_bold=is_bold)
    return number_cell(value, look(code, is_bold=is_bold), is_1904=bool(book.datemode))


def _look(book: Any, index: int) -> tuple[str, bool]:
    """Return a cell's number format, and whether it is bold."""
    if not 0 <= index < len(book.xf_list):
        return "General", False
    style = book.xf_list[index]
    form = book.format_map.get(style.format_key)
    is_bold = 0 <= style.font_index < len(book.font_list) and bool(book.font_list[style.font_index].bold)
    return _code(style.format_key, (form and form.format_str) or "General"), is_bold


def _code(key: int, code: str) -> str:
    """Return a format's code, ours where the standard leaves its look to the reader's country."""
    return BUILTIN.get(key, code) if key in LOCAL else code
