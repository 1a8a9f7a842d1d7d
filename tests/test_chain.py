"""The chain streams its steps, stops at once wherever it is, and asks the LLM what is meant if it must."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import cast

import pytest

from rag.chain import _read
from rag.chat_model import EngineChatModel
from rag.config import Config
from rag.datatypes import Answer, Generation, Hit, Passage, Prompt, Reading, Retrieved, Scope, Token, Usage
from rag.engines.echo import EchoEngine
from rag.errors import InputError
from rag.pipeline import Rag
from rag.prompt import Fitted, fit
from rag.refuse import LEAST_ANSWERABLE, SURELY

BOATS = {
    "heron.md": "The Heron is a rowing boat. It costs eleven crowns an hour.",
    "kestrel.md": "The Kestrel is a sailing dinghy. An hour costs nineteen crowns.",
    "egret.md": "The Egret is an electric launch. Half a day of it costs ninety crowns.",
    "苍鹭.md": "苍鹭是划艇，每小时十一元。",
}
FIRST = Answer(question="How much does the Heron cost an hour?", text="Eleven crowns. [1]")
LIST = Answer(
    question="Which boats are let?",
    text="For four people there is the Heron, then comes the Kestrel, and for eight people the Egret. [1]",
)


class Scripted(EchoEngine):
    """Says its lines, a word at a time, and keeps what it was asked and whether it was stopped."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self.lines = list(lines)
        self.asked: list[Prompt] = []
        self.said = 0
        self.stopped = threading.Event()

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        self.asked.append(prompt)
        words = self.lines.pop(0).split(" ")
        try:
            yield Reading(done=9, total=9)
            for number, word in enumerate(words):
                self.said += 1
                yield word if number == 0 else f" {word}"
            yield Usage(prompt_tokens=9, answer_tokens=len(words))
        finally:
            self.stopped.set()


@pytest.fixture(autouse=True)
def _documents(write: Callable[[str, str], Path]) -> None:
    for name, text in BOATS.items():
        write(name, text)


def opened(config: Config, *lines: str) -> tuple[Rag, Scripted]:
    engine = Scripted(*lines)
    rag = Rag(config, engine=engine)
    rag.sync()
    return rag, engine


def test_a_follow_up_is_searched_for_and_put_to_the_model_as_what_it_means(config: Config) -> None:
    rag, engine = opened(config, "Nineteen crowns. [1]")
    events = list(rag.stream("And the Kestrel?", history=[FIRST]))
    retrieved = next(event for event in events if isinstance(event, Retrieved))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert retrieved.searched_for == answer.searched_for == "How much does the Kestrel cost an hour?"
    assert retrieved.hits[0].passage.source == "kestrel.md"
    assert [prompt.messages[-1].parts[-1] for prompt in engine.asked] == [
        "Question: How much does the Kestrel cost an hour?\nAnswer in English:"
    ]


def test_a_question_that_stands_alone_pays_nothing(config: Config) -> None:
    rag, engine = opened(config, "Ninety crowns. [1]")
    answer = rag.ask("How much does the Egret cost?", history=[FIRST])
    assert answer.searched_for == ""
    assert len(engine.asked) == 1


def test_the_model_reads_the_same_whatever_was_asked_before(config: Config) -> None:
    rag, engine = opened(config, *["Ninety crowns. [1]"] * 3)
    alone = rag.ask("How much does the Egret cost?")
    rag.ask("How much does the Egret cost?", history=[FIRST, LIST, alone])
    rag.ask("Why?", history=[alone])
    first, second, third = engine.asked
    assert second == first
    assert third.messages[: len(first.messages)] == first.messages


def test_what_is_not_known_in_so_many_words_is_put_as_asked_after_what_was_said(config: Config) -> None:
    rag, engine = opened(config, "A whole day. [1]", "十一元 [1]")
    answer = rag.ask("What about a day?", history=[FIRST])
    assert answer.searched_for == "How much does the Heron cost an hour? What about a day?"
    rag.ask("那苍鹭呢？", history=[FIRST])
    asked = [[message.parts[-1] for message in prompt.messages[-3:]] for prompt in engine.asked]
    before = ["Question: How much does the Heron cost an hour?\nAnswer in English:", "Eleven crowns."]
    assert asked == [
        [*before, "Question: What about a day?\nAnswer in English:"],
        [*before, "问题：那苍鹭呢？\n用中文回答："],
    ]


def test_what_was_answered_before_is_no_source(config: Config) -> None:
    rag, _ = opened(config, *["27 crowns for the Egret [1]."] * 2)
    before = Answer(question="Which deposit is due for a boat?", text="27 crowns [1].")
    follow_up = rag.ask("And for the Egret, half a day?", history=[before])
    assert "27 crowns" in follow_up.searched_for
    assert (
        follow_up.text == rag.ask("What costs the Egret, half a day?").text == "27 crowns for the Egret. [?]"
    )


@pytest.mark.parametrize("written", ["[1]", "。"])
def test_an_answer_that_says_nothing_is_none_in_the_question_s_language(config: Config, written: str) -> None:
    rag, _ = opened(config, written)
    answer = rag.ask("苍鹭每小时多少钱？")
    assert (answer.refused, answer.text) == (True, "文档中没有这个问题的答案。")


def test_the_llm_is_asked_what_is_meant_where_the_rules_cannot_tell(config: Config) -> None:
    rag, engine = opened(config, "How much does the Egret cost?", "Ninety crowns. [1]")
    answer = rag.ask("How much does the third one cost?", history=[LIST])
    assert answer.searched_for == "How much does the Egret cost?"
    assert answer.hits[0].passage.source == "egret.md"
    assert answer.text.startswith("Ninety")
    assert engine.asked[0].messages[-1].text == (
        f"Question: Which boats are let?\nAnswer: {LIST.text}\n\n"
        "Question: How much does the third one cost?\n\n"
        "Write the last question as one that can be understood without the conversation, naming what it "
        "means. Do not answer it.\nThe question:"
    )


def test_what_the_llm_invents_is_not_searched_for(config: Config) -> None:
    rag, _ = opened(config, "How much does the Titanic cost?", "Ninety crowns. [1]")
    answer = rag.ask("How much does the third one cost?", history=[LIST])
    assert answer.searched_for == ("Which boats are let? How much does the third one cost?")


@pytest.mark.parametrize("events", [1, 2, 4])
def test_a_rewriting_is_stopped_at_once(config: Config, events: int) -> None:
    rag, engine = opened(config, "How much " * 20)
    stream = rag.stream("How much does the third one cost?", history=[LIST])
    seen = [next(stream) for _ in range(events)]
    stream.close()
    assert all(isinstance(event, Reading) for event in seen)
    assert engine.stopped.is_set()
    assert engine.said <= events


async def test_the_chain_streams_the_same_from_a_coroutine(config: Config) -> None:
    rag, _ = opened(config, *["Nineteen crowns. [1]"] * 2)
    asked = {"question": "And the Kestrel?", "history": [FIRST]}
    chunks = list(rag.chain.stream(asked))
    achunks = [chunk async for chunk in rag.chain.astream(asked)]
    assert [list(chunk) for chunk in achunks] == [list(chunk) for chunk in chunks]
    assert list(chunks[0]) == ["question", "history"]
    assert list(chunks[1]) == ["searched_for", "hits", "chosen"]
    assert list(chunks[2]) == ["fitted"]
    assert {key for chunk in chunks[3:-1] for key in chunk} == {"message"}
    assert achunks[-1] == chunks[-1]


async def test_closing_the_coroutine_stops_the_engine(config: Config) -> None:
    rag, engine = opened(config, "word " * 500)
    stream = rag.chain.astream({"question": "How much does the Heron cost?", "history": []})
    async for chunk in stream:
        if "message" in chunk and chunk["message"].text:
            break
    await stream.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
    assert engine.stopped.is_set()
    assert engine.said < 500


async def test_cancelling_the_task_stops_the_engine_after_the_step_at_hand(config: Config) -> None:
    reached, going = threading.Event(), threading.Event()

    class Slow(Scripted):
        def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
            try:
                yield "Eleven"
                reached.set()
                going.wait(10)
                yield " crowns"
                self.said += 1
                yield " more"
            finally:
                self.stopped.set()

    engine = Slow()
    rag = Rag(config, engine=engine)
    rag.sync()
    task = asyncio.create_task(rag.chain.ainvoke({"question": "How much is the Heron?", "history": []}))
    await asyncio.to_thread(reached.wait, 10)
    task.cancel()
    going.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(engine.stopped.wait, 10)
    assert engine.said == 0


def test_a_prompt_in_which_the_engine_sees_no_answer_is_refused_without_a_word(config: Config) -> None:
    bars: list[float | None] = []

    class Doubting(EchoEngine):
        def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
            bars.append(options.least_answerable)
            assert options.refusals == ("unanswerable", "无法回答")
            yield Reading(done=9, total=9)
            yield Usage(prompt_tokens=9, answer_tokens=0, finish="unanswerable", answerable=-3.0)

    with Rag(config.model_copy(update={"caution": 1.5}), engine=Doubting()) as rag:
        rag.sync()
        answer = rag.ask("How much does the Heron cost an hour?")
        rag.ask("苍鹭每小时多少钱？")
    assert bars == [LEAST_ANSWERABLE["en"] + 1.5, LEAST_ANSWERABLE["zh"] + 1.5]
    assert (answer.refused, answer.text) == (True, "The documents do not answer this question.")
    assert answer.reason == "the model found no answer in the passages"
    assert (answer.usage.finish, answer.usage.answerable) == ("unanswerable", -3.0)


class Judging(EchoEngine):
    """Finds the answer as likely as it is told for the boat that a passage is about."""

    judges = True

    def __init__(self, **log_odds: float) -> None:
        super().__init__()
        self.log_odds = log_odds
        self.read: list[str] = []

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        shown = "".join(part for message in prompt.messages for part in message.parts[:-1])
        boats = [name for name in self.log_odds if name in shown]
        self.read.append(" ".join(boats))
        odds = max(self.log_odds[name] for name in boats)
        if options.least_answerable is not None and odds < options.least_answerable:
            yield Usage(prompt_tokens=9, answer_tokens=0, finish="unanswerable", answerable=odds)
            return
        if odds == SPEECHLESS:
            yield "unanswerable"
            yield Usage(prompt_tokens=9, answer_tokens=1, answerable=odds)
            return
        for event in super().stream(prompt, options):
            yield replace(event, prompt_tokens=9, answerable=odds) if isinstance(event, Usage) else event


SPEECHLESS = inf  # sure, and without a word for it
SURE, LIKELY, UNLIKELY = 9.0, (SURELY["en"] + LEAST_ANSWERABLE["en"]) / 2, -9.0
ALIKE = Scope(places=("alike/",))
CROWNS = "Which boat costs eleven crowns?"


def judged(config: Config, **log_odds: float) -> tuple[list[str], Answer, list[Retrieved]]:
    """Ask about three passages that are found for the question alike; return what was read, too."""
    (config.data_dir / "alike").mkdir(exist_ok=True)
    for name in log_odds:
        file = config.data_dir / "alike" / f"{name}.md"
        file.write_text(f"The {name} is a boat that costs eleven crowns.", encoding="utf-8")
    engine = Judging(**log_odds)
    with Rag(config, engine=engine) as rag:
        rag.sync()
        events = list(rag.stream(CROWNS, scope=ALIKE))
    answer = events[-1]
    assert isinstance(answer, Answer)
    text = "".join(event.text for event in events if isinstance(event, Token))
    assert text == answer.text
    return engine.read, answer, [event for event in events if isinstance(event, Retrieved)]


def test_no_passage_is_read_after_one_that_surely_holds_the_answer(config: Config) -> None:
    first, *_ = judged(config, Heron=SURE, Kestrel=SURE, Egret=SURE)[0]
    read, answer, _ = judged(config, Heron=SURE, Kestrel=SURE, Egret=SURE)
    assert read == [first]
    assert [hit.left_out for hit in answer.hits] == [None, "unread", "unread"]
    assert [hit.log_odds for hit in answer.hits] == [SURE, None, None]


def test_the_next_passage_is_read_where_one_is_in_doubt(config: Config) -> None:
    (first,), *_ = judged(config, Heron=SURE, Kestrel=SURE, Egret=SURE)
    odds = dict.fromkeys(("Heron", "Kestrel", "Egret"), SURE) | {first: LIKELY}
    read, answer, shown = judged(config, **odds)
    assert read[0] == first
    assert len(read) == 2
    assert [hit.left_out for hit in answer.hits] == ["doubted", None, "unread"]
    assert [hit.log_odds for hit in answer.hits] == [LIKELY, SURE, None]
    assert [hit.marker for hit in answer.hits] == [0, 1, 0]
    assert [[hit.marker for hit in each.hits] for each in shown] == [[1, 0, 0], [0, 1, 0]]
    assert [citation.document for citation in answer.citations] == [answer.hits[1].passage.source]
    assert (answer.usage.prompt_tokens, answer.usage.answerable) == (18, SURE)


def test_where_none_is_sure_the_likeliest_passage_answers(config: Config) -> None:
    read, answer, _ = judged(config, Heron=UNLIKELY, Kestrel=LIKELY, Egret=UNLIKELY)
    assert sorted(read[:3]) == ["Egret", "Heron", "Kestrel"]
    assert read[3:] == ["Kestrel"]
    assert [citation.document for citation in answer.citations] == ["alike/Kestrel.md"]
    assert not answer.refused


def test_where_none_is_likely_nothing_is_written(config: Config) -> None:
    read, answer, _ = judged(config, Heron=UNLIKELY, Kestrel=UNLIKELY + 1, Egret=UNLIKELY)
    assert sorted(read) == ["Egret", "Heron", "Kestrel"]
    assert (answer.refused, answer.text) == (True, "The documents do not answer this question.")
    assert answer.reason == "the model found no answer in the passages"
    assert [hit.passage.source for hit in answer.hits if hit.marker] == ["alike/Kestrel.md"]
    assert answer.usage.answerable == UNLIKELY + 1
    assert answer.timings.read > 0


def test_where_the_model_has_no_word_for_what_it_is_sure_of_it_reads_on(config: Config) -> None:
    (first,), *_ = judged(config, Heron=SURE, Kestrel=SURE, Egret=SURE)
    odds = dict.fromkeys(("Heron", "Kestrel", "Egret"), SURE) | {first: SPEECHLESS}
    read, answer, _ = judged(config, **odds)
    assert len(read) == 2
    assert [bool(hit.marker) for hit in answer.hits] == [False, True, False]
    assert not answer.refused


def test_with_less_caution_less_is_refused_but_nothing_is_read_sooner(config: Config) -> None:
    bold = config.model_copy(update={"caution": -20.0})
    read, answer, _ = judged(bold, Heron=UNLIKELY, Kestrel=UNLIKELY + 1, Egret=UNLIKELY)
    assert (len(read), read[-1]) == (4, "Kestrel")
    assert [citation.document for citation in answer.citations] == ["alike/Kestrel.md"]


def test_with_more_caution_it_must_be_surer(config: Config) -> None:
    wary = config.model_copy(update={"caution": SURE + 1})
    read, answer, _ = judged(wary, Heron=SURE, Kestrel=SURE, Egret=SURE)
    assert len(read) == 3
    assert answer.refused


def test_a_passage_without_room_is_passed_over() -> None:
    model = EngineChatModel(engine=Judging(Heron=UNLIKELY))
    count, empty = model.count_tokens, fit(CROWNS, (), count=model.count_tokens, budget=9999)

    def reading(text: str) -> Fitted:
        passage = Passage(source="a.md", digest="0", start=0, end=len(text), text=text)
        hit, budget = Hit(passage=passage, score=1.0), count(empty.prompt) + 40
        return fit(CROWNS, [hit], count=count, budget=budget)

    readings = [reading("crowns " * 99), reading("The Heron costs eleven crowns.")]
    assert [len(each.shown) for each in readings] == [0, 1]
    for some in (readings, readings[::-1], readings[:1]):
        *_, last = _read("en", some, model, 0.0)
        assert last["message"].text == "The documents do not answer this question."


def test_the_chain_takes_a_question_alone_and_refuses_what_is_none(config: Config) -> None:
    rag, _ = opened(config, *["Eleven crowns. [1]"] * 2)
    asked = "How much does the Heron cost?"
    assert rag.chain.invoke(asked)["cited"] == rag.chain.invoke({"question": asked})["cited"]
    with pytest.raises(InputError, match="the question is empty"):
        rag.chain.invoke({"question": " "})
    with pytest.raises(InputError, match="the question is no text but bytes"):
        rag.ask(cast("str", b"How much?"))
