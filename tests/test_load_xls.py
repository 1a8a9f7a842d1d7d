from __future__ import annotations

import io
import os
import stat
import struct
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import xlwt

from rag.errors import LoadError
from rag.load.office import libreoffice
from rag.load.office.xls import read_xls
from rag.load.office.xls_drawings import drawn_texts
from rag.load.source import Source


@pytest.fixture
def no_libreoffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libreoffice, "PROGRAMS", ("no-such-program",))


def test_an_old_workbook_looks_the_same() -> None:
    workbook = xlwt.Workbook(encoding="utf-8")
    sheet = workbook.add_sheet("数据")
    percent = xlwt.easyxf(num_format_str="0.0%")
    day = xlwt.easyxf(num_format_str='yyyy"年"m"月"d"日"')
    for column, name in enumerate(("Name", "Share", "Day")):
        sheet.write(0, column, name)
    for at, row in enumerate([("Ada", 0.125, date(2024, 2, 29)), ("李白", 0.5, date(2024, 3, 1))], start=1):
        for column, (value, style) in enumerate(
            zip(row, (xlwt.Style.default_style, percent, day), strict=True)
        ):
            sheet.write(at, column, value, style)
    buffer = io.BytesIO()
    workbook.save(buffer)
    content = read_xls(Source(data=buffer.getvalue()))
    assert content.text == (
        "数据\n\nName: Ada; Share: 12.5%; Day: 2024年2月29日\nName: 李白; Share: 50.0%; Day: 2024年3月1日"
    )
    assert [region.cells for region in content.regions] == ["A2:C2", "A3:C3"]


def test_a_damaged_old_workbook_is_refused(no_libreoffice: None) -> None:
    with pytest.raises(LoadError, match="damaged"):
        read_xls(Source(data=b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600))


def miscounted() -> Source:
    """Return a workbook that tells of more merged ranges than it has: xlrd cannot read it."""
    workbook = xlwt.Workbook()
    workbook.add_sheet("Data").write_merge(0, 0, 0, 1, "over two")
    buffer = io.BytesIO()
    workbook.save(buffer)
    merged = struct.pack("<HHH", 0xE5, 10, 1)
    assert buffer.getvalue().count(merged) == 1
    return Source(data=buffer.getvalue().replace(merged, struct.pack("<HHH", 0xE5, 10, 9)), name="book.xls")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
def test_what_xlrd_cannot_read_goes_through_libreoffice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["made by LibreOffice"])
    workbook.save(tmp_path / "made.xlsx")
    stand_in = tmp_path / "soffice"
    stand_in.write_text(
        f'#!/bin/sh\nfor last; do :; done\ncp {tmp_path}/made.xlsx "${{last%.xls}}.xlsx"\n', encoding="utf-8"
    )
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(libreoffice, "PROGRAMS", (str(stand_in),))
    assert read_xls(miscounted()).text == "Sheet\n\nmade by LibreOffice"


def test_what_xlrd_cannot_read_is_refused_without_libreoffice(no_libreoffice: None) -> None:
    with pytest.raises(LoadError, match="the Excel workbook is damaged: its structure cannot be read"):
        read_xls(miscounted())


def biff(number: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", number, len(data)) + data


def box(length: int) -> bytes:
    return biff(0x1B6, bytes(10) + struct.pack("<H", length) + bytes(6))


def test_text_boxes_and_charts_of_an_old_sheet_are_read() -> None:
    stream = b"before" + biff(0x809) + box(11) + biff(0x3C, b"\0Harb") + biff(0x3C, b"\0our log")
    stream += box(2) + biff(0x3C, b"\1" + "灯塔".encode("utf-16-le")) + biff(0x3C, bytes(16))
    stream += biff(0x809) + biff(0x100D, b"\0\0\5\0Sales") + biff(0x0A)
    stream += box(0) + biff(0x0A) + biff(0x809) + biff(0x100D, b"\0\0\4\0next")
    assert list(drawn_texts(stream, len(b"before"))) == ["Harbour log", "灯塔", "Sales"]
