"""Binary Excel workbooks (.xlsb), read by calamine: values without number formats, dates as ISO 8601."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import python_calamine

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.office.number_format import general
from rag.load.office.sheet_tables import Cell, Row, Sheet
from rag.load.office.sheets import Allowance, hidden_note, sheet_content
from rag.load.source import Source

MIDNIGHT: Final = " 00:00:00"


def read_xlsb(source: Source) -> Content:
    """Read every sheet as a page below its name.

    Raises:
        LoadError: when the file is damaged.
    """
    builder = ContentBuilder()
    allowance = Allowance()
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(source.data))
    except python_calamine.CalamineError as exc:
        raise LoadError("the Excel workbook is damaged: its structure cannot be read") from exc
    for number, about in enumerate(workbook.sheets_metadata, start=1):
        if about.typ != python_calamine.SheetTypeEnum.WorkSheet:
            continue
        try:
            rows = _rows(about.name, workbook.get_sheet_by_name(about.name).iter_rows(), allowance)
        except python_calamine.CalamineError:
            builder.note(f'the sheet "{about.name}" is damaged and could not be read')
            continue
        content = sheet_content(Sheet(name=about.name, rows=rows))
        builder.add_page(number, content, unit="sheet")
        if about.visible != python_calamine.SheetVisibleEnum.Visible and content.text:
            builder.note(hidden_note(about.name))
    for sentence in allowance.notes:
        builder.note(sentence)
    return builder.build()


def _rows(name: str, values: Iterable[Iterable[Any]], allowance: Allowance) -> list[Row]:
    rows: list[Row] = []
    for number, row in enumerate(values, start=1):
        cells = {at: _cell(value) for at, value in enumerate(row) if str(value).strip()}
        if not allowance.take(len(cells) + 1):
            allowance.cut(name, number - 1)
            break
        if cells:
            rows.append(Row(number, cells))
    return rows


def _cell(value: str | float | bool | date | time | datetime | timedelta) -> Cell:  # noqa: FBT001 - what it is
    if isinstance(value, str):
        return Cell(value)
    if isinstance(value, bool):
        return Cell(str(value).upper(), is_value=True)
    if isinstance(value, int | float):
        return Cell(general(value), is_value=True)
    return Cell(str(value).removesuffix(MIDNIGHT), is_value=True)
