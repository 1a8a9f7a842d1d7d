"""What an evaluation counts as found and as read, where passages are read one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rag.config import Config
from rag.datatypes import Answer, Generation, Prompt, Reading, Usage
from rag.engines.echo import EchoEngine
from rag.evaluate.page import to_html
from rag.evaluate.report import summarise, to_json, to_table
from rag.evaluate.run import Asked, _answered, _search
from rag.evaluate.sets import Question
from rag.pipeline import Rag

SURE, UNLIKELY = 9.0, -9.0
BOATS = ("Heron", "Kestrel", "Egret")
QUESTION = "Which boat costs eleven crowns?"
TIDE = "The Egret sails with the tide."


class Judging(EchoEngine):
    """Is sure of a prompt that shows a boat whose name it is given, and of no other."""

    judges = True

    def __init__(self, *sure: str, word_tokens: int = 1) -> None:
        super().__init__()
        self.sure = sure
        self.word_tokens = word_tokens  # of the passages: with many, a long passage is cut

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        shown = "".join(prompt.messages[-1].parts[:-1])
        odds = SURE if any(f"{name}.txt" in shown for name in self.sure) else UNLIKELY
        if options.least_answerable is not None and odds < options.least_answerable:
            yield Usage(prompt_tokens=9, answer_tokens=0, finish="unanswerable", answerable=odds)
            return
        for event in super().stream(prompt, options):
            yield replace(event, prompt_tokens=9, answerable=odds) if isinstance(event, Usage) else event

    def count_tokens(self, prompt: Prompt) -> int:
        words = sum(len(part.split()) for part in prompt.messages[-1].parts)
        return words * self.word_tokens


@pytest.fixture
def boats(config: Config) -> Config:
    """Three documents that are found for the question alike."""
    for name in BOATS:
        text = f"The {name} is a boat that costs eleven crowns."
        (config.data_dir / f"{name}.txt").write_text(text, encoding="utf-8")
    return config


def asked(config: Config, engine: Judging, *about: str, quote: str = "") -> list[Asked]:
    """Ask of each boat named, whose document is taken for the one that holds the answer."""
    with Rag(config, engine=engine) as rag:
        rag.sync()
        return [
            _answered(rag, _search(rag, _question(name, answers=(name,), quote=quote), variant="as set"))
            for name in about
        ]


def _question(name: str, *, answers: tuple[str, ...], quote: str = "") -> Question:
    quotes = (quote,) if quote else ()
    return Question(id=name, text=QUESTION, document=f"{name}.txt", answers=answers, quotes=quotes)


def told(some: list[Asked]) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(to_json(summarise(some, made={})))
    return whole


def order(config: Config) -> list[str]:
    """Return the boats as they are found."""
    (each,) = asked(config, Judging(*BOATS), "Heron")
    assert each.answer is not None
    return [hit.passage.source.removesuffix(".txt") for hit in each.answer.hits]


def test_gold_that_was_read_and_doubted_was_found(boats: Config) -> None:
    first, second, _ = order(boats)
    whole = told(asked(boats, Judging(second), first, second))
    doubted, right = whole["questions"]
    assert [(each["found"], each["read"]) for each in whole["questions"]] == [(True, 2), (True, 2)]
    assert (doubted["contained"], right["contained"]) == (0.0, 1.0)
    figures = whole["answer"]
    assert (figures["contained_where_found"]["value"], figures["contained_where_found"]["n"]) == (0.5, 2)
    assert figures["f1_where_found"]["n"] == 2
    assert figures["f1_where_found"]["value"] == pytest.approx((doubted["f1"] + right["f1"]) / 2)


def test_gold_that_was_left_unread_was_found(boats: Config) -> None:
    first, _, last = order(boats)
    (record,) = told(asked(boats, Judging(first), last))["questions"]
    assert (record["found"], record["read"], record["contained"]) == (True, 1, 0.0)


def test_gold_that_the_search_did_not_return_was_not_found(boats: Config) -> None:
    first, *_, last = order(boats)
    one = boats.model_copy(update={"top_k": 1})
    whole = told(asked(one, Judging(first), first, last))
    assert [each["found"] for each in whole["questions"]] == [True, False]
    assert whole["answer"]["f1"]["n"] == 2
    assert whole["answer"]["f1_where_found"]["n"] == 1
    assert whole["answer"]["contained_where_found"]["value"] == 1.0


def test_gold_that_a_full_prompt_cut_off_was_found(config: Config) -> None:
    text = "The Egret is a boat that costs eleven crowns. " * 12 + TIDE
    (config.data_dir / "Egret.txt").write_text(text, encoding="utf-8")
    (each,) = asked(config, Judging("Egret", word_tokens=40), "Egret", quote=TIDE)
    assert each.answer is not None
    (hit,) = each.answer.hits
    assert hit.cut > len(TIDE)
    assert TIDE not in hit.passage.text
    assert each.found


def test_every_passage_is_read_before_an_answer_is_refused(boats: Config) -> None:
    (record,) = told(asked(boats, Judging(), "Heron"))["questions"]
    assert (record["refused"], record["read"], record["f1"]) == (True, 3, 0.0)


def test_what_is_quoted_without_the_model_was_not_read(boats: Config) -> None:
    first, *_ = order(boats)
    (each,) = asked(boats, Judging(first), first)
    assert isinstance(each.answer, Answer)
    quoted = replace(each.answer, usage=Usage(prompt_tokens=0, answer_tokens=0))
    both = told([each, replace(each, answer=quoted)])
    assert [record["read"] for record in both["questions"]] == [1, 0]
    assert both["tokens"]["passages_read"]["value"] == 0.5


def test_table_and_page_tell_how_many_passages_were_read(boats: Config) -> None:
    first, second, _ = order(boats)
    some = [*asked(boats, Judging(first), first), *asked(boats, Judging(second), first)]
    report = summarise(some, made={})
    assert "tokens.passages_read" in to_table(report)
    assert "1.500 [1.000-2.000] n=2" in to_table(report)
    page = to_html(report)
    assert "tokens and passages a question" in page
    assert ">passages_read<" in page
    assert "1.500 [1.000-2.000] n=2" in page
