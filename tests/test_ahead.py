"""Passages are read ahead, the most found first, and whoever asks comes before them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from rag.ahead import keep_reading, read_ahead
from rag.config import Config
from rag.datatypes import Answer, Progress, Prompt, Queued, Reading
from rag.engines.echo import EchoEngine
from rag.errors import ConfigError, EngineError
from rag.pipeline import Rag

BOATS = ("Heron", "Kestrel", "Egret", "Plover")
STEPS = 5


class Keeping(EchoEngine):
    """Keeps the names of boats that it has read to the end, as many as it has room for."""

    keeps = True

    def __init__(self, *, room: int = 99) -> None:
        super().__init__()
        self.room = room
        self.read_so_far: list[str] = []
        self.used: list[str] = []
        self.at_step: Callable[[str, int], None] = lambda *_: None

    def read(self, prompt: Prompt) -> Generator[Reading, None, bool]:
        (passage, _) = prompt.messages[-1].parts
        (boat,) = (name for name in BOATS if name in passage)
        if boat not in self.read_so_far and len(self.read_so_far) < self.room:
            for step in range(STEPS):
                self.at_step(boat, step)
                yield Reading(done=step, total=STEPS)
            self.read_so_far.append(boat)
        if boat in self.read_so_far:
            self.used.append(boat)
        return boat in self.read_so_far


@pytest.fixture(autouse=True)
def _documents(write: Callable[[str, str], Path]) -> None:
    for name in BOATS:
        write(f"{name}.md", f"The {name} is a boat, and an hour of it costs eleven crowns.")


def opened(config: Config, engine: Keeping) -> Rag:
    rag = Rag(config, engine=engine)
    rag.sync()
    return rag


def test_all_passages_are_read_and_those_that_were_found_first(config: Config) -> None:
    engine = Keeping()
    rag = opened(config.model_copy(update={"top_k": 1}), engine)
    for _ in range(2):
        rag.ask("What does the Plover cost?")
    rag.ask("What does the Kestrel cost?")
    told: list[Progress] = []
    assert read_ahead(rag, told.append, threading.Event()) == (4, 4)
    assert engine.read_so_far == ["Plover", "Kestrel", "Egret", "Heron"]
    assert [(each.done, each.total) for each in told] == [(done, 4) for done in range(5)]


def test_where_not_all_have_room_the_most_found_are_used_last_and_so_go_last(config: Config) -> None:
    engine = Keeping(room=3)
    rag = opened(config.model_copy(update={"top_k": 1}), engine)
    for _ in range(2):
        rag.ask("What does the Plover cost?")
    rag.ask("What does the Kestrel cost?")
    assert read_ahead(rag, lambda _: None, threading.Event()) == (3, 4)
    assert engine.used == ["Plover", "Kestrel", "Egret", "Egret", "Kestrel", "Plover"]


def test_a_question_stops_the_reading_at_once_and_the_passage_is_read_after_it(config: Config) -> None:
    engine = Keeping()
    rag = opened(config, engine)
    begun, came, answered = threading.Event(), threading.Event(), threading.Event()
    steps: list[tuple[str, int]] = []

    def at_step(boat: str, step: int) -> None:
        steps.append((boat, step))
        if len(steps) == 2:
            begun.set()
            came.wait(10)

    def ask() -> None:
        begun.wait(10)
        stream = rag.stream("What does the Heron cost?")
        assert isinstance(next(stream), Queued)
        came.set()
        answer = list(stream)[-1]
        assert isinstance(answer, Answer)
        assert not engine.read_so_far
        assert "eleven crowns" in answer.text
        answered.set()

    engine.at_step = at_step
    asking = threading.Thread(target=ask)
    asking.start()
    assert read_ahead(rag, lambda _: None, threading.Event()) == (4, 4)
    asking.join(10)
    assert answered.is_set()
    assert steps[:3] == [("Egret", 0), ("Egret", 1), ("Egret", 0)]


def test_it_stops_when_told_and_where_there_is_no_room(config: Config) -> None:
    engine, stop = Keeping(), threading.Event()
    engine.at_step = lambda boat, step: stop.set() if (boat, step) == ("Heron", 1) else None
    assert read_ahead(opened(config, engine), lambda _: None, stop) == (1, 4)
    assert engine.read_so_far == ["Egret"]
    assert read_ahead(opened(config, Keeping(room=2)), lambda _: None, threading.Event()) == (2, 4)


def test_an_engine_that_keeps_nothing_says_so(config: Config) -> None:
    rag = Rag(config)
    with pytest.raises(ConfigError, match="the echo engine keeps nothing of what it reads"):
        read_ahead(rag, lambda _: None, threading.Event())


def test_the_service_reads_what_a_sync_has_brought_and_waits_while_one_runs(
    config: Config, write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.ahead.SECONDS", 0.01)
    engine, stop, told = Keeping(), threading.Event(), list[str]()
    rag = opened(config, engine)
    (config.data_dir / "Heron.md").unlink()
    rag.sync()
    reading = threading.Thread(target=keep_reading, args=(rag, stop, told.append))
    with rag._syncing:
        reading.start()
        reading.join(0.2)
        assert engine.read_so_far == []
    wait_for(lambda: len(engine.read_so_far) == 3)
    wait_for(lambda: rag.reading_ahead is not None and rag.reading_ahead.done == 3)
    assert rag.reading_ahead
    assert rag.reading_ahead.total == 3
    write("Heron.md", "The Heron is back, for twelve crowns.")
    rag.sync()
    wait_for(lambda: engine.read_so_far[3:] == ["Heron"])
    stop.set()
    reading.join(10)
    assert not reading.is_alive()


def test_what_goes_wrong_is_told_and_tried_again_when_the_index_has_changed(
    config: Config, write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.ahead.SECONDS", 0.01)
    engine, stop, told = Keeping(), threading.Event(), list[str]()
    engine.at_step = fail
    rag = opened(config, engine)
    reading = threading.Thread(target=keep_reading, args=(rag, stop, told.append))
    reading.start()
    wait_for(lambda: told == ["the model is tired"])
    engine.at_step = lambda *_: None
    write("Heron.md", "The Heron is back, for twelve crowns.")
    rag.sync()
    wait_for(lambda: len(engine.read_so_far) == 4)
    stop.set()
    reading.join(10)
    assert len(told) == 1


def fail(boat: str, step: int) -> None:
    raise EngineError("the model is tired")


def test_a_file_that_is_there_twice_is_read_once(config: Config) -> None:
    (config.data_dir / "copy.md").write_bytes((config.data_dir / "Heron.md").read_bytes())
    assert read_ahead(opened(config, Keeping()), lambda _: None, threading.Event()) == (4, 4)


def wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)
