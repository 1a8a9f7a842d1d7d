from __future__ import annotations

import pytest

from rag.load.office.numbered import Level, Write, chinese, circled, formal, letters, next_label, roman, stems


@pytest.mark.parametrize(
    ("write", "shown"),
    [
        (letters, {1: "a", 28: "bb", 261: "261"}),
        (roman, {4: "iv", 39: "xxxix", 40: "40"}),
        (chinese, {10: "十", 11: "十一", 20: "二十", 99: "九十九", 100: "100"}),
        (formal, {2: "贰", 10: "壹拾", 12: "壹拾贰", 21: "贰拾壹"}),
        (circled, {0: "0", 1: "①", 20: "⑳", 21: "21"}),
        (stems, {1: "甲", 10: "癸", 11: "11"}),
    ],
)
def test_numbers_are_written_as_the_list_says(write: Write, shown: dict[int, str]) -> None:
    assert {number: write(number) for number in shown} == shown


def test_deeper_levels_begin_anew_and_a_level_above_counts_from_its_start() -> None:
    levels = {0: Level(parts=("", "1", "."), start=3), 1: Level(parts=("", "1", ".", "2", ""), write=letters)}
    counts: dict[int, int] = {}
    assert [next_label(levels, counts, at) for at in (1, 0, 1, 1, 0, 1)] == [
        "3.a",
        "3.",
        "3.a",
        "3.b",
        "4.",
        "4.a",
    ]
