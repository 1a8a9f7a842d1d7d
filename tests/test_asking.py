"""What `rag ask` shows in a terminal while the answer is awaited."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rag.asking import _show
from rag.datatypes import Answer, Event, Hit, Passage, Queued, Reading, Retrieved, Token


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def hit(text: str) -> Hit:
    return Hit(passage=Passage(source="a.md", digest="d", start=0, end=len(text), text=text), score=1.0)


def test_the_terminal_tells_which_passage_of_how_many_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = hit("one"), hit("two")

    def events() -> Iterator[Event]:
        yield Queued(place=1)
        yield Retrieved(hits=(replace(one, marker=1), replace(two, left_out="unread")))
        yield Reading(done=128, total=300)
        yield Retrieved(hits=(replace(one, log_odds=-1.0, left_out="doubted"), replace(two, marker=1)))
        yield Reading(done=128, total=200)
        yield Token(text="It is two.")
        yield Answer(question="q", text="It is two.")

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert _show(events(), why=False).text == "It is two."
    assert [each for each in re.split(r"\r\033\[K", terminal.getvalue()) if each] == [
        "waiting: place 1 in the queue",
        "reading passage 1 of 2: 128 of 300 tokens",
        "reading passage 2 of 2: 128 of 200 tokens",
    ]


def test_passages_that_are_read_together_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = Retrieved(hits=tuple(replace(hit(text), marker=n) for n, text in enumerate(("one", "two"), 1)))
    _show(iter([shown, Reading(done=1, total=9), Answer(question="q", text="")]), why=False)
    assert "reading: 1 of 9 tokens" in terminal.getvalue()
