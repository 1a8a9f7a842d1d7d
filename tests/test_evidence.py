"""What a passage holds of a sentence: shared words, the best span, numbers and names that must agree."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.evidence import ENOUGH, Held, Nearness
from rag.features import features, support

LEAVE = (
    "Every member of staff has 27 days of paid leave a year. After six years this becomes 31 days. "
    "Requests go to Marit Oyelaran in Norway."
)
TEA = (
    "正式员工每年有十九天带薪年假，工龄满五年后增加到二十四天。未休完的年假最多可以保留七天。见《考勤制度》。"
)
HELD, HELD_TEA = Held(LEAVE, title="handbook.md > Leave 2024"), Held(TEA)


def test_support_is_the_share_of_words_without_small_ones_in_any_form() -> None:
    assert support("The staff has paid leaves", LEAVE) == 1.0
    assert support("Staff wear green hats", LEAVE) == pytest.approx(1 / 4)
    assert support("未休完的年假最多可以保留七天", TEA) == 1.0
    assert support("of the", LEAVE) == 0.0


def test_traditional_and_simplified_words_are_the_same() -> None:
    assert (
        features("年假可以保留") == features("年假可以保留".replace("假", "假")) == features("年假可以保留")
    )
    assert support("員工每年有帶薪年假", TEA) == support("员工每年有带薪年假", TEA)
    assert support("員工每年有帶薪年假", TEA) >= ENOUGH


def test_the_best_span_is_one_sentence_or_two_that_share_most() -> None:
    def quoted(sentence: str, held: Held) -> str:
        span = held.best_span(sentence)
        return held.text[span.start : span.end]

    assert quoted("It becomes 31 days after six years", HELD) == "After six years this becomes 31 days."
    both = "Staff have 27 days of paid leave, and 31 days after six years"
    assert quoted(both, HELD) == LEAVE[: LEAVE.index(" Requests")]
    assert quoted("未休完的可以保留七天", HELD_TEA) == "未休完的年假最多可以保留七天。"
    assert quoted("Nothing alike", HELD) == LEAVE


def test_of_equal_sentences_the_one_that_was_asked_for_is_quoted() -> None:
    text = "押金由甲方保管。物业费由甲方承担。"
    span = Held(text, asked="物业费谁交？").best_span("甲方")
    assert text[span.start : span.end] == "物业费由甲方承担。"
    span = Held(text, asked="押金在谁那里？").best_span("甲方")
    assert text[span.start : span.end] == "押金由甲方保管。"


def test_two_rows_of_a_table_hold_no_sentence_together() -> None:
    rows = "| One | Size |\n| red | small |\n| blue | large |"
    assert Held(rows).best_span("red and large").score == 0.5
    named = Held("| Model | KJ-300 | KJ-500 |\n|---|---|---|\n| Weight | 5.4 kg | 8.1 kg |")
    assert named.best_span("KJ-300 weight 5.4 kg").score == 1.0
    assert Held(rows.replace(" | ", ", ").replace("|", "")).best_span("red and large").score == 1.0


REPAIRS = Held(
    "发现漏水时先关总阀门，然后拨打四〇〇八二三电话报修，工程师在十九天内上门。It costs 27.5 crowns."
)


@pytest.mark.parametrize(
    ("sentence", "held"),
    [
        *(("四〇〇八二三", True), ("四〇〇八二三电话。", True), ("十九天", True), ("27.5 crowns.", True)),
        *(("八二三电话", False), ("四〇〇八二四", False), ("九天", False), ("27", False), ("7.5", False)),
    ],
)
def test_what_stands_there_to_the_letter_is_held_but_no_part_of_a_number(
    sentence: str, *, held: bool
) -> None:
    assert (REPAIRS.best_span(sentence).score == 1.0 and not REPAIRS.lacks(sentence)) == held


@pytest.mark.parametrize(
    ("sentence", "lacking"),
    [
        ("Staff have 27 days of leave.", ()),
        ("Staff have twenty-seven days of leave.", ()),
        ("Staff have 72 days of leave.", ("72",)),
        ("After 6 years it becomes 31.0 days.", ()),
        ("After seven years it becomes 31 days.", ("7",)),
        ("Since 2024 leave is 27 days.", ()),  # as the title says
        ("One of them is 27 days.", ()),
        ("1. Staff have 27 days.", ()),
        ("Ask Marit Oyelaran.", ()),
        ("Ask Marit Johansen.", ("Johansen",)),
        ("Ask the Norwegian office.", ()),
        ("Ask Marit's deputy.", ()),
        ("Requests go to HR.", ("HR",)),
    ],
)
def test_numbers_and_names_that_the_passage_lacks_are_told(sentence: str, lacking: tuple[str, ...]) -> None:
    assert HELD.lacks(sentence) == lacking


@pytest.mark.parametrize(
    ("sentence", "lacking"),
    [
        ("年假有十九天。", ()),
        ("年假有19天。", ()),
        ("年假有九天。", ("9",)),
        ("年假有29天。", ("29",)),
        ("满五年后增加到24天，十分好。", ()),
        ("最多保留7天。", ()),
        ("万一没休完，可以保留七天。", ()),
        ("见《考勤制度》。", ()),
        ("见《劳动法》。", ("劳动法",)),
    ],
)
def test_chinese_numbers_and_titles_must_agree_too(sentence: str, lacking: tuple[str, ...]) -> None:
    assert HELD_TEA.lacks(sentence) == lacking


@pytest.mark.parametrize(
    ("text", "sentence", "lacking"),
    [
        ("公司的注册资本为三万元。", "注册资本为3万元", ()),
        ("公司的注册资本为三万元。", "注册资本为3亿元", ("3",)),
        ("总预算 3.2 万元。", "总预算三万二千元", ()),
        ("KJ-300净重5.4 kg，KJ-500净重8.1 kg。", "KJ-300是5.4 kg，KJ-500是8.1 kg。", ()),
        ("手机支持WIFI。", "手机支持Wi-Fi", ()),
        ("处理器为8核。", "它的CPU是8核", ()),
        ("2020年万科销售额第一。", "2020 万科销售额第一。", ()),
        ("KJ-300净重5.4 kg，KJ-500净重8.1 kg。", "KJ-300是5.4 kg，KJ-700是8.1 kg。", ("700", "KJ-700")),
        ("违约金按每日百分之三点五计算。", "违约金按每日3.5%计算", ()),
        ("违约金按每日百分之三点五计算。", "违约金按每日35%计算", ("35",)),
        ("The freezer holds 1.5 million items.", "It holds 1,500,000 items.", ()),
        ("The freezer holds one hundred and twenty volumes.", "It holds 120 volumes.", ()),
        ("The freezer holds one hundred and twenty volumes.", "It holds 20 volumes.", ("20",)),
        ("The reading room is on the third floor.", "It is on the 3rd floor.", ()),
        ("The reading room is on the third floor.", "It is on the 5th floor.", ("5",)),
        ("The reading room is on the third floor.", "It has 3 floors.", ("3",)),
        ("The reading room is on the third floor.", "On the 3rd floor are 3 rooms.", ("3",)),
        ("The twenty-third edition appeared in May.", "The 3rd edition appeared in May.", ("3",)),
        ("The town has 500,000 inhabitants.", "The town has half a million inhabitants.", ()),
        ("押金一千二，租客搬走时退还。", "租客搬走时退还押金1200元", ()),
        ("那里有12万人。", "12人", ("12",)),
        ("那里有12万人，其中12人是医生。", "12人", ()),
        ("The town has 12 million inhabitants and 12 parks.", "It has 12 parks.", ()),
    ],
)
def test_a_number_is_told_by_its_value_however_the_passage_writes_it(
    text: str, sentence: str, lacking: tuple[str, ...]
) -> None:
    assert Held(text).lacks(sentence) == lacking


@pytest.mark.parametrize(
    ("text", "sentence", "denied"),
    [
        ("Staff may not bring guests.", "Staff may bring guests.", True),
        ("Staff may not bring guests.", "Staff may not bring guests.", False),
        ("Staff may not bring guests.", "bring guests", False),  # asked what they may not
        ("Staff may bring guests.", "Staff may not bring guests.", True),
        ("Guests are forbidden.", "Guests are not allowed.", False),
        ("The shop is not open on Sundays.", "open on Sundays", True),
        ("The shop can't be used on Sundays.", "The shop can be used on Sundays.", True),
        ("The shop cannot be used on Sundays.", "The shop can’t be used on Sundays.", False),
        ("Staff may not bring guests. Members may bring guests.", "They may bring guests.", False),
        ("员工不可以带宠物上班。", "可以带宠物上班", True),
        ("员工不可以带宠物上班。", "员工可以带宠物上班。", True),
        ("员工不可以带宠物上班。", "不可以带宠物上班", False),
        ("员工不可以带宠物上班。", "宠物", False),
        ("员工可以带宠物上班。", "员工不可以带宠物上班。", True),
        ("禁止员工带宠物上班。", "员工不可以带宠物上班。", False),
        ("没有停车位，但有自行车棚。", "有自行车棚", False),
        ("没有停车位，但有自行车棚。", "有停车位", True),
        ("Reports are due by 5 pm.", "Reports are due not later than 5 pm.", False),
        ("You need a badge to enter.", "You cannot enter without a badge.", False),
        ("年假最低十天。", "年假不少于十天。", False),
        ("博物馆周二至周日开放。", "博物馆周一不开放。", False),
        ("他们收取费用。", "他们不收取费用。", True),
    ],
)
def test_what_the_passage_denies_is_not_affirmed_nor_the_reverse(
    text: str, sentence: str, *, denied: bool
) -> None:
    assert Held(text).lacks(sentence) == (("not",) if denied else ())


def test_a_number_with_decimals_is_no_list_number() -> None:
    assert HELD.lacks("4.7 days of leave.") == ("4.7",)


@pytest.mark.parametrize(
    ("held", "sentence", "lacking"),
    [
        (HELD, "每年有二十七天年假。", ()),
        (HELD, "每年有27天年假。", ()),
        (HELD, "每年有七十二天年假。", ("72",)),
        (HELD, "请联系 Marit Oyelaran。", ()),
        (HELD, "请联系玛丽特（Johansen）的办公室。", ("Johansen",)),
        (HELD, "请联系玛丽特。", ()),
        (HELD_TEA, "Staff have nineteen days of leave a year.", ()),
        (HELD_TEA, "Staff have 24 days of leave after 5 years.", ()),
        (HELD_TEA, "Staff of Oslo have 42 days of leave.", ("42",)),
    ],
)
def test_numbers_and_latin_names_must_agree_across_languages(
    held: Held, sentence: str, lacking: tuple[str, ...]
) -> None:
    assert held.lacks(sentence) == lacking


def near(word: str, *, high: float = 0.1, low: float = 0.0) -> Nearness:
    """A sentence is near to the texts with this word."""

    def nearness(sentence: str, texts: Sequence[str]) -> list[float]:
        del sentence
        return [high if word in text else low for text in texts]

    return nearness


@pytest.mark.parametrize(
    ("sentence", "nearest", "quoted", "score"),
    [
        ("工龄长就有更多假期。", "six", "After six years this becomes 31 days.", 0.0),
        ("三十一天。", "six", "After six years this becomes 31 days.", 1.0),
        ("六年以后更多。", "six", "After six years this becomes 31 days.", 0.0),  # 6 stands in many sentences
        ("三十一天。", "Every", "After six years this becomes 31 days.", 0.0),  # there, but it is not near
        ("请联系 Oyelaran 女士。", "Norway", "Requests go to Marit Oyelaran in Norway.", 1.0),
        ("今天天气很好。", "rain", LEAVE, 0.0),
    ],
)
def test_across_languages_the_nearest_sentence_is_quoted_and_its_facts_hold_the_answer(
    sentence: str, nearest: str, quoted: str, score: float
) -> None:
    held = Held(LEAVE, nearness=near(nearest))
    span = held.best_span(sentence)
    expected = LEAVE if nearest == "Every" else quoted
    assert (LEAVE[span.start : span.end], span.score) == (expected, score)
    assert held.is_far(sentence) == (expected == LEAVE)


def test_what_the_question_says_is_no_fact_of_the_passage() -> None:
    assert Held(LEAVE, title="31天？", nearness=near("six")).best_span("三十一天。").score == 0.0


def test_within_a_language_no_cosine_is_asked_for() -> None:
    def never(sentence: str, texts: Sequence[str]) -> list[float]:
        raise AssertionError(sentence, texts)

    for text, sentence in ((LEAVE, "Green cheese."), (TEA, "月亮是绿的。"), (LEAVE, "27"), (TEA, "19天")):
        held = Held(text, nearness=never)
        assert not held.is_far(sentence)
