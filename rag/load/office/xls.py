"""Excel workbooks of before 2007 (.xls, MS-XLS), read by xlrd with their number formats."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any, Final

import xlrd

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.office.encrypted import decrypted, is_encrypted
from rag.load.office.number_format import BUILTIN, formatter, is_date
from rag.load.office.sheet_tables import Cell, Merge, Row, Sheet
from rag.load.office.sheets import Allowance, column_letters, hidden_note, sheet_content
from rag.load.office.xlsx_parts import DATE_1904, said
from rag.load.source import Source

ERRORS: Final = xlrd.error_text_from_code
DAMAGES: Final = (AssertionError, IndexError, KeyError, TypeError, ValueError, struct.error)
LOCAL: Final = frozenset({14, 22})  # numbers of formats


def read_xls(source: Source) -> Content:
    """Read every sheet as a page below its name.

    Raises:
        LoadError: when the file is damaged, or encrypted with a password that isn't known.
    """
    data = decrypted(source) if is_encrypted(source.data) else source.data
    book = _opened(data)
    builder = ContentBuilder()
    allowance = Allowance()
    for number in range(book.nsheets):
        try:
            sheet = book.sheet_by_index(number)
            content = sheet_content(_sheet(book, sheet, allowance), below=(_comments(sheet),))
        except (xlrd.XLRDError, *DAMAGES):
            builder.note(f'the sheet "{book.sheet_names()[number]}" is damaged and could not be read')
            continue
        builder.add_page(number + 1, content, unit="sheet")
        if sheet.visibility and content.text:
            builder.note(hidden_note(sheet.name))
        book.unload_sheet(number)
    for sentence in allowance.notes:
        builder.note(sentence)
    return builder.build()


def _opened(data: bytes) -> Any:
    try:
        return xlrd.open_workbook(
            file_contents=data, formatting_info=True, on_demand=True, logfile=io.StringIO()
        )
    except (xlrd.XLRDError, xlrd.compdoc.CompDocError, *DAMAGES) as exc:
        raise LoadError("the Excel workbook is damaged: its structure cannot be read") from exc


def _sheet(book: Any, sheet: Any, allowance: Allowance) -> Sheet:
    rows: list[Row] = []
    for at in range(sheet.nrows):
        cells = _cells(book, sheet.row(at))
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


def _merges(ranges: Sequence[tuple[int, int, int, int]]) -> list[Merge]:
    """Return xlrd's half-open ranges (first row, row after, first column, column after) as ours."""
    return [(top + 1, left, bottom, right - 1) for top, bottom, left, right in ranges]


def _cells(book: Any, row: Sequence[Any]) -> dict[int, Cell]:
    cells = {}
    for column, found in enumerate(row):
        if found.ctype not in {xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK}:
            cell = _cell(book, found)
            if cell.text.strip():
                cells[column] = cell
    return cells


def _cell(book: Any, found: Any) -> Cell:
    code, is_bold = _look(book, found.xf_index)
    if found.ctype == xlrd.XL_CELL_TEXT:
        return Cell(found.value, is_bold=is_bold)
    if found.ctype == xlrd.XL_CELL_BOOLEAN:
        return Cell("TRUE" if found.value else "FALSE", is_value=True, is_bold=is_bold)
    if found.ctype == xlrd.XL_CELL_ERROR:
        return Cell(ERRORS.get(found.value, "#N/A"), is_value=True, is_bold=is_bold)
    value = found.value + (DATE_1904 if book.datemode and is_date(code) else 0)
    try:
        return Cell(formatter(code)(value), is_value=True, is_bold=is_bold)
    except (ValueError, OverflowError):
        return Cell(str(found.value), is_value=True, is_bold=is_bold)


def _look(book: Any, index: int | None) -> tuple[str, bool]:
    """Return a cell's number format, and whether it is bold."""
    if index is None or not 0 <= index < len(book.xf_list):
        return "General", False
    style = book.xf_list[index]
    form = book.format_map.get(style.format_key)
    is_bold = 0 <= style.font_index < len(book.font_list) and bool(book.font_list[style.font_index].bold)
    return _code(style.format_key, form.format_str if form else "General"), is_bold


def _code(key: int, code: str) -> str:
    """Return a format's code, ours where the standard leaves its look to the reader's country."""
    return BUILTIN.get(key, code) if key in LOCAL else code
