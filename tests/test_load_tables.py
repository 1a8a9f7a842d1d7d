from __future__ import annotations

import pytest

from rag.load.tables import Covered, looks_like_header, whole_table_text


def told(*rows: str) -> str:
    cells = [row.split("|") for row in rows]
    return whole_table_text(cells, header=looks_like_header(cells))


def test_each_value_stands_beside_the_name_of_its_column() -> None:
    assert told("Name|City", "Ada|London", "李白|长安") == "Name: Ada; City: London\nName: 李白; City: 长安"


@pytest.mark.parametrize(
    ("one", "two"), [("2023", "2024"), ("FY2023", "2024 (plan)"), ("2023年", "Q1"), ("1月", "12月")]
)
def test_a_year_or_a_quarter_above_figures_names_its_column(one: str, two: str) -> None:
    want = f"Item: Tea; {one}: 1,200; {two}: 3%\nItem: Milk; {one}: 7; {two}: n/a"
    assert told(f"Item|{one}|{two}", "Tea|1,200|3%", "Milk|7|n/a") == want


def test_the_mark_of_a_note_does_not_make_a_name_a_value() -> None:
    assert told("Item|Price[1]", "Tea|3") == "Item: Tea; Price[1]: 3"


def test_the_corner_above_the_names_of_rows_may_be_empty() -> None:
    assert told("|2023|2024", "Tea|1|2") == "Tea; 2023: 1; 2024: 2"


@pytest.mark.parametrize(
    "rows",
    [
        ("Apollo|1969|Moon", "Voyager|1977|Jupiter"),  # years below, too
        ("1|Tea|hot", "2|Milk|cold"),
        ("Tea|3.50|2,023 pieces", "Milk|1.20|4 pieces"),
    ],
)
def test_a_first_row_of_values_names_nothing(rows: tuple[str, ...]) -> None:
    assert told(*rows) == "\n".join(row.replace("|", " | ") for row in rows)


def test_a_list_of_names_and_values_may_begin_with_a_year() -> None:
    assert told("Founded|1998", "Employees|300") == "Founded: 1998\nEmployees: 300"


def test_a_name_without_any_value_below_it_is_not_lost() -> None:
    assert told("Name|Signature|Date", "Ada||", "Bob||") == "Name | Signature | Date\nName: Ada\nName: Bob"


def test_equal_values_side_by_side_are_all_told() -> None:
    assert told("1|0|0|0", "2|0|0|7") == "1 | 0 | 0 | 0\n2 | 0 | 0 | 7"
    assert told("a|b|c", "5|5|5") == "a: 5; b: 5; c: 5"


def test_a_merged_cell_is_told_once_below_one_name_and_once_across_the_table() -> None:
    header = ["Name", "Price", Covered("Price")]
    rows = [header, ["Tea", "3", Covered("3")], ["Hot", Covered("Hot"), Covered("Hot")], ["Milk", "1", "2"]]
    assert whole_table_text(rows, header=True) == ("Name: Tea; Price: 3\nHot\nName: Milk; Price: 1; Price: 2")
    assert whole_table_text([["Title", Covered("Title"), "x"], ["a", "a", "b"]], header=False) == (
        "Title: x\na | a | b"
    )


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (("姓名：|张三|性别：|男", "生日：|5月|民族：|汉"), ("姓名: 张三; 性别: 男", "生日: 5月; 民族: 汉")),
        (("Name:|Ada", "City:|London"), ("Name: Ada", "City: London")),
        (("Field|Value", "Name:|Ada", "City:|London"), ("Field: Value", "Name: Ada", "City: London")),
        (("Name:||Age:|36", "City:|London||"), ("Name:; Age: 36", "City: London")),
        (("Self|Name:|Ada|Age:|36", "|City:|Rome|Job:|"), ("Self; Name: Ada; Age: 36", "City: Rome; Job:")),
        (("Name:||Age:|", "Name:|Ada|Age:|"), ("Name: | Age:", "Name: Ada; Age:")),
    ],
)
def test_the_rows_of_a_form_tell_each_value_beside_its_label(
    rows: tuple[str, ...], lines: tuple[str, ...]
) -> None:
    assert told(*rows) == "\n".join(lines)


def test_a_form_has_no_header_though_its_first_row_be_marked_as_one() -> None:
    form = [["Name:", "Ada", "Age:", "36"], ["City:", "London", "Job:", "-"]]
    assert whole_table_text(form, header=True) == "Name: Ada; Age: 36\nCity: London; Job: -"
    assert whole_table_text([["Name:", "Ada"], ["Age:", "36"]], header=True) == "Name: Ada\nAge: 36"


def test_names_of_columns_may_end_in_colons() -> None:
    assert told("Name:|Age:|City:", "Ada|36|London") == "Name: Ada; Age: 36; City: London"
    assert told("Year:|2023|2024", "Tea|5|7") == "Year: Tea; 2023: 5; 2024: 7"
    assert whole_table_text([["Item:", "Price"], ["Tea", "3"]], header=True) == "Item: Tea; Price: 3"
    marked = [["Item:", "Qty", "Price:", "Sum"], ["Bolt", "1", "2", "3"]]
    assert whole_table_text(marked, header=True) == "Item: Bolt; Qty: 1; Price: 2; Sum: 3"


def test_a_row_of_a_form_below_a_table_is_told_by_its_own_labels() -> None:
    assert told("Item|Price|Left|Sold", "Tea|3|4|5", "Made:|Ada|Seen:|") == (
        "Item: Tea; Price: 3; Left: 4; Sold: 5\nMade: Ada; Seen:"
    )
    assert told("id|c|s|n", "12|Fix:|open|Todo:") == "id: 12; c: Fix:; s: open; n: Todo:"
    assert told("c|s|n", "a|b|c", "Fix:|open|Todo:").endswith("\nc: Fix:; s: open; n: Todo:")
    assert told("Item|Price|Left", "Total:||4").endswith("Item: Total:; Left: 4")
