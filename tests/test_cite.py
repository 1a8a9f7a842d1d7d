"""Markers in an answer are true, quotes lie in the document, and streaming changes nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag.cite import Citer, cite
from rag.config import Config
from rag.datatypes import Box, Hit, Passage, Region
from rag.embed import open_embedder
from rag.nearness import EmbeddedNearness, nearness_by
from rag.prompt import NO_ANSWER

LEAVE = "Every member of staff has 27 days of paid leave a year. After six years this becomes 31 days."
TEA = "正式员工每年有十九天带薪年假，工龄满五年后增加到二十四天。未休完的年假最多可以保留七天。"

EVAL = Path(__file__).parents[2] / "shared" / "eval"
TRANSLATED = Path(__file__).parent / "questions" / "translated.jsonl"


def hit(marker: int, text: str, *, start: int = 100) -> Hit:
    passage = Passage(
        source=f"{marker}.md", digest="d", start=start, end=start + len(text), text=text, page=4
    )
    return Hit(passage=passage, score=1.0, marker=marker)


HITS = (hit(1, LEAVE), hit(2, TEA))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Staff get 27 days [1].", "Staff get 27 days [1]."),
        ("Ask Marit Oyelaran about it [7].", "Ask Marit Oyelaran about it."),
        ("Staff get 27 days 【1】。", "Staff get 27 days [1]。"),
        ("Staff get 27 days [1, 3，2].", "Staff get 27 days [1]."),
        ("Staff get 27 days [1] and [12", "Staff get 27 days [1] and"),
        ("Use `a[7]` for that.", "Use `a[7]` for that."),
    ],
)
def test_only_markers_that_point_somewhere_remain(written: str, shown: str) -> None:
    assert cite(written, HITS).text == shown


@pytest.mark.parametrize(
    ("written", "passage", "unsupported"),
    [
        ("Use `nums = [1, 2, 3]` [1]", "Use `nums = [1, 2, 3]` to make a list.", ()),
        ("Smith v Jones [2015] UKSC 12 [1]", "The leading case is Smith v Jones [2015] UKSC 12.", ()),
        ("京政发【2023】12号 [1]", "依据《实施意见》（京政发【2023】12号）执行。", ()),
        ("The discount factor lies in [0, 1] [1]", "The discount factor lies in [0, 1] at all times.", ()),
        ("[1, 5] [1]", "The score lies in [1, 5] at all times.", ()),
        (
            "The moon is made of `cheese[1]` with green holes. [?]",
            "Lists begin at zero.",
            ("The moon is made of `cheese[1]` with green holes.",),
        ),
    ],
)
def test_brackets_of_code_and_of_the_documents_own_text_are_no_markers(
    written: str, passage: str, unsupported: tuple[str, ...]
) -> None:
    cited = cite(written.removesuffix(" [?]"), [hit(1, passage)])
    assert (cited.text, cited.unsupported) == (written, unsupported)
    assert [citation.quote for citation in cited.citations] == ([] if unsupported else [passage])


PAINT = (
    "Acrylic paint dissolves in petrol but not in water. It hardens in twelve days, and 340 tins are left."
)
FARBE = "丙烯颜料可溶于汽油，不溶于水。罐子是红的，还剩二百六十罐。"


@pytest.mark.parametrize(
    ("question", "written", "quote"),
    [
        (
            "Does acrylic paint dissolve in petrol?",
            "Yes",
            "Acrylic paint dissolves in petrol but not in water.",
        ),
        (
            "Does acrylic paint dissolve in water?",
            "No.",
            "Acrylic paint dissolves in petrol but not in water.",
        ),
        ("丙烯颜料溶于汽油吗？", "可以", "丙烯颜料可溶于汽油，不溶于水。"),
        ("丙烯颜料溶于水吗？", "不可以[2]", "丙烯颜料可溶于汽油，不溶于水。"),
        ("How long does it take?", "12 days", "It hardens in twelve days, and 340 tins are left."),
        (
            "How many tins?",
            "three hundred and forty",
            "It hardens in twelve days, and 340 tins are left.",
        ),
        ("还剩多少？", "260罐", "罐子是红的，还剩二百六十罐。"),
        ("什么颜色？", "红", "罐子是红的，还剩二百六十罐。"),
        (
            "May I thin it with petrol?",
            "**Yes**, you may.",
            "Acrylic paint dissolves in petrol but not in water.",
        ),
        ("What is left?", "The answer is tin.", "It hardens in twelve days, and 340 tins are left."),
        (
            "Does acrylic paint dissolve in water?",
            "No, it doesn't.",
            "Acrylic paint dissolves in petrol but not in water.",
        ),
        (
            "Does acrylic paint dissolve in petrol?",
            "Yes, that's correct.",
            "Acrylic paint dissolves in petrol but not in water.",
        ),
        ("丙烯颜料溶于汽油吗？", "是的，它可以。", "丙烯颜料可溶于汽油，不溶于水。"),
        ("Does it cost anything?", "Yes, £30.", None),
        ("Which hand is it held in?", "Right", None),
        ("Is the shop open on Mondays?", "Yes", None),
        ("Is the shop open on Mondays?", "Yes [2]", None),
        ("商店星期一开门吗？", "是的", None),
        ("How long does it take?", "15 days", None),
        ("How many tins?", "304", None),
        ("What does it dissolve in?", "Alcohol", None),
        ("还剩多少？", "620罐", None),
        ("什么颜色？", "蓝", None),
        ("是什么体裁？", "小说", None),
    ],
)
def test_an_answer_of_a_word_or_two_has_a_source_or_is_marked(
    question: str, written: str, quote: str | None
) -> None:
    hits = [hit(1, LEAVE), hit(2, PAINT)] if question.isascii() else [hit(1, TEA), hit(2, FARBE)]
    cited = cite(written, hits, question)
    assert [citation.quote for citation in cited.citations] == ([quote] if quote else [])
    assert cited.unsupported == (() if quote else (written.removesuffix(" [2]"),))


def test_what_the_question_says_holds_no_answer() -> None:
    cited = cite("Volcanoes erupt each decade [1].", [hit(1, LEAVE)], "How often do volcanoes erupt?")
    assert cited.citations == ()
    assert cited.unsupported == ("Volcanoes erupt each decade.",)


@pytest.mark.parametrize(
    ("passage", "written", "shown"),
    [
        ("Run by the Red Cross.", "Lead fusible plugs [1]", "Lead fusible plugs [?]"),
        ("It costs $3.5 million.", "$3.5 billion [1]", "$3.5 billion [?]"),
        ("It costs $3.5 million.", "3,500,000 dollars [1]", "3,500,000 dollars [1]"),
        ("共印了81.6万册。", "81.6亿册[1]", "81.6亿册 [?]"),
        ("Paid within 28 days of 4 weeks' notice.", "28 weeks [1]", "28 weeks [?]"),
        ("Paid within 28 days of 4 weeks' notice.", "28 days [1]", "28 days [1]"),
        ("年假十九天，满十年加五天。", "19天", "19天 [1]"),
        ("年假19天，满10年加5天。", "十九天", "十九天 [1]"),
        ("年假19天，满10年加5天。", "十九年[1]", "十九年 [?]"),
        ("重八百三十六吨，长五公里。", "836公斤[1]", "836公斤 [?]"),
        ("The building has several processes.", "buildings", "buildings [1]"),
        ("The building has several processes.", "process", "process [1]"),
        ("It is run by the WHO.", "WHO", "WHO [1]"),
        ("Red, green and blue are used.", "1. Red\n2. Green", "1. Red [1]\n2. Green [1]"),
        ("Red, green and blue are used.", "1. Red\n2. Pink", "1. Red [1]\n2. Pink [?]"),
        ("The pool is 50 m long.", "50 metres", "50 metres [1]"),
        ("It costs $12.", "12 dollars", "12 dollars [1]"),
        ("They stand at an angle of 90 degrees.", "90.", "90. [1]"),
        ("It costs $12.", "12 euros [1]", "12 euros [?]"),
        ("全程5km。", "5公里", "5公里 [1]"),
        ("会议在星期一。", "周一", "周一 [1]"),
        ("She came third.", "3rd [1]", "3rd [1]"),
        ("It takes 30 minutes.", "half an hour [1]", "half an hour [1]"),
        ("总价30日元。", "30元[1]", "30元 [?]"),
        ("It costs 1,200 million dollars.", "1.2 billion dollars", "1.2 billion dollars [1]"),
        ("今年是公司成立10周年。", "10年", "10年 [1]"),
        ("本合同第19条规定保密义务。", "十九天", "十九天 [?]"),
        ("飞机场在城东。", "有机", "有机 [?]"),
        ("会议在周一，共三人。", "答案是周一", "答案是周一 [1]"),
        ("The force is 10⁶ N.", "106 N [1]", "106 N [?]"),
        ("It lasts 12 days, then 3 months.", "- 12 days\n- 5 months", "- 12 days [1]\n- 5 months [?]"),
        (
            "It lasts 12 days, then 3 months.",
            "Twelve days.\nFive months.",
            "Twelve days. [1]\nFive months. [?]",
        ),
    ],
)
def test_short_answers_are_held_by_their_words_numbers_and_units(
    passage: str, written: str, shown: str
) -> None:
    assert cite(written, [hit(1, passage)]).text == shown


def test_what_is_counted_need_not_be_called_as_in_the_question() -> None:
    cited = cite("120 people", [hit(1, "There are 120 employees.")], "How many people work there?")
    assert [each.quote for each in cited.citations] == ["There are 120 employees."]


def test_of_equal_passages_the_one_that_was_asked_for_is_cited() -> None:
    passages = [hit(1, "The pier was built in 1973."), hit(2, "The boathouse burned down in 1973.")]
    cited = cite("1973", passages, "When did the boathouse burn down?")
    assert [each.marker for each in cited.citations] == [2]


@pytest.mark.parametrize(
    ("question", "answer", "shown"),
    [
        ("两种润滑脂可以混着用吗？", "不可以", "不可以 [1]"),
        ("两种润滑脂可以混着用吗？", "可以", "可以 [?]"),
        ("Do the members get a key?", "Yes", "Yes [1]"),
        ("May the guests stay?", "Yes.", "Yes. [?]"),
        ("Do the guests get a key?", "Yes", "Yes [1]"),  # a clause that tells of it has no not
        ("May the guests stay?", "No.", "No. [1]"),
        ("May the guests not stay?", "Yes.", "Yes. [1]"),
        ("Do the guests get a key on Sunday?", "No.", "No. [1]"),  # it tells of no Sunday
    ],
)
def test_a_yes_that_is_the_reverse_of_what_stands_there_is_marked(
    question: str, answer: str, shown: str
) -> None:
    text = "The guests may not stay, but the members get a key."
    lone = hit(1, text if question.isascii() else "两种润滑脂不得混用。")
    assert cite(answer, [lone], question).text == shown


def test_a_claim_that_its_own_language_lacks_is_marked_beside_a_passage_in_the_other() -> None:
    def near(_: str, texts: Sequence[str]) -> Sequence[float]:
        return [0.05] * len(texts)

    claim = "The library opens on Sundays in summer."
    assert cite(claim, [HITS[1]], "When?", near).text == claim
    assert cite(claim, HITS, "When?", near).text == f"{claim} [?]"


TOOL = (
    "Run it.\n\nfrob --initialise\nfrob --start now\n\nSmall ones cost 12 crowns, red; large ones 19, blue."
)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            "Run:\n\n```\nfrob --initialise\nfrob --start now\n```",
            "Run:\n\n```\nfrob --initialise\nfrob --start now\n```\n\n[1]",
        ),
        (
            "```sh\nfrob --initialise\n```\nLarge ones cost 19 crowns.",
            "```sh\nfrob --initialise\n```\n\n[1]\nLarge ones cost 19 crowns. [1]",
        ),
        (
            "```sh\nfrob --initialise",  # cut off
            "```sh\nfrob --initialise\n```\n\n[1]",
        ),
        ("~~~\nfrob --initialise", "~~~\nfrob --initialise\n~~~\n\n[1]"),
        (
            "```\nrm -rf everything\n```\nThe moon is made of green cheese.",
            "```\nrm -rf everything\n```\n\n[?]\nThe moon is made of green cheese. [?]",
        ),
        (
            "```frob --initialise```\nThe moon is made of green cheese.",
            "```frob --initialise```\nThe moon is made of green cheese. [?]",
        ),
        (
            "- ```\n  frob --start now\n  ```\nThe moon is made of green cheese.",
            "- ```\n  frob --start now\n  ```\n\n[1]\nThe moon is made of green cheese. [?]",
        ),
        (
            "| Ones | Price |\n|---|---|\n| small, red | 12 crowns |\n| large, blue | 19 |",
            "| Ones | Price |\n|---|---|\n| small, red | 12 crowns [1] |\n| large, blue | 19 [1] |",
        ),
    ],
)
def test_a_marker_breaks_no_code_and_no_table(written: str, shown: str) -> None:
    assert cite(written, [hit(1, TOOL)], "How?").text == shown


def test_a_footnote_copied_from_a_document_is_dropped() -> None:
    passage = "The tower was built in 1889.[12] It is tall."
    assert (
        cite("The tower was built in 1889.[12]", [hit(1, passage)]).text == "The tower was built in 1889. [1]"
    )


@pytest.mark.parametrize(
    ("written", "passages"),
    [
        (
            "The Heron seats 4 people [1] and the Kestrel seats 6 people [2].",
            ("The Heron seats 4 people.", "The Kestrel seats 6 people."),
        ),
        ("苍鹭号可载4人[1]，红隼号可载6人[2]。", ("苍鹭号可载4人。", "红隼号可载6人。")),
        (
            "Marit Oyelaran leads the library [1] and Jonas Brandt the boathouse [2].",
            ("Marit Oyelaran leads the library.", "Jonas Brandt leads the boathouse."),
        ),
        (
            "The Heron is a boat [1] kept at the pier and lent to members [2].",
            ("The Heron is a boat.", "The Heron is kept at the pier and lent to members."),
        ),
    ],
)
def test_each_clause_of_a_sentence_has_its_own_source(written: str, passages: tuple[str, str]) -> None:
    cited = cite(written, [hit(number, text) for number, text in enumerate(passages, start=1)])
    assert cited.text == written
    assert [(each.marker, each.quote) for each in cited.citations] == list(enumerate(passages, start=1))


def test_a_marker_behind_its_subject_gives_way_to_no_other() -> None:
    passages = [hit(1, "苍鹭号可载4人。"), hit(2, "红隼号可载6人。")]
    cited = cite("苍鹭号[1]可载4人，红隼号[2]可载6人。", passages)
    assert cited.text == "苍鹭号[1]可载4人，红隼号可载6人。"


def test_an_unpaired_backquote_changes_no_marker() -> None:
    passages = (
        "The capital of Hawai`i is Honolulu.",
        "The Kestrel seats 6 people.",
    )
    text = "The capital of Hawai`i is Honolulu [1]. The Kestrel seats 6 people [2]."
    cited = cite(text, [hit(number, said) for number, said in enumerate(passages, start=1)])
    assert cited.text == text
    assert [each.marker for each in cited.citations] == [1, 2]


def test_a_clause_that_shares_no_word_is_held_by_its_sentence() -> None:
    text = "The pier was built by Jonas Brandt in 1911. It is long and closed."
    cited = cite("Both [1] and [2] say that it was built by Jonas Brandt.", [hit(1, text), hit(2, text)])
    assert {each.quote for each in cited.citations} == {"The pier was built by Jonas Brandt in 1911."}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            "After six years this becomes 31 days. Ask Marit.",
            "After six years this becomes 31 days. [1] Ask Marit.",
        ),
        ("正式员工每年有十九天带薪年假。真好。", "正式员工每年有十九天带薪年假。[2]真好。"),
        ("十九天。", "十九天。[2]"),
        ("Thank you.", "Thank you."),
        ("不客气！", "不客气！"),
        ("The moon is made of excellent green cheese.", "The moon is made of excellent green cheese."),
    ],
)
def test_a_sentence_without_marker_gets_that_of_the_passage_that_holds_it(written: str, shown: str) -> None:
    assert cite(written, HITS).text == shown


def test_a_citation_quotes_the_supporting_sentence_at_its_place_in_the_document() -> None:
    (citation,) = cite("未休完的可以保留七天[2]。", HITS).citations
    assert (citation.marker, citation.document, citation.page) == (2, "2.md", 4)
    assert citation.quote == "未休完的年假最多可以保留七天。"
    assert TEA[citation.start - 100 : citation.end - 100] == citation.quote


def test_a_citation_has_the_boxes_of_the_lines_it_touches() -> None:
    text = "The pier is long.\nIt was built in\n1911 by Marit.\nIt is closed."
    lines, start = [], 100
    for number, line in enumerate(text.split("\n")):
        box = Box(page=2, left=0, bottom=-number, right=9, top=1 - number)
        lines.append(Region(start=start, end=start + len(line), box=box))
        start += len(line) + 1
    shown = hit(1, text)
    shown = replace(shown, passage=replace(shown.passage, regions=tuple(lines)))
    (citation,) = cite("It was built in 1911 by Marit. [1]", [shown]).citations
    assert citation.quote == "It was built in\n1911 by Marit."
    assert citation.boxes == (lines[1].box, lines[2].box)


def test_a_sentence_over_two_sentences_quotes_both() -> None:
    (citation,) = cite("Staff have 27 days of paid leave, and 31 days after six years [1].", HITS).citations
    assert citation.quote == LEAVE


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("正式员工每年有十九天带薪年假[1]。", "正式员工每年有十九天带薪年假[2]。"),
        ("[1] 正式员工每年有十九天带薪年假。", "正式员工每年有十九天带薪年假。[2]"),
        ("[2] Staff have 27 days of paid leave. Good.", "Staff have 27 days of paid leave. [1] Good."),
        ("Employees are paid while they are away [1].", "Employees are paid while they are away [1]."),
        ("Time away from work is generous [1].", "Time away from work is generous. [?]"),
        ("Staff have 27 days of paid leave [1][2].", "Staff have 27 days of paid leave [1]."),
    ],
)
def test_a_marker_gives_way_to_the_passage_that_surely_holds_the_sentence(written: str, shown: str) -> None:
    assert cite(written, HITS).text == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Staff have 72 days of paid leave [1].", "Staff have 72 days of paid leave. [?]"),
        ("[1] Staff have 72 days of paid leave.", "Staff have 72 days of paid leave. [?]"),
        ("正式员工每年有九天带薪年假[2]。", "正式员工每年有九天带薪年假。[?]"),
        ("Staff of Oslo have 27 days of paid leave [1].", "Staff of Oslo have 27 days of paid leave. [?]"),
        ("Staff do not have 27 days of paid leave [1].", "Staff do not have 27 days of paid leave. [?]"),
        (
            "Staff have twenty-seven days of paid leave [1].",
            "Staff have twenty-seven days of paid leave [1].",
        ),
    ],
)
def test_numbers_and_names_that_are_not_in_the_passage_mark_the_sentence(written: str, shown: str) -> None:
    cited = cite(written, HITS)
    assert (cited.text, cited.citations if "[?]" in shown else ()) == (shown, ())
    assert cited.unsupported == ((shown.removesuffix("[?]").strip(),) if "[?]" in shown else ())


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("The moon is made of green cheese.", "The moon is made of green cheese. [?]"),
        ("The handbook says:", "The handbook says:"),
        ("Thank you.", "Thank you."),
        ("不客气！", "不客气！"),
        ("Staff have 27 days of paid leave. Snow covers northern hills.", None),
    ],
)
def test_what_no_passage_holds_is_marked(written: str, shown: str | None) -> None:
    both = "Staff have 27 days of paid leave. [1] Snow covers northern hills. [?]"
    assert cite(written, HITS[:1]).text == (shown or both)


def test_over_passages_in_another_language_words_refute_nothing() -> None:
    assert (
        cite("Employees enjoy generous holidays [2].", HITS[1:]).text
        == "Employees enjoy generous holidays [2]."
    )
    assert cite("Employees enjoy generous holidays.", HITS[1:]).unsupported == ()
    assert cite("Employees enjoy 42 holidays [2].", HITS[1:]).text == "Employees enjoy 42 holidays. [?]"


ASKED = "有多少年假？"


def after_six_years(sentence: str, texts: Sequence[str]) -> list[float]:
    """What tells of holidays is near to the sentence about six years."""
    answer = sentence.removeprefix(ASKED)
    return [0.1 if "six" in text and "假期" in answer else 0.0 for text in texts]


@pytest.mark.parametrize(
    ("written", "shown", "quotes"),
    [
        ("以后假期更多[1]。", "以后假期更多[1]。", ["After six years this becomes 31 days."]),
        ("假期是三十一天。", "假期是三十一天。[1]", ["After six years this becomes 31 days."]),
        ("假期是三十二天。", "假期是三十二天。[?]", []),
        ("假期是三十二天[1]。", "假期是三十二天。[?]", []),
        ("以后假期更多。", "以后假期更多。", []),
        ("巴西赢了世界杯[1]。", "巴西赢了世界杯。[?]", []),
        ("巴西赢了世界杯。", "巴西赢了世界杯。[?]", []),
        (
            "After six years it is 31 days.",
            "After six years it is 31 days. [1]",
            [LEAVE[LEAVE.index("After") :]],
        ),
    ],
)
def test_across_languages_cosines_choose_and_refute_but_only_facts_support(
    written: str, shown: str, quotes: list[str]
) -> None:
    cited = cite(written, HITS[:1], ASKED, after_six_years)
    assert (cited.text, [citation.quote for citation in cited.citations]) == (shown, quotes)


@pytest.mark.parametrize(
    ("written", "shown", "quote"),
    [
        ("周恩来与金日成", "周恩来与金日成 [1]", 0),
        ("Zhou Enlai (周恩来) and Kim Il-sung (金日成) [1]", None, 0),
        ("July 11, 1961", "July 11, 1961 [1]", 0),
        ("On 12 July 1961 [1]", "On 12 July 1961 [?]", None),
        ("twenty years", "twenty years [1]", 1),
        ("20 years", "20 years [1]", 1),
    ],
)
def test_an_english_answer_over_a_chinese_passage_cites_the_sentence(
    written: str, shown: str | None, quote: int | None
) -> None:
    sentences = ("条约签订于1961年7月11日北京，双方代表分别为周恩来与金日成。", "条约有效期为二十年。")
    cited = cite(
        written, [hit(1, "".join(sentences))], "About the treaty?", lambda _, texts: [0.05] * len(texts)
    )
    quotes = [citation.quote for citation in cited.citations]
    assert (cited.text, quotes) == (shown or written, [] if quote is None else [sentences[quote]])


def test_what_the_question_says_needs_no_source() -> None:
    question = "How many days of leave does Oslo give?"
    assert cite("Oslo gives 27 days of paid leave [1].", HITS, question).text.endswith("[1].")


@pytest.mark.parametrize("sentence", NO_ANSWER.values())
def test_the_sentence_for_no_answer_refuses_and_cites_nothing(sentence: str) -> None:
    cited = cite(f"{sentence} [1]", HITS)
    assert (cited.refused, cited.citations, cited.text) == (True, (), sentence)


def test_a_refusal_never_gets_a_citation_or_a_claim() -> None:
    promise = "If the documents do not hold the answer to this question, Kaoju says so."
    said = NO_ANSWER["en"]
    assert cite(said, [hit(1, promise)]).text == said
    citer = Citer([hit(1, promise)])
    assert citer.feed(said) + citer.flush() == said
    cited = cite(f"{said} However leave is 27 days [1].", HITS)
    assert (cited.text, cited.refused) == (said, True)


def test_an_empty_answer_refuses() -> None:
    assert cite(" \n", HITS).refused


@pytest.mark.parametrize("seed", range(40))
def test_streamed_in_any_pieces_the_text_is_the_same(seed: int) -> None:
    dice = random.Random(seed)
    atoms = [
        "27 days ",
        "十九天",
        "[1]",
        " [2] ",
        "[9]",
        "[1",
        ", 2]",
        ". ",
        "。",
        "\n\n",
        "`x[3]`",
        LEAVE,
        TEA,
        "3.5",
        *("```", "\n```\n", "\n| a | 27 days |", " |", "|"),
    ]
    written = "".join(dice.choices(atoms, k=12)).strip()
    citer, streamed, rest = Citer(HITS), "", written
    while rest:
        cut = dice.randint(1, 7)
        streamed += citer.feed(rest[:cut])
        rest = rest[cut:]
    assert streamed + citer.flush() == cite(written, HITS).text


@pytest.mark.model
def test_e5_finds_the_sentence_in_the_other_language_and_refutes_what_is_far(real_config: Config) -> None:
    nearness = nearness_by(open_embedder(real_config))
    assert nearness is not None
    asked = "工龄满六年后有多少天带薪年假？"
    (citation,) = cite("三十一天 [1]", HITS[:1], asked, nearness).citations
    assert citation.quote == "After six years this becomes 31 days."
    asked = "How many unused days may be kept?"
    (citation,) = cite("up to seven days [2]", HITS[1:], asked, nearness).citations
    assert citation.quote == "未休完的年假最多可以保留七天。"
    for hits, cup in ((HITS[:1], "巴西赢了世界杯[1]。"), (HITS[1:], "Brazil won the cup [2].")):
        cited = cite(cup, hits, "1998年的世界杯谁赢了？", nearness)
        assert (cited.citations, len(cited.unsupported)) == ((), 1)


@pytest.mark.model
@pytest.mark.skipif(not EVAL.is_dir(), reason="../shared/eval is not on this machine")
def test_no_invented_answer_is_supported_across_languages_and_no_right_one_marked(
    real_config: Config,
) -> None:
    nearness = EmbeddedNearness(open_embedder(real_config))
    asked = [json.loads(line) for line in TRANSLATED.read_text(encoding="utf-8").splitlines()[1::5]]
    passages = {
        pair["id"]: paragraph["context"]
        for name in ("squad2_en", "cmrc2018_zh")
        for article in json.loads((EVAL / f"{name}.json").read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for pair in paragraph["qas"]
    }
    right, wrong = 0, 0
    for each in asked:
        hits = [hit(1, passages[each["id"]])]
        right += cite(f"{each['answer']} [1]", hits, each["question"], nearness).text.endswith("[1]")
        wrong += bool(cite(each["wrong"], hits, each["question"], nearness).citations)
    assert len(asked) == 24
    assert (right, wrong) == (24, 0)  # of all 120: 118 and 1
