from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise, product

import pytest

from rag.load.content import Content
from rag.load.pages.pdf import read_pdf
from rag.load.source import Source
from tests.minimal_pdf import Placed, minimal_pdf

XS = [50, 150, 300, 450]


def line(x: float, y: float, other_x: float, other_y: float) -> str:
    return f"{x} {y} m {other_x} {other_y} l S "


def grid(xs: Sequence[float], ys: Sequence[float]) -> str:
    across = (line(xs[0], y, xs[-1], y) for y in ys)
    upright = (line(x, ys[0], x, ys[-1]) for x in xs)
    return "".join([*across, *upright])


def placed(rows: Sequence[Sequence[str]], *, xs: Sequence[float] = XS, step: float = 30) -> list[Placed]:
    """Place the cells of rows that are `step` high; newlines wrap."""
    return [
        (xs[x] + 4, 690 - step * y - 12 * at, text)
        for y, row in enumerate(rows)
        for x, cell in enumerate(row)
        for at, text in enumerate(cell.split("\n"))
    ]


def content_of(lines: Sequence[Placed], drawn: str, *, page: str = "") -> Content:
    return read_pdf(Source(data=minimal_pdf([lines], drawn=drawn, page=page)))


KEEPERS = [
    ["Station", "Keeper", "Remark"],
    ["North Quay", "Alma Voss", "opens the lantern room\nevery evening"],
    ["South Quay", "Ben Aldous\nEva Lind", "两位看守人轮流值班，\n每月一换"],
]
TOLD = [
    "Station: North Quay; Keeper: Alma Voss; Remark: opens the lantern room every evening",
    "Station: South Quay; Keeper: Ben Aldous Eva Lind; Remark: 两位看守人轮流值班，每月一换",
]


def test_rows_of_a_ruled_table_name_their_columns_and_hold_their_wrapped_cells() -> None:
    drawn = grid(XS, [702, 672, 642, 612])
    assert content_of(placed(KEEPERS), drawn).text.split("\n") == TOLD


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_ruled_table_on_a_turned_page_is_read_alike(turn: int) -> None:
    drawn = grid(XS, [702, 672, 642, 612])
    assert content_of(placed(KEEPERS), drawn, page=f"/Rotate {turn}").text.split("\n") == TOLD


def test_the_fields_of_a_form_are_told_beside_their_labels() -> None:
    rows = [["Name:", "Ada", "Age:", "36"], ["City:", "London", "Job:", "cook"]]
    xs = [50, 150, 250, 350, 450]
    assert content_of(placed(rows, xs=xs), grid(xs, [702, 672, 642])).text.split("\n") == [
        "Name: Ada; Age: 36",
        "City: London; Job: cook",
    ]


def test_a_table_open_at_its_sides_is_one_too() -> None:
    across = "".join(line(50, y, 450, y) for y in (702, 672, 642, 612))
    upright = "".join(line(x, 702, x, 612) for x in (150, 300))
    assert content_of(placed(KEEPERS), across + upright).text.split("\n") == TOLD


def test_filled_fields_rule_as_lines_do() -> None:
    fields = "".join(
        f"0.9 g {left} {bottom} {right - left} 30 re f 0 g "
        for (left, right), bottom in product(pairwise(XS), (672, 642, 612))
    )
    assert content_of(placed(KEEPERS), fields).text.split("\n") == TOLD


def test_a_rule_parts_words_that_all_but_touch() -> None:
    lines: list[Placed] = [(60, 690, "Alpha"), (86, 690, "Beta"), (60, 660, "Gamma"), (86, 660, "Delta")]
    text = content_of(lines, grid([50, 85.5, 130], [702, 672, 642])).text
    assert text == "Alpha: Beta\nGamma: Delta"


def test_rows_without_a_rule_between_them_are_parted_by_their_lines() -> None:
    rows = [
        ["Station", "Keeper", "Lamp"],
        ["North\nSouth\nWest\nEast", "Alma\nBen\nEva\nDora", "arc\noil\ngas\narc"],
    ]
    drawn = grid(XS, [702, 672, 612])
    assert content_of(placed(rows), drawn).text.split("\n") == [
        "Station: North; Keeper: Alma; Lamp: arc",
        "Station: South; Keeper: Ben; Lamp: oil",
        "Station: West; Keeper: Eva; Lamp: gas",
        "Station: East; Keeper: Dora; Lamp: arc",
    ]


def test_a_name_over_two_columns_is_told_in_both_and_a_value_over_two_rows_too() -> None:
    rows = [["Station", "Oil used", ""], ["", "in June", "in July"], ["North", "12", "14"], ["", "13", "15"]]
    drawn = (
        "".join(line(50, y, 450, y) for y in (702, 642, 582))
        + line(150, 672, 450, 672)
        + line(150, 612, 450, 612)
        + "".join(line(x, 702, x, 582) for x in (50, 150, 450))
        + line(300, 672, 300, 582)
    )
    assert content_of(placed(rows), drawn).text.split("\n") == [
        "Station: North; Oil used in June: 12; Oil used in July: 14",
        "Station: North; Oil used in June: 13; Oil used in July: 15",
    ]


def test_a_box_to_tick_within_a_field_parts_no_row() -> None:
    rows = [["Name", "Alma Voss"], ["Trained", "x yes"], ["Station", "North Quay"]]
    drawn = grid([50, 150, 450], [702, 672, 642, 612]) + "152 642 m 152 655 l 161 655 l 161 642 l S "
    assert content_of(placed(rows), drawn).text == "Name: Alma Voss\nTrained: x yes\nStation: North Quay"


def test_a_row_as_wide_as_its_table_titles_what_follows() -> None:
    rows = [["Lamps of the northern coast"], *KEEPERS]
    drawn = grid([50, 450], [702, 672]) + grid(XS, [672, 642, 612, 582])
    assert content_of(placed(rows), drawn).text.split("\n") == ["Lamps of the northern coast", "", *TOLD]


def test_boxes_that_lines_link_are_no_table() -> None:
    boxes = [(50, 640), (250, 640), (50, 500), (250, 500)]
    drawn = "".join(f"{x} {y} 100 40 re S " for x, y in boxes)
    drawn += (
        line(150, 660, 250, 660)
        + line(150, 520, 250, 520)
        + line(100, 640, 100, 540)
        + line(300, 640, 300, 540)
    )
    lines: list[Placed] = [(x + 10, y + 15, f"State {at}") for at, (x, y) in enumerate(boxes)]
    assert content_of(lines, drawn).text.replace("\n\n", "\n") == "State 0\tState 1\nState 2\tState 3"


def test_columns_of_prose_between_rules_are_no_table() -> None:
    sides = [[f"The {side} side tells of lamp {at} and" for at in range(70)] for side in ("left", "right")]
    lines: list[Placed] = [
        (60 + 260 * x, 800 - 11 * y, text) for x, side in enumerate(sides) for y, text in enumerate(side)
    ]
    text = content_of(lines, grid([50, 305, 560], [815, 20, 10])).text
    assert text.index("left side tells of lamp 69") < text.index("right side tells of lamp 0")


def test_a_table_in_one_column_does_not_cut_the_other() -> None:
    left = placed(KEEPERS, xs=[50, 120, 190]) + [
        (50, 580 - 12 * at, f"left text that goes on here {at}") for at in range(6)
    ]
    right: list[Placed] = [(340, 690 - 12 * at, f"right text that goes on there {at}") for at in range(15)]
    text = content_of([*left, *right], grid([50, 120, 190, 320], [702, 672, 642, 612])).text
    assert text.index("South Quay") < text.index("left text that goes on here 0") < text.index("right text")
    assert text.index("left text that goes on here 5") < text.index("right text that goes on there 0")


def test_a_page_of_countless_rules_is_read_in_time() -> None:
    drawn = "".join(line(x, 10, x, 800) + line(10, x, 590, x) for x in (10 + at / 3 for at in range(1700)))
    started = time.monotonic()
    assert content_of([(50, 700, "Lamp")], drawn).text == "Lamp"
    assert time.monotonic() - started < 10
