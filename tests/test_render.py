"""Answers as they are printed and shown in a notebook; text from documents stays text."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from rag.datatypes import Answer, Citation, Failure, Hit, Passage, Ranks, SyncReport, Timings, Usage
from rag.render import answer_json, place, report_json, report_text, why_lines
from rag.render.labels import CHINESE, ENGLISH, Labels, Term
from rag.render.why import why
from rag.run import NOT_IN_PASSAGES, NOT_RELEVANT

QUOTE = "Staff have 27 days\nof paid leave."
PASSAGE = Passage(source="a.pdf", digest="d", start=5, end=5 + len(QUOTE), text=QUOTE, page=3)
ANSWER = Answer(
    question="How much?",
    text="27 days. [1]",
    citations=(Citation(marker=1, document="a.pdf", page=3, quote=QUOTE, start=5, end=41),),
    hits=(
        Hit(
            passage=PASSAGE,
            score=0.5,
            dense=0.87,
            covered=0.5,
            ranks=Ranks(dense=2, fused=1),
            marker=1,
        ),
    ),
    model="tiny",
    engine="echo",
    usage=Usage(prompt_tokens=100, answer_tokens=6, cached_tokens=40),
    timings=Timings(retrieve=0.1, first_token=1.26, total=2.0, read=1.16, write=0.74),
)
PLACE_JSON: dict[str, Any] = {"place": "a.pdf, page 3", "confidence": None, "also": []}
REFUSED = replace(
    ANSWER,
    text="No.",
    citations=(),
    refused=True,
    reason="no passage fits the question",
    usage=Usage(prompt_tokens=0, answer_tokens=0),
)


def test_the_terminal_shows_answer_sources_and_cost() -> None:
    assert str(ANSWER) == (
        "27 days. [1]\n\n"
        "Sources\n"
        "  [1] a.pdf, page 3\n"
        "      “Staff have 27 days of paid leave.”\n\n"
        "tiny on echo · 60 of 100 tokens read, 6 written · first word after 1.3 s, 2.0 s in all"
    )


def test_a_refusal_shows_the_nearest_passages() -> None:
    assert str(REFUSED) == (
        "No.\n\n"
        "Nearest passages\n"
        "  a.pdf, page 3: Staff have 27 days of paid leave.\n\n"
        "refused without asking the model: no passage fits the question · 2.0 s"
    )


def test_a_refusal_tells_what_was_looked_for_in_vain_and_the_nearest_passages_in_its_language() -> None:
    english = replace(REFUSED, unmentioned=("paternity", "*Mars*"))
    assert str(english).startswith("No.\n\nNo passage mentions: paternity, *Mars*\n\nNearest passages\n")
    assert english._repr_markdown_() == (
        "No.\n\nNo passage mentions: paternity, \\*Mars\\*\n\n**Nearest passages**\n\n"
        "- **a.pdf, page 3** — Staff have 27 days of paid leave.\n\n"
        "<small>refused without asking the model: no passage fits the question · 2.0 s</small>"
    )
    chinese = replace(english, question="火星上有陪产假吗？", text="没有。", unmentioned=("火星", "陪产假"))
    assert str(chinese) == (
        "没有。\n\n没有段落提到：火星、陪产假\n\n最接近的段落\n"
        "  a.pdf，第 3 页: Staff have 27 days of paid leave.\n\n"
        "未询问模型：没有与问题相符的段落 · 2.0 秒"
    )


@pytest.mark.parametrize("reason", [NOT_RELEVANT, NOT_IN_PASSAGES])
def test_each_reason_is_told_in_both_languages(reason: str) -> None:
    english, chinese = (
        why(replace(REFUSED, reason=reason), labels).remarks[0] for labels in (ENGLISH, CHINESE)
    )
    assert english == f"Why it was refused: {reason}."
    assert re.search("[a-z]", chinese) is None


def test_both_languages_fill_in_the_same_names() -> None:
    def said(labels: Labels) -> dict[str, list[str]]:
        values = {each.name: getattr(labels, each.name) for each in fields(Labels)}
        texts = {
            name: [*value.values()] if isinstance(value, dict) else [value] for name, value in values.items()
        }
        return {
            name: [f"{each.name} {each.help}" if isinstance(each, Term) else each for each in those]
            for name, those in texts.items()
        }

    english, chinese = said(ENGLISH), said(CHINESE)
    for name, those in english.items():
        for one, other in zip(those, chinese[name], strict=True):
            assert one, name
            assert other, name
            assert sorted(re.findall(r"{\w+}", one)) == sorted(re.findall(r"{\w+}", other)), name


def test_the_account_of_an_answer_tells_of_each_passage_the_rewriting_and_the_time() -> None:
    unread = Hit(passage=replace(PASSAGE, source="b.md", page=None), score=0.1, lexical=3.21, left_out="room")
    half = replace(ANSWER.hits[0], marker=2, cut=len(QUOTE), covered=None, ranks=Ranks(lexical=1, reranked=1))
    answer = replace(
        ANSWER,
        hits=(*ANSWER.hits, half, unread),
        searched_for="How much leave?",
        usage=replace(ANSWER.usage, answerable=1.0),
        timings=replace(ANSWER.timings, queued=4.0, rewrite=0.06),
    )
    assert (
        "\n".join(why_lines(answer))
        == """\
Why this answer
  Searched for: How much leave?
  By the model's state, the chance that the passages hold the answer: 73%.
  [1] a.pdf, page 3
      Shown to the model whole · Cited yes
      Both together 1 (0.50) · By meaning 2 (0.87) · By words – · Question's words in it 50% · Read again –
  [2] a.pdf, page 3
      Shown to the model 50% of it · Cited no
      Both together – (0.50) · By meaning – (0.87) · By words 1 · Read again 1
  b.md
      Shown to the model no: no room was left · Cited no
      Both together – (0.10) · By meaning – · By words – (3.2) · Read again –
  Time: waiting 4.0 s · rewriting 0.1 s · reading 1.2 s · writing 0.7 s · in all 2.0 s
"""
    )


def test_a_documents_name_does_not_tell_the_language_of_a_question() -> None:
    hit = replace(ANSWER.hits[0], passage=replace(PASSAGE, source="员工手册和考勤制度.md"))
    answer = replace(ANSWER, question="Summarise 员工手册和考勤制度.md", hits=(hit,))
    assert "\n\nSources\n" in str(answer)
    assert "\n\n出处\n" in str(replace(answer, question="总结一下员工手册和考勤制度.md"))


def test_a_passage_that_is_not_numbered_was_not_shown_to_the_model() -> None:
    hit = replace(ANSWER.hits[0], marker=0)
    assert [row[1] for row in why(replace(ANSWER, hits=(hit,), citations=()), ENGLISH).rows] == ["no"]


def test_a_list_that_the_model_had_no_part_in_says_so() -> None:
    listed = replace(ANSWER, usage=Usage(prompt_tokens=0, answer_tokens=0))
    told = why(listed, ENGLISH)
    assert [row[1] for row in told.rows] == ["no"]
    assert [term.name for term, _ in told.times] == ["search", "in all"]


def test_what_a_follow_up_was_searched_for_as_is_shown_wherever_an_answer_is() -> None:
    answer = replace(ANSWER, searched_for="How much *leave*?")
    assert str(answer).startswith("27 days. [1]\n\nSearched for: How much *leave*?\n\nSources\n")
    assert "\n\nSearched for: How much \\*leave\\*?\n\n" in answer._repr_markdown_()
    assert answer_json(answer)["searched_for"] == "How much *leave*?"


def test_a_long_chinese_passage_is_cut_not_lost() -> None:
    long = replace(PASSAGE, text="茶" * 300)
    assert f"a.pdf, page 3: {'茶' * 98} …\n" in str(replace(REFUSED, hits=(Hit(passage=long, score=1.0),)))


def test_in_a_notebook_text_from_documents_is_never_markup() -> None:
    hostile = "<script>x</script> [a](http://e.org) ![b](http://e.org/i.png) **c** `d` $e$"
    citation = replace(ANSWER.citations[0], quote=hostile, document="<b>.md")
    page = MarkdownIt("commonmark").render(
        replace(ANSWER, text=hostile, citations=(citation,))._repr_markdown_()
    )
    for markup in ("<script", "<a ", "<img", "<b>", "<code"):
        assert markup not in page
    assert page.count("&lt;script&gt;") == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"page": None}, "a.pdf"),
        ({"page": 3}, "a.pdf, page 3"),
        ({"page": 3, "later_pages": ((4, 90), (5, 120))}, "a.pdf, pages 3–5"),
        ({"page": 4, "unit": "slide"}, "a.pdf, slide 4"),
        ({"page": 1, "unit": "slide", "later_pages": ((2, 90),)}, "a.pdf, slides 1–2"),
        ({"page": 2, "unit": "sheet"}, "a.pdf, sheet 2"),
        ({"page": 2, "unit": "sheet", "cells": "Prices!A2:F9"}, "a.pdf, Prices!A2:F9"),
        ({"page": None, "cells": "A2:F9"}, "a.pdf, cells A2:F9"),
        ({"page": 2, "part": "report.pdf"}, "a.pdf › report.pdf, page 2"),
        ({"page": None, "part": "docs/a.md"}, "a.pdf › docs/a.md"),
    ],
)
def test_a_place_is_where_a_person_would_look(fields: dict[str, Any], said: str) -> None:
    passage = replace(PASSAGE, **fields)
    assert place(passage) == said
    citation = replace(
        ANSWER.citations[0], **{name: value for name, value in fields.items() if name != "later_pages"}
    )
    assert place(citation) == said.replace("s 3–5", " 3").replace("s 1–2", " 1")


def test_text_that_ocr_was_not_sure_of_is_marked_and_other_names_are_told() -> None:
    def shown(confidence: float | None, *also: str) -> str:
        citation = replace(ANSWER.citations[0], confidence=confidence, also=also)
        return str(replace(ANSWER, citations=(citation,))).splitlines()[3]

    assert shown(None) == shown(0.95) == "  [1] a.pdf, page 3"
    assert shown(0.6) == "  [1] a.pdf, page 3 (read by OCR, may contain errors)"
    assert shown(None, "b/a.pdf", "c.pdf") == "  [1] a.pdf, page 3 (also b/a.pdf, c.pdf)"
    assert shown(0.0, "c.pdf") == "  [1] a.pdf, page 3 (read by OCR, may contain errors; also c.pdf)"
    doubtful = replace(ANSWER, citations=(replace(ANSWER.citations[0], confidence=0.5),))
    assert r"page 3** \(read by OCR, may contain errors\)" in doubtful._repr_markdown_()
    assert answer_json(doubtful)["citations"][0]["confidence"] == 0.5
    unsure = replace(REFUSED, hits=(Hit(passage=replace(PASSAGE, confidence=0.5), score=1.0),))
    assert "a.pdf, page 3 (read by OCR, may contain errors): Staff" in str(unsure)


def test_json_has_the_documented_shape() -> None:
    assert json.loads(json.dumps(answer_json(ANSWER))) == {
        "question": "How much?",
        "searched_for": "",
        "answer": "27 days. [1]",
        "refused": False,
        "reason": "",
        "unmentioned": [],
        "citations": [{"marker": 1, "document": "a.pdf", "page": 3, "quote": QUOTE, **PLACE_JSON}],
        "unsupported": [],
        "hits": [
            {
                "document": "a.pdf",
                "page": 3,
                "text": QUOTE,
                "score": 0.5,
                **PLACE_JSON,
                "dense": 0.87,
                "lexical": None,
                "covered": 0.5,
                "reranked": None,
                "ranks": {"dense": 2, "lexical": None, "fused": 1, "reranked": None},
                "marker": 1,
                "cited": True,
                "log_odds": None,
                "left_out": None,
                "cut": 0,
            }
        ],
        "model": "tiny",
        "engine": "echo",
        "prompt_tokens": 100,
        "answer_tokens": 6,
        "log_odds": None,
        "timings": {
            "retrieve": 0.1,
            "first_token": 1.26,
            "total": 2.0,
            "queued": 0.0,
            "rewrite": 0.0,
            "read": 1.16,
            "write": 0.74,
        },
    }


def test_a_sentence_without_source_is_told_in_words() -> None:
    unsure = replace(ANSWER, text="It has wings. [?]", unsupported=("It has wings.",), citations=())
    assert "[?] No passage holds this sentence: check it before you rely on it." in str(unsure).splitlines()
    assert answer_json(unsure)["unsupported"] == ["It has wings."]


def test_a_sync_report_in_words_and_json() -> None:
    report = SyncReport(
        added=2,
        changed=0,
        removed=1,
        unchanged=3,
        failed=(Failure(document="x.pdf", reason="it is encrypted"),),
        passages=9,
        seconds=1.25,
    )
    assert report_text(report) == (
        "2 added, 0 changed, 1 removed, 3 unchanged, 1 failed; 9 passages; 1.2 s\n"
        "  failed: x.pdf: it is encrypted"
    )
    assert report_json(report) == {
        "added": 2,
        "changed": 0,
        "removed": 1,
        "unchanged": 3,
        "waiting": 0,
        "ignored": 0,
        "passages": 9,
        "seconds": 1.25,
        "failed": [{"document": "x.pdf", "reason": "it is encrypted"}],
    }
