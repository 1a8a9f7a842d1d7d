"""Near-duplicates, neighbours and comparisons, over hits made at random."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rag.datatypes import Box, Hit, Passage, Ranks, Region
from rag.retrieve.compare import sides
from rag.retrieve.hits import distinct, interleaved, joined

SENTENCES = [
    "The pump hums.",
    "水泵发出响声。",
    "Reset it by the green button!",
    "按绿色按钮复位。",
    "Day 7.",
]
GAPS = ["", "\n", "\n\n  ", " x "]


def hit(text: str, *, source: str = "a.txt", start: int = 0, score: float = 1.0, **fields: Any) -> Hit:
    place = {"digest": source, "start": start, "end": start + len(text), **fields}
    return Hit(passage=Passage(source=source, text=text, **place), score=score, dense=score)


def made_up(seed: int) -> tuple[dict[str, str], list[Hit]]:
    """Return documents, and in random order hits on some of their passages."""
    chance = random.Random(seed)
    texts: dict[str, str] = {}
    hits: list[Hit] = []
    for source in ("a.txt", "b.txt"):
        text = ""
        for _ in range(chance.randint(1, 8)):
            sentence = chance.choice(SENTENCES) + str(chance.randint(0, 99))
            if chance.random() < 0.7:
                hits.append(hit(sentence, source=source, start=len(text), score=chance.random()))
            text += sentence + chance.choice(GAPS)
        texts[source] = text
    chance.shuffle(hits)
    return texts, sorted(hits, key=lambda each: -each.score)


def part_of(texts: dict[str, str]) -> Callable[[str, int, int], str]:
    return lambda source, start, end: texts[source][start:end]


def at_most(characters: int) -> Callable[[str], bool]:
    return lambda text: len(text) <= characters


@pytest.mark.parametrize("seed", range(60))
def test_joined_passages_are_spans_of_their_document_and_nothing_is_lost(seed: int) -> None:
    texts, hits = made_up(seed)
    found = joined(hits, between=part_of(texts), fits=at_most(60))
    units = [unit.id for each in found for unit in each.units]
    assert sorted(units) == sorted(each.passage.id for each in hits)
    assert all(
        [unit.start for unit in each.units] == sorted(unit.start for unit in each.units) for each in found
    )
    for each in found:
        passage = each.passage
        assert texts[passage.source][passage.start : passage.end] == passage.text
        assert len(passage.text) <= 60
    for before in hits:
        holding = [
            each
            for each in found
            if each.passage.source == before.passage.source
            and each.passage.start <= before.passage.start
            and before.passage.end <= each.passage.end
        ]
        assert len(holding) == 1
        assert holding[0].score >= before.score
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert joined(found, between=part_of(texts), fits=at_most(60)) == found
    assert joined(hits, between=part_of(texts), fits=at_most(0)) == hits


@pytest.mark.parametrize("seed", range(60))
def test_no_two_that_are_left_could_be_joined(seed: int) -> None:
    texts, hits = made_up(seed)
    found = [each.passage for each in joined(hits, between=part_of(texts), fits=at_most(10**6))]
    for one in found:
        for other in found:
            if one.source == other.source and one.end <= other.start:
                assert texts[one.source][one.end : other.start].strip()


def test_a_joined_passage_knows_its_pages_boxes_and_surest_signals() -> None:
    line = Region(start=0, end=6, box=Box(page=3, left=0, bottom=0, right=1, top=1))
    one = hit("First.", score=0.4, page=3, regions=(line,), confidence=0.9)
    two = hit("Second.", start=7, score=0.8, page=4, later_pages=((5, 9),), confidence=0.7)
    (whole,) = joined([two, one], between=part_of({"a.txt": "First. Second."}), fits=at_most(99))
    assert (whole.passage.page, whole.passage.later_pages) == (3, ((4, 7), (5, 9)))
    assert (whole.passage.start, whole.passage.end, whole.score, whole.dense) == (0, 14, 0.8, 0.8)
    assert (len(whole.passage.regions), whole.passage.confidence) == (1, 0.7)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (hit("Second.", start=7, part="mail.eml"), "First. Second."),
        (hit("Second.", start=7, cells="A1:B2"), "First. Second."),
        (hit("Second.", start=7, source="b.txt"), "First. Second."),
        (hit("Second.", start=7, unit="slide"), "First. Second."),
        (hit("Second.", start=7, heading="Another section"), "First. Second."),
        (hit("Second.", start=11), "First. and Second."),
        (hit("Second.", start=7), "First. changed"),
        (hit("Second.", start=7), ""),
        (hit("Second.", start=500), "First." + " " * 494 + "Second."),
    ],
)
def test_what_is_no_neighbour_stays_apart(other: Hit, text: str) -> None:
    hits = [hit("First."), other]
    assert joined(hits, between=part_of({"a.txt": text}), fits=at_most(10**6)) == hits


LONG = (
    "The tenant shall pay a rent of 900 euros before the fifth day of each month and may not keep a dog, " * 2
)
LONG_HAN = "承租人应于每月五日前支付租金九百元，并且不得在房屋内饲养犬类动物，违者出租人可以解除本租赁合同。"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LONG, LONG.upper()),
        (LONG, LONG.replace(" ", "\n")),
        (LONG, LONG.replace("dog, ", "cat, ", 1)),
        (LONG_HAN, LONG_HAN.replace("，", ",")),
        (LONG_HAN, LONG_HAN.replace("动物", "动物们")),
        ("員工每年享有年假", "员工每年享有年假"),
    ],
)
def test_near_duplicates_are_dropped(one: str, other: str) -> None:
    kept = hit(one, source="a.txt")
    assert distinct([kept, hit(other, source="b.txt")], 5) == [kept]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LONG, LONG.replace("900", "950")),
        (LONG, LONG.replace("may not keep", "may keep")),
        (LONG_HAN, LONG_HAN.replace("不得", "可以")),
        (LONG_HAN, LONG_HAN.replace("九百元", "五百元")),
        (LONG, LONG[: len(LONG) // 2]),
        ("The tea is green.", "The tea is black."),
        ("第3条", "第4条"),
    ],
)
def test_what_differs_in_a_figure_or_a_negation_is_kept(one: str, other: str) -> None:
    hits = [hit(one, source="a.txt"), hit(other, source="b.txt")]
    assert distinct(hits, 5) == hits


def test_forms_that_differ_in_a_name_or_in_what_is_asked_are_kept() -> None:
    form = "The company {} cleans the halls of the harbour each Friday. " + LONG
    heron, egret = (
        hit(form.format("Heron Ltd"), source="a.txt"),
        hit(form.format("Egret Ltd"), source="b.txt"),
    )
    assert distinct([heron, egret], 5) == [heron, egret]
    banned = hit(LONG.replace("may not keep a dog", "is forbidden a dog"), source="a.txt")
    allowed = hit(LONG.replace("may not keep a dog", "is permitted a dog"), source="b.txt")
    assert distinct([banned, allowed], 5) == [banned, allowed]
    one, other = hit(LONG_HAN, source="a.txt"), hit(LONG_HAN.replace("犬类", "猫类"), source="b.txt")
    assert distinct([one, other], 5) == [one]
    assert distinct([one, other], 5, "可以养猫吗？") == [one, other]
    assert distinct([one, hit(LONG_HAN + "的", source="b.txt")], 5, "租金是谁的？") == [one], (
        "small words tell nothing"
    )


@pytest.mark.parametrize("seed", range(30))
def test_distinct_hits_are_a_subsequence_as_long_as_asked(seed: int) -> None:
    _, hits = made_up(seed)
    some = distinct(hits + hits, 4)
    assert some == [each for each in hits if each in some]
    assert distinct(some, 4) == some
    assert len(some) <= 4
    texts = {each.passage.text for each in hits}
    assert len(some) == min(4, len(distinct([hit(text) for text in sorted(texts)], 99)))


def test_rankings_take_turns() -> None:
    a, b, c, d = (hit(letter) for letter in "abcd")
    assert interleaved([[a, b], [b, c, d], [a]]) == [a, b, c, d]
    assert interleaved([[a, b]]) == [a, b]
    assert interleaved([]) == []


@pytest.mark.parametrize(
    ("question", "first", "second"),
    [
        ("What is the difference between the old pump and the new pump?", "old pump", "new pump"),
        ("Compare the leave policies of Acme and Globex.", "Acme", "Globex"),
        ("Compare Harvard with Yale.", "Harvard", "Yale"),
        ("Is the Long Bridge longer than the Short Bridge?", "Long Bridge", "Short Bridge"),
        ("How does TCP differ from UDP?", "TCP", "UDP"),
        ("Which is bigger, Warsaw or Krakow?", "Warsaw", "Krakow"),
        ("iPhone 12 vs. iPhone 13", "iPhone 12", "iPhone 13"),
        ("南京长江大桥和武汉长江大桥有什么区别？", "南京长江大桥", "武汉长江大桥"),
        ("南京长江大桥和武汉长江大桥的长度有什么不同？", "南京长江大桥", "武汉长江大桥"),
        ("比较龙井茶与碧螺春的产地", "龙井茶", "碧螺春"),
        ("对比一下甲公司跟乙公司的年假制度", "甲公司", "乙公司"),
        ("甲方案与乙方案相比哪个更便宜？", "甲方案", "乙方案"),
        ("龍井茶和碧螺春哪個更貴？", "龙井茶", "碧螺春"),
        ("北京比上海大吗？", "北京", "上海"),
        ("水费贵还是电费贵？", "水费", "电费"),
    ],
)
def test_each_side_of_a_comparison_is_asked_for_itself(question: str, first: str, second: str) -> None:
    found = sides(question)
    assert found is not None
    assert first in found[0]
    assert second not in found[0]
    assert second in found[1]
    assert first not in found[1]


@pytest.mark.parametrize(
    "question",
    [
        "How many days of leave do employees have?",
        "Who compared the results to gravity?",
        "Is it better than before?",
        "Was the bridge built more than 100 years ago?",
        "Is the deposit less than a month's rent?",
        "When was the bridge opened and who built it?",
        "年假有多少天？",
        "红楼梦的作者是谁？",
        "他和她谁高？",
        "比赛什么时候开始？",
        "男女生比例是多少？",
        "兰比尔的身高是多少？",
        "《鳄鱼泪》同名主题曲的原唱是谁？",
        "",
    ],
)
def test_what_compares_nothing_is_one_question(question: str) -> None:
    assert sides(question) is None


@pytest.mark.parametrize(
    "text",
    ["和的" * 100, "compare " * 25, "和" * 200, "is a " * 40, "which," * 33, "比" * 200, "A and B " * 600],
)
def test_no_question_takes_long_to_be_understood(text: str) -> None:
    started = time.process_time()
    sides(text)
    assert time.process_time() - started < 0.5


def test_a_joined_hit_keeps_the_better_rank_of_each_stage() -> None:
    first = replace(hit("One.", start=0), ranks=Ranks(dense=4, lexical=1, fused=2))
    second = replace(hit("Two.", start=5), ranks=Ranks(dense=2, lexical=None, fused=3, reranked=1))
    (whole,) = joined([first, second], between=part_of({"a.txt": "One. Two."}), fits=at_most(60))
    assert whole.ranks == Ranks(dense=2, lexical=1, fused=2, reranked=1)
