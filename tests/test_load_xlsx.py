from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import openpyxl
import pytest
import xlwt
from openpyxl.comments import Comment
from openpyxl.styles import Font

from rag.errors import LoadError
from rag.load import read
from rag.load.content import Content
from rag.load.office import sheets
from rag.load.office.xls import read_xls
from rag.load.office.xlsx import read_xlsx
from rag.load.source import Budget, Source


def source_of(build: Callable[[Any], object]) -> Source:
    workbook = openpyxl.Workbook()
    build(workbook)
    buffer = io.BytesIO()
    workbook.save(buffer)
    return Source(data=buffer.getvalue(), name="book.xlsx")


def written(*rows: list[Any]) -> Content:
    def build(workbook: Any) -> None:
        workbook.active.title = "Data"
        for row in rows:
            workbook.active.append(row)

    return read_xlsx(source_of(build))


def placed(content: Content) -> list[tuple[str, str]]:
    return [(region.cells, content.text[region.start : region.end]) for region in content.regions]


def with_part(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, change(old.read(member)) if member == name else old.read(member))
    return buffer.getvalue()


def test_every_value_stands_beside_the_name_of_its_column_and_knows_its_cells() -> None:
    content = written(["Name", "City", "Age"], ["Ada", "London", 36], ["李白", "长安", None])
    assert content.text == "Data\n\nName: Ada; City: London; Age: 36\nName: 李白; City: 长安"
    assert placed(content) == [
        ("A2:C2", "Name: Ada; City: London; Age: 36"),
        ("A3:B3", "Name: 李白; City: 长安"),
    ]
    assert [heading.title for heading in content.headings] == ["Data"]


def test_each_sheet_is_a_page_and_a_hidden_one_is_told() -> None:
    def build(workbook: Any) -> None:
        workbook.active.title = "First"
        workbook.active.append(["one"])
        workbook.create_sheet("Empty")
        hidden = workbook.create_sheet("Secret")
        hidden.append(["two"])
        hidden.sheet_state = "hidden"

    content = read_xlsx(source_of(build))
    assert [(page.number, page.unit) for page in content.pages] == [(1, "sheet"), (3, "sheet")]
    assert content.text == "First\n\none\n\nSecret\n\ntwo"
    assert content.notes == ('the sheet "Secret" is hidden in the workbook; it was read like the others',)


def test_numbers_and_dates_are_shown_as_a_person_sees_them() -> None:
    def build(workbook: Any) -> None:
        sheet = workbook.active
        sheet.append(["Day", "Share", "Price", "Paid"])
        sheet.append([date(2024, 2, 29), 0.125, 1234.5, True])
        sheet["A2"].number_format = 'yyyy"年"m"月"d"日"'
        sheet["B2"].number_format = "0.0%"
        sheet["C2"].number_format = '"¥"#,##0.00'

    text = read_xlsx(source_of(build)).text
    assert text.endswith("Day: 2024年2月29日; Share: 12.5%; Price: ¥1,234.50; Paid: TRUE")


def test_dates_of_the_other_epoch_are_the_same_days() -> None:
    def build(workbook: Any) -> None:
        workbook.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
        workbook.active.append(["Day", "Count"])
        workbook.active.append([date(2024, 2, 29), 3])

    assert read_xlsx(source_of(build)).text.endswith("Day: 2024-02-29; Count: 3")


def test_merged_cells_stand_in_each_row_and_merged_names_over_each_column() -> None:
    def build(workbook: Any) -> None:
        sheet = workbook.active
        sheet.append(["Region", "2023", None, "2024", None])
        sheet.append([None, "Sold", "Lost", "Sold", "Lost"])
        sheet.append(["North", 1, 2, 3, 4])
        sheet.append([None, 5, 6, 7, 8])
        for merge in ("A1:A2", "B1:C1", "D1:E1", "A3:A4"):
            sheet.merge_cells(merge)

    assert [text for _, text in placed(read_xlsx(source_of(build)))] == [
        "Region: North; 2023 Sold: 1; 2023 Lost: 2; 2024 Sold: 3; 2024 Lost: 4",
        "Region: North; 2023 Sold: 5; 2023 Lost: 6; 2024 Sold: 7; 2024 Lost: 8",
    ]


def test_a_name_without_any_value_below_it_is_not_lost() -> None:
    content = written(["Name", "Qty", "Signature"], ["Ada", 3], ["Bob", 4])
    assert content.text == "Data\n\nName | Qty | Signature\nName: Ada; Qty: 3\nName: Bob; Qty: 4"
    assert [cells for cells, _ in placed(content)] == ["A2:B2", "A3:B3"]


def test_titles_and_remarks_stand_around_a_table() -> None:
    content = written(
        ["Sales report"], ["Item", "Qty"], ["Tea", 3], ["Coffee", 4], [], ["Source: the ledger"]
    )
    assert content.text == (
        "Data\n\nSales report\nItem: Tea; Qty: 3\nItem: Coffee; Qty: 4\n\nSource: the ledger"
    )


def test_a_table_goes_on_after_an_empty_row() -> None:
    content = written(["Item", "Qty"], ["Tea", 3], [], [None, None], ["Coffee", 4])
    assert content.text == "Data\n\nItem: Tea; Qty: 3\n\nItem: Coffee; Qty: 4"


def test_tables_side_by_side_are_read_one_after_the_other() -> None:
    content = written(
        ["Item", "Qty", None, "Town", "People"],
        ["Tea", 3, None, "Bath", 94],
        ["Coffee", 4, None, None, None],
    )
    assert [cells for cells, _ in placed(content)] == ["A2:B2", "A3:B3", "D2:E2"]
    assert content.text.endswith("Item: Tea; Qty: 3\nItem: Coffee; Qty: 4\n\nTown: Bath; People: 94")


def test_a_list_of_names_and_values_has_no_header() -> None:
    content = written(["Author", "Ada"], ["Pages", 36], ["Title", "On engines"])
    assert content.text == "Data\n\nAuthor: Ada\nPages: 36\nTitle: On engines"


def test_bold_names_and_declared_tables_are_headers() -> None:
    def bold(workbook: Any) -> None:
        workbook.active.append(["Tea", "Hot"])
        workbook.active.append(["Cola", "Cold"])
        for cell in workbook.active[1]:
            cell.font = Font(bold=True)

    def declared(workbook: Any) -> None:
        workbook.active.append(["Q1", "Q2"])
        workbook.active.append([3, 4])
        workbook.active.auto_filter.ref = "A1:B2"

    assert read_xlsx(source_of(bold)).text.endswith("Tea: Cola; Hot: Cold")
    assert read_xlsx(source_of(declared)).text.endswith("Q1: 3; Q2: 4")


def test_a_formula_shows_its_stored_result_and_one_without_is_told() -> None:
    source = source_of(lambda workbook: workbook.active.append(["Sum", "=1+2"]))
    content = read_xlsx(source)
    assert content.text.endswith("Sum: =1+2")
    assert content.notes[0].startswith("1 formulas have no stored result")
    stored = with_part(
        source.data,
        "xl/worksheets/sheet1.xml",
        lambda xml: (
            xml.replace(b"<v></v>", b"<v>3</v>").replace(b"<v />", b"<v>3</v>").replace(b"<v/>", b"<v>3</v>")
        ),
    )
    assert read_xlsx(Source(data=stored)).text.endswith("Sum: 3")


def test_comments_know_their_cell_and_author() -> None:
    def build(workbook: Any) -> None:
        workbook.active.append(["Tea", 3])
        workbook.active["B1"].comment = Comment("Count again", "Bo")

    assert ("B1", "B1: Comment by Bo: Count again") in placed(read_xlsx(source_of(build)))


def test_a_huge_workbook_is_cut_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_CELLS", 100)
    content = written(*([number, number] for number in range(1000)))
    assert len(content.regions) == 50
    assert content.notes == ('the sheet "Data" is left out after row 50: of one workbook 100 cells are read',)


def test_a_workbook_of_just_as_many_cells_as_are_read_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_CELLS", 100)
    content = written(*([number, number] for number in range(50)))
    assert content.text.endswith("49: 49")
    assert not content.notes


def test_a_strict_workbook_is_read() -> None:
    source = source_of(lambda workbook: workbook.active.append(["Tea", 3]))
    old, new = (
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    )
    data = source.data
    for part in ("xl/workbook.xml", "xl/worksheets/sheet1.xml"):
        data = with_part(data, part, lambda xml: xml.replace(old, new))
    assert read_xlsx(Source(data=data)).text.endswith("Tea: 3")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    source = source_of(lambda workbook: workbook.active.append(["x" * 5000]))
    with pytest.raises(LoadError, match="unpacks to more than"):
        read_xlsx(Source(data=source.data, budget=Budget(unpacked=2000)))


def test_entities_are_not_expanded() -> None:
    source = source_of(lambda workbook: workbook.active.append(["Tea", 3]))
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    data = with_part(
        source.data,
        "xl/sharedStrings.xml",
        lambda xml: bomb + xml.replace(b"Tea", b"&b;"),
    )
    assert "ha" not in read(Source(data=data)).text


def test_a_damaged_sheet_gives_its_beginning_and_a_note() -> None:
    source = source_of(lambda workbook: [workbook.active.append([f"row {at}"]) for at in range(50)])
    data = with_part(source.data, "xl/worksheets/sheet1.xml", lambda xml: xml[: len(xml) // 2])
    content = read_xlsx(Source(data=data))
    assert "row 10" in content.text
    assert "row 49" not in content.text
    assert "is damaged" in content.notes[0]


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


def test_a_damaged_old_workbook_is_refused() -> None:
    with pytest.raises(LoadError, match="damaged"):
        read_xls(Source(data=b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600))


def record(number: int, data: bytes = b"") -> bytes:
    """Return a BIFF12 record (MS-XLSB 2.1.4)."""
    head = bytes([number]) if number < 128 else bytes([number & 0x7F | 0x80, number >> 7])
    return head + bytes([len(data)]) + data


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def binary_workbook(sheet: bytes, *, book: bytes = b"", state: int = 0, **parts: bytes) -> Source:
    """Return an .xlsb with one sheet called Data; `parts` by their kinds, such as styles."""
    entry = record(156, struct.pack("<II", state, 1) + wide("rId1") + wide("Data"))
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
    above = {kind: "" for kind in ("sharedStrings", "styles") if kind in parts}
    links = {"xl/_rels/workbook.bin.rels": {"worksheet": "worksheets/sheet1.bin"}}
    for name in parts:
        owner = "xl/_rels/workbook.bin.rels" if name in above else "xl/worksheets/_rels/sheet1.bin.rels"
        links.setdefault(owner, {})[name] = f"/xl/{name}.bin"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr(
            "xl/workbook.bin", record(131) + book + record(143) + entry + record(144) + record(132)
        )
        package.writestr("xl/worksheets/sheet1.bin", record(129) + sheet + record(130))
        for name, data in parts.items():
            package.writestr(f"xl/{name}.bin", data)
        for owner, targets in links.items():
            relations = "".join(
                f'<Relationship Id="rId{at}" Type="{kind}{name}" Target="{target}"/>'
                for at, (name, target) in enumerate(targets.items(), start=1)
            )
            about = "http://schemas.openxmlformats.org/package/2006/relationships"
            package.writestr(owner, f'<Relationships xmlns="{about}">{relations}</Relationships>')
    return Source(data=buffer.getvalue(), name="book.xlsb")


def binary_row(number: int, *cells: bytes) -> bytes:
    return record(0, struct.pack("<II", number, 0) + bytes(9)) + b"".join(cells)


def binary_cell(kind: int, column: int, value: bytes, style: int = 0) -> bytes:
    return record(kind, struct.pack("<II", column, style) + value)


def test_a_binary_workbook_is_read() -> None:
    rows = binary_row(0, binary_cell(6, 0, wide("Item")), binary_cell(6, 1, wide("Qty")))
    rows += binary_row(1, binary_cell(6, 0, wide("Tea")), binary_cell(5, 1, struct.pack("<d", 3.5)))
    rows += binary_row(2, binary_cell(6, 0, wide("Coffee")), binary_cell(5, 1, struct.pack("<d", 4.0)))
    content = read(binary_workbook(rows, state=1))
    assert content.text == "Data\n\nItem: Tea; Qty: 3.5\nItem: Coffee; Qty: 4"
    assert [region.cells for region in content.regions] == ["A2:B2", "A3:B3"]
    assert content.notes == ('the sheet "Data" is hidden in the workbook; it was read like the others',)


def test_a_binary_workbook_shows_its_cells_as_an_xlsx_does() -> None:
    font = record(43, struct.pack("<HHH", 220, 0, 400) + bytes(15))
    styles = font + record(44, struct.pack("<H", 164) + wide("yyyy-mm-dd")) + record(617)
    styles += b"".join(record(47, struct.pack("<3H", 0, form, 0) + bytes(10)) for form in (0, 164, 10, 4))
    strings = record(19, b"\0" + wide("Day")) + record(19, b"\0" + wide("比例"))
    header = binary_row(
        0,
        binary_cell(7, 0, struct.pack("<I", 0)),
        binary_cell(7, 1, struct.pack("<I", 1)),
        binary_cell(8, 2, wide("Sum")),
        binary_cell(6, 3, wide("Paid")),
        binary_cell(62, 4, b"\0" + wide("Rest")),
    )
    values = binary_row(
        1,
        binary_cell(2, 0, struct.pack("<I", 43831 - 1462 << 2 | 2), style=1),  # whole number
        binary_cell(5, 1, struct.pack("<d", 0.125), style=2),
        binary_cell(2, 2, struct.pack("<I", 123456 << 2 | 3), style=3),  # in hundredths
        binary_cell(4, 3, b"\1"),
        record(14, struct.pack("<I", 0) + b"\x07"),  # right of the one before
    )
    properties = record(153, struct.pack("<III", 1, 0, 0))  # days since 1904
    source = binary_workbook(header + values, book=properties, styles=styles, sharedStrings=strings)
    assert (
        read(source).text == "Data\n\nDay: 2020-01-01; 比例: 12.50%; Sum: 1,234.56; Paid: TRUE; Rest: #DIV/0!"
    )


def test_a_binary_workbook_tells_its_comments_and_merged_names() -> None:
    comment = struct.pack("<5I", 0, 1, 1, 0, 0) + bytes(16)
    comments = record(632, wide("Ada")) + record(635, comment) + record(637, b"\1" + wide("Ada:\nsee below"))
    rows = binary_row(0, binary_cell(6, 0, wide("Tea")), binary_cell(6, 1, wide("price")))
    rows += binary_row(1, binary_cell(6, 1, wide("stock")))
    rows += record(176, struct.pack("<4I", 0, 1, 0, 0))
    content = read(binary_workbook(rows, comments=comments))
    assert content.text == "Data\n\nTea: price\nTea: stock\n\nA2: Comment by Ada: see below"


def test_a_cut_binary_sheet_gives_its_beginning_and_a_note() -> None:
    rows = b"".join(binary_row(at, binary_cell(6, 0, wide(f"row {at}"))) for at in range(3))
    content = read(binary_workbook(rows + b"\x06\x7f"))
    assert content.text == "Data\n\nrow 0\nrow 1\nrow 2"
    assert content.notes == ('the sheet "Data" is damaged: what follows the damage is missing',)


def test_merged_ranges_without_end_take_bounded_time() -> None:
    source = source_of(lambda workbook: [workbook.active.append([number]) for number in range(5000)])
    merges = b"".join(b'<mergeCell ref="B%d:C5000"/>' % at for at in range(1, 5000))
    data = with_part(
        source.data,
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b"</sheetData>", b"</sheetData><mergeCells>" + merges * 4 + b"</mergeCells>"),
    )
    assert read_xlsx(Source(data=data)).text.endswith("4999")
