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
