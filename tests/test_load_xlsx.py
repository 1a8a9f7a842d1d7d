from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment
from openpyxl.styles import Font

from rag.errors import LoadError
from rag.load import read
from rag.load.content import Content
from rag.load.office import sheets
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


def test_a_form_tells_each_value_beside_its_label() -> None:
    content = written(
        ["编号：", "A-1"], ["姓名：", "张三", "性别：", "男"], ["生日：", "5月", "民族：", "汉"]
    )
    assert content.text == "Data\n\n编号: A-1\n姓名: 张三; 性别: 男\n生日: 5月; 民族: 汉"


def test_a_label_of_several_values_names_no_columns_of_the_form_it_stands_in() -> None:
    assert written(["Name:", "Ada"], ["Phone:", "1", "2"], ["Mail:", "a", "b"]).text == (
        "Data\n\nName: Ada\nPhone: | 1 | 2\nMail: | a | b"
    )
    assert written(["Name:", "Ada"], ["A", "B", "C"], ["x", "y", "z"]).text.endswith("\nA: x; B: y; C: z")


def test_rows_of_a_form_stand_above_and_below_the_names_of_a_table() -> None:
    content = written(
        ["For:", "Sales", "Date:", "May"],
        ["Item", "Qty", "Price", "Sum"],
        ["Pen", 2, 3, 6],
        ["Made:", "Ada", "Seen:"],
    )
    assert content.text == (
        "Data\n\nFor: Sales; Date: May\nItem: Pen; Qty: 2; Price: 3; Sum: 6\nMade: Ada; Seen:"
    )


def test_values_that_end_in_colons_stand_beside_the_names_of_their_columns() -> None:
    content = written(["id", "c", "s", "n"], [12, "Fix:", "open", "Todo:"])
    assert content.text == "Data\n\nid: 12; c: Fix:; s: open; n: Todo:"


def test_a_list_below_a_table_does_not_take_its_names_and_a_total_does() -> None:
    table: list[list[Any]] = [["Product", "Price", "Stock"], ["Pen", 3, 4], []]
    told = "Data\n\nProduct: Pen; Price: 3; Stock: 4\n\n"
    assert written(*table, ["Phone:", "555-1234"], ["Mail:", "a@b.c"]).text == (
        f"{told}Phone: 555-1234\nMail: a@b.c"
    )
    assert written(*table, ["Total:", None, 4]).text.endswith("Product: Total:; Stock: 4")


@pytest.mark.parametrize(("one", "two"), [(2022, 2023), ("2022", "2023"), ("Mon", "Tue")])
@pytest.mark.parametrize("values", [(1, 2), ("red", "blue")])
def test_the_corner_above_the_names_of_rows_may_be_empty(one: Any, two: Any, values: Any) -> None:
    content = written([None, one, two], ["Rev", *values], ["Cost", *values])
    told = f"{one}: {values[0]}; {two}: {values[1]}"
    assert content.text == f"Data\n\nRev; {told}\nCost; {told}"


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (["Smith", "Rome"], ["Cost", "Smith", "Paris"], "Smith: Rome\nCost | Smith | Paris"),
        (["Smith", "Rome"], [None, "Jones", "Paris"], "Smith: Rome\nJones: Paris\nTea | 3rd | best"),
        ([2000, 1950], [1, 2, 3], "2000: 1950\n1 | 2 | 3"),
    ],
)
def test_values_beside_an_empty_corner_name_nothing(first: list[Any], second: list[Any], text: str) -> None:
    rest = [["Tea", "3rd", "best"]] if "Tea" in text else []
    assert written([None, *first], second, *rest).text == f"Data\n\n{text}"


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


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([["Item:", "Price"], ["Bolt", 3]], "Item: Bolt; Price: 3"),
        (
            [["For:", "Ada", "By:", "Eve"], ["Tea", "hot", "Mug", "red"]],
            "For: Tea; Ada: hot; By: Mug; Eve: red",
        ),
        (
            [["For:", "Ada", "By:", "Eve"], ["Item", "Qty", "Price", "Sum"], ["Pen", 2, 3, 6]],
            "For: Ada; By: Eve\nItem: Pen; Qty: 2; Price: 3; Sum: 6",
        ),
    ],
)
def test_bold_names_may_end_in_colons(rows: list[list[Any]], lines: str) -> None:
    def bold(workbook: Any) -> None:
        for row in rows:
            workbook.active.append(row)
        for cell in workbook.active[1]:
            cell.font = Font(bold=True)

    assert read_xlsx(source_of(bold)).text == f"Sheet\n\n{lines}"


def test_names_that_end_in_colons_stand_above_values() -> None:
    content = written(["Item:", "Qty", "Price:", "Sum"], ["Bolt", 1, 2, 3])
    assert content.text == "Data\n\nItem: Bolt; Qty: 1; Price: 2; Sum: 3"


def test_a_formula_shows_its_stored_result_and_one_without_is_told() -> None:
    source = source_of(lambda workbook: workbook.active.append(["Sum", "=1+2"]))
    content = read_xlsx(source)
    assert content.text.endswith("Sum: =1+2")
    assert content.notes[0].startswith("1 formula has no stored result")
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


def test_merged_ranges_without_end_take_bounded_time() -> None:
    source = source_of(lambda workbook: [workbook.active.append([number]) for number in range(5000)])
    merges = b"".join(b'<mergeCell ref="B%d:C5000"/>' % at for at in range(1, 5000))
    data = with_part(
        source.data,
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b"</sheetData>", b"</sheetData><mergeCells>" + merges * 4 + b"</mergeCells>"),
    )
    assert read_xlsx(Source(data=data)).text.endswith("4999")


def test_exponents_stay_raised() -> None:
    def build(workbook: Any) -> None:
        raised = TextBlock(InlineFont(vertAlign="superscript"), "6")
        workbook.active.append([CellRichText("3.2 × 10", raised, " N")])

    assert read_xlsx(source_of(build)).text.endswith("3.2 × 10⁶ N")
