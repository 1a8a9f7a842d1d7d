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
        ("Time away from work is generous [1].", "Time away from work is generous [1]."),
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
