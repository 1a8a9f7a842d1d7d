"""The value of a number is the same however either language writes it."""

from __future__ import annotations

import pytest

from rag.quantities import claimed_across, numbers, told_across


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("twenty-seven days, or 27.0", {"27"}),
        ("年假有十九天。", {"19"}),
        ("1,700 metres", {"1700"}),
        ("十分好，万一没有", set()),
        ("三百四十册古籍，二十四种报纸", {"340", "24"}),
        ("two hundred and fifty books in a hundred crates", {"250", "100"}),
        ("three hundred thousand people", {"300000"}),
        ("押金一千二", {"1200"}),
        ("between two hundred and three thousand", {"200", "3000"}),
        ("between five hundred and six hundred pounds", {"500", "600"}),
        ("half a million people", set()),
        ("分机是801，802，803。", {"801", "802", "803"}),
    ],
)
def test_a_number_is_its_value(text: str, values: set[str]) -> None:
    assert set(numbers(text)) == values


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("1995年11月28日", "On November 28, 1995, it was signed."),
        ("It was signed on November 28, 1995.", "1995年11月28日签署。"),
        ("19世纪70年代", "in the late 1870s"),
        ("二十世纪六十年代", "during the 1960s"),
        ("60年代", "during the 1960s"),
        ("in the 1960s", "二十世纪六十年代"),
        ("1亿3000万人", "130 million people"),
        ("1.2 billion", "十二亿"),
        ("5.7万美元", "$57,000"),
        ("two million", "二百万人"),
        ("3.5 million", "350万"),
        ("百分之三十", "some 30% of the city"),
        ("30%", "占百分之三十的人口"),
        ("四十二公斤", "42 kg of leaves"),
        ("19世纪末", "late in the nineteenth century"),
        ("第三名", "finished third"),
        ("in 1910", "于一九一〇年"),
        ("5月4日", "on 4 May"),
        ("three hundred thousand", "三十万人"),
        ("3.5%", "百分之三点五"),
        ("more than a thousand people", "上千人参加了游行"),
        ("The extensions are 801, 802 and 803.", "分机是801，802，803。"),
        ("上午九点一位老师", "at nine, by one teacher"),
    ],
)
def test_what_one_language_claims_the_other_tells(said: str, told: str) -> None:
    assert set(claimed_across(said)) - {"1"} != set()
    assert set(claimed_across(said)) <= set(told_across(told))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("1995年12月28日", "On November 28, 1995, it was signed."),
        ("18世纪70年代", "in the late 1870s"),
        ("1300万人", "130 million people"),
        ("1.2 billion", "一亿二千万"),
        ("57万美元", "$57,000"),
        ("四十二公斤", "24 kg of leaves"),
    ],
)
def test_another_value_is_not_told(said: str, told: str) -> None:
    assert not set(claimed_across(said)) <= set(told_across(told))


@pytest.mark.parametrize("text", ["一" * 9999, "十" * 9999, "一十" * 5000, "two hundred and " * 2000])
def test_endless_numerals_break_nothing(text: str) -> None:
    assert [*numbers(text), *claimed_across(text), *told_across(text)]


def test_may_and_march_are_months_beside_a_number_only() -> None:
    assert set(claimed_across("They may march.")) == set()
    assert set(claimed_across("in May 1990")) == {"5", "1990"}
