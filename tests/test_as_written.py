"""Numbers of an answer are written as its passages write them, however the answer is cut into pieces."""

from __future__ import annotations

import pytest

from rag.as_written import AsWritten
from rag.prompt import language

PASSAGES = (
    "正式员工每年有十九天带薪年假，第二十四页有表。杀青锅的温度应保持在二百三十五度，三小时后停机 20 分钟。",
    "There are twenty-seven days of leave, and One of them is sold for nineteen crowns. Room 12 has five.",
)


@pytest.mark.parametrize("pieces", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("19天 [1]", "十九天 [1]"),
        ("235", "二百三十五"),
        ("235度，3小时，20分钟。", "二百三十五度，三小时，20分钟。"),
        ("27 days [1, 2]", "twenty-seven days [1, 2]"),
        ("For 19 crowns.", "For nineteen crowns."),
        ("Not 5, but 12. It is 27.", "Not five, but 12. It is twenty-seven."),
        ("19 [27]", "nineteen [27]"),
    ],
)
def test_a_number_that_is_only_spelt_out_is_spelt_as_there(said: str, shown: str, pieces: int) -> None:
    stage = AsWritten(PASSAGES, "zh" if language(said) == "zh" or said == "235" else "en")
    parts = [said[start : start + pieces] for start in range(0, len(said), pieces)]
    assert "".join(map(stage.feed, parts)) + stage.flush() == shown


@pytest.mark.parametrize(
    ("passage", "said", "shown"),
    [
        ("图书馆藏有三百四十册古籍。", "340册", "三百四十册"),
        ("It holds one hundred and twenty volumes.", "120 volumes", "one hundred and twenty volumes"),
        ("押金一千二，搬走时退还。", "1200元", "1200元"),
        ("A hundred members founded the club.", "The 100 members", "The 100 members"),
    ],
)
def test_a_large_number_is_spelt_whole(passage: str, said: str, shown: str) -> None:
    stage = AsWritten([passage], language(passage))
    assert stage.feed(said) + stage.flush() == shown


@pytest.mark.parametrize(
    "said",
    [
        "2024-05-27",
        "5: a list\n19. of\n27) numbers",
        "A5 and 5kg, 5.27, 1,235, $19, 27%",
        "1 of them",
        "26 days",
    ],
)
def test_other_numbers_stay(said: str) -> None:
    stage = AsWritten(PASSAGES, "en")
    assert stage.feed(said) + stage.flush() == said


SPANS = (
    "In group 3, team 2 led. Kublai besieged it between 1268 and 1273. It was rebuilt from 1301 to 1322.",
    "Open 9–17 daily, in 1914, 18 left. | 12 | 15 | Of 1.40 to 45.2, between 5 and 10,000, 3 and 4.",
    "该馆自1921年至1950年由林月经营，每日9点到17点开放。2020年05月，1301、1322两处。",
)


@pytest.mark.parametrize("pieces", [1, 3, 100])
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("1268-1273 [1]", "between 1268 and 1273 [1]"),
        ("1301-1322.", "from 1301 to 1322."),
        ("1921-1950年 [2]", "自1921年至1950年 [2]"),
        ("1921-1950，开放", "自1921年至1950年，开放"),
    ],
)
def test_a_span_that_an_answer_begins_with_is_written_as_there(said: str, shown: str, pieces: int) -> None:
    stage = AsWritten(SPANS, "en" if language(shown) == "en" else "zh")
    parts = [said[start : start + pieces] for start in range(0, len(said), pieces)]
    assert "".join(map(stage.feed, parts)) + stage.flush() == shown


@pytest.mark.parametrize(
    "said",
    [
        *("9-17", "It was from 1268-1273", "The 1268-1273 siege", "1268-1322", "268-1273", "1268-127"),
        *("1268-1273-1301", "[1268-1273]", "3-2", "12-15", "1914-18", "40-45", "5-10", "3-4"),
        *("2020-05", "1301-1322年", "在1921-1950年间", "9-17点 open"),
    ],
)
def test_other_spans_stay(said: str) -> None:
    stage = AsWritten(SPANS, "zh" if "年" in said else "en")
    assert stage.feed(said) + stage.flush() == said


def test_nothing_is_taken_over_from_the_other_language() -> None:
    stage = AsWritten(PASSAGES[1:], "zh")
    assert stage.feed("27天") + stage.flush() == "27天"
    stage = AsWritten(SPANS, "zh")
    assert stage.feed("1268-1273年") + stage.flush() == "1268-1273年"
    stage = AsWritten(SPANS, "en")
    assert stage.feed("1921-1950") + stage.flush() == "1921-1950"
