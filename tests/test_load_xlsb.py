from __future__ import annotations

import io
import struct
import zipfile

from rag.load import read
from rag.load.source import Source


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
