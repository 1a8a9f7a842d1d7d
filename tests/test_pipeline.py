"""From documents to an answer and its sources, with the echo engine and the hashing embedder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag import Answer, ConfigError, InputError, ModelError, Queued, Rag, Retrieved, Token
from rag.config import Config
from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.echo import EchoEngine
from rag.prompt import NO_ANSWER

Write = Callable[[str, str], Path]

LEAVE = "# Handbook\n\n## Leave\n\nEvery member of staff has 27 days of paid leave a year.\n"
SCANNER = "# Scanner\n\nThe Amberline scanner is recalibrated after every 4,500 pages.\n"
TEA = "# 手册\n\n## 年假\n\n正式员工每年有十九天带薪年假。\n"


@pytest.fixture(autouse=True)
def _documents(write: Write) -> None:
    write("leave.md", LEAVE)
    write("scanner.md", SCANNER)
    write("茶厂/手册.md", TEA)


def test_the_events_come_in_order_and_the_tokens_join_to_the_answer(rag: Rag) -> None:
    rag.sync()
    events = list(rag.stream("How many days of paid leave has a member of staff?"))
    kinds = [type(event) for event in events if not isinstance(event, Token)]
    assert kinds == [Retrieved, Reading, Answer]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert "".join(event.text for event in events if isinstance(event, Token)) == answer.text
    assert "27 days" in answer.text


@pytest.mark.parametrize(
    ("question", "document", "quote"),
    [
        ("How many days of paid leave a year?", "leave.md", "27 days of paid leave a year."),
        ("年假有几天？", "茶厂/手册.md", "正式员工每年有十九天带薪年假。"),
    ],
)
def test_an_answer_cites_its_place(
    rag: Rag, config: Config, question: str, document: str, quote: str
) -> None:
    rag.sync()
    answer = rag.ask(question)
    citation = answer.citations[0]
    assert (citation.document, citation.marker) == (document, 1)
    text = (config.data_dir / document).read_text(encoding="utf-8")
    assert text[citation.start : citation.end] == citation.quote
    assert quote in text[citation.start : citation.end]


def test_an_answer_tells_what_made_it(rag: Rag, config: Config) -> None:
    rag.sync()
    answer = rag.ask("How many days of paid leave?")
    assert (answer.engine, answer.model, answer.config_hash) == ("echo", "echo", config.hash)
    assert answer.usage.answer_tokens > 0
    assert 0 < answer.timings.retrieve <= answer.timings.first_token <= answer.timings.total


def test_nothing_relevant_is_refused_without_asking_the_model(config: Config) -> None:
    class Forbidden(EchoEngine):
        def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
            raise AssertionError("the model was asked")

    with Rag(config, engine=Forbidden()) as rag:
        rag.sync()
        english, chinese = rag.ask("Who won the Tour de France?"), rag.ask("谁发明了望远镜？")
    assert (english.refused, english.text) == (True, NO_ANSWER["en"])
    assert (chinese.refused, chinese.text) == (True, NO_ANSWER["zh"])
    assert english.usage.answer_tokens == 0


@pytest.mark.parametrize("events", [1, 2, 3, 8])
def test_closing_the_stream_stops_the_engine_at_once(config: Config, events: int) -> None:
    told: list[str] = []

    class Watched(EchoEngine):
        def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
            try:
                for event in super().stream(prompt, options):
                    told.append("event")
                    yield event
            finally:
                told.append("closed")

    with Rag(config, engine=Watched()) as rag:
        rag.sync()
        stream = rag.stream("How many days of paid leave?")
        for _ in range(events):
            next(stream)
        before = len(told)
        stream.close()
        assert told[before:] == (["closed"] if before else [])
        assert "27 days" in rag.ask("How many days of paid leave?").text


async def test_the_chain_is_a_runnable_that_invokes_and_streams_alike(rag: Rag) -> None:
    rag.sync()
    asked = {"question": "How many days of paid leave?", "history": []}
    invoked, ainvoked = rag.chain.invoke(asked), await rag.chain.ainvoke(asked)
    assert "27 days" in invoked["cited"].text
    assert ainvoked["cited"] == invoked["cited"]
    assert next(list(chunk) for chunk in rag.chain.stream(asked)) == ["question", "history"]


def test_off_the_documents_a_conversation_is_refused_without_asking_the_model(config: Config) -> None:
    asked: list[str] = []

    class Counting(EchoEngine):
        def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
            asked.append(prompt.messages[-1].parts[-1])
            yield from super().stream(prompt, options)

    with Rag(config, engine=Counting()) as rag:
        rag.sync()
        first = rag.ask("How many days of paid leave?")
        second = rag.ask("Who won the 1998 world cup?", history=[first])
        third = rag.ask("Sorry, pardon?", history=[first])
    assert (second.refused, second.text) == (True, NO_ANSWER["en"])
    assert (third.refused, third.citations[0].document) == (False, "leave.md")
    assert [text.partition("\n")[0] for text in asked] == [
        "Question: How many days of paid leave?",
        "Question: Sorry, pardon?",
    ]


def test_a_second_question_is_told_its_place_and_then_answered(config: Config) -> None:
    with Rag(config, engine=EchoEngine(seconds_per_token=0.01)) as rag:
        rag.sync()
        first = rag.stream("How many days of paid leave?")
        assert isinstance(next(first), Retrieved)
        seen: list[object] = []
        asked = threading.Thread(
            target=lambda: seen.extend(rag.stream("How many pages does the scanner make?"))
        )
        asked.start()
        deadline = time.monotonic() + 10
        while not seen:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert seen[0] == Queued(place=1)
        answered = list(first)
        asked.join(20)
    unqueued = next(event for event in reversed(answered) if isinstance(event, Answer))
    assert isinstance(seen[-1], Answer)
    assert seen[-1].timings.queued > 10 * unqueued.timings.queued


def test_an_empty_index_says_what_to_do(config: Config) -> None:
    with (
        Rag(config) as rag,
        pytest.raises(InputError, match=r"no documents are indexed; put some into .* `rag sync`"),
    ):
        rag.ask("Anything?")


def test_a_missing_model_says_how_to_fetch_it(config: Config, tmp_path: Path) -> None:
    missing = config.model_copy(update={"engine": "ipex", "models_dir": tmp_path / "models"})
    with Rag(missing) as rag:
        rag.sync()
        with pytest.raises(ModelError, match="rag models pull"):
            rag.ask("How many days of paid leave?")


def test_answers_go_on_during_a_sync(rag: Rag, write: Write) -> None:
    rag.sync()
    for number in range(60):
        write(f"more/{number}.md", f"# Note {number}\n\nThe cabinet {number} holds {number * 7} maps.\n")
    syncing = threading.Thread(target=rag.sync)
    syncing.start()
    while syncing.is_alive():
        assert "27 days" in rag.ask("How many days of paid leave a year?").text
    syncing.join()
    assert len(rag.documents()) == 63


def test_a_setting_that_leaves_no_room_for_passages_is_named(config: Config) -> None:
    with Rag(config.model_copy(update={"max_tokens": 4000})) as rag:
        rag.sync()
        with pytest.raises(
            ConfigError, match="max_tokens=4000 leaves no room for passages in the 4096 tokens of echo"
        ):
            rag.ask("How many days of paid leave?")


def test_a_rebuild_that_cannot_begin_leaves_the_index_alone(config: Config) -> None:
    with Rag(config) as rag:
        rag.sync()
    with Rag(config.model_copy(update={"data_dir": config.data_dir / "typo"})) as rag:
        with pytest.raises(ConfigError, match="typo"):
            rag.rebuild()
        assert "27 days" in rag.ask("How many days of paid leave?").text
