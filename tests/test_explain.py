"""What an answer tells of itself: what the model was shown, how long it took, what only the question has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag import Rag, Scope
from rag.config import Config
from rag.datatypes import Generation, Hit, Passage, Prompt, Reading, Usage
from rag.engines.echo import EchoEngine
from rag.explain import accounted, start_of
from rag.prompt import fit
from rag.unmentioned import is_in, telling, unmentioned

Write = Callable[[str, str], Path]
TEXT = "The lamp is lit at dusk. The keeper rings the bell. The boat comes on Monday."


def hit(text: str, *, start: int = 0, source: str = "a.md") -> Hit:
    passage = Passage(source=source, digest=source, start=start, end=start + len(text), text=text)
    return Hit(passage=passage, score=1.0)


def words(prompt: Prompt) -> int:
    return sum(len(message.text.split()) for message in prompt.messages)


def fitted_accounts(*hits: Hit, budget: int) -> list[tuple[int, str | None, int]]:
    fitted = fit("When is the lamp lit?", hits, count=words, budget=budget)
    told = accounted(hits, fitted, [each.passage.id for each in hits], {})
    return [(each.marker, each.left_out, each.cut) for each in told]


def test_every_hit_tells_whether_the_model_was_shown_it_and_how_much() -> None:
    hits = (hit(TEXT), hit(TEXT, source="b.md"), hit(TEXT, source="c.md"))
    empty = words(fit("When is the lamp lit?", (), count=words, budget=10**6).prompt)
    one, cut = len(TEXT.split()) + 2, len(" The boat comes on Monday.")
    assert fitted_accounts(*hits, budget=empty + 3 * one) == [(1, None, 0), (2, None, 0), (3, None, 0)]
    assert fitted_accounts(*hits, budget=empty + one) == [(1, None, 0), (0, "room", 0), (0, "room", 0)]
    assert fitted_accounts(*hits, budget=empty + 2 * one - 1) == [
        (1, None, 0),
        (2, None, cut),
        (0, "room", 0),
    ]


def test_hits_that_fit_no_question_are_told_apart_from_those_without_room() -> None:
    nothing = fit("Who?", (), count=words, budget=10**6)
    (told,) = accounted([hit(TEXT)], nothing, [], {})
    assert (told.marker, told.left_out) == (0, "unfit")


def test_hits_that_were_not_worth_reading_are_told_apart() -> None:
    hits = [hit(TEXT, source=f"{name}.md") for name in "abcd"]
    fitted = fit("When is the lamp lit?", hits[1:2], count=words, budget=10**6)
    chosen, read = [each.passage.id for each in hits[:3]], {start_of(hits[0].passage): -2.0}
    told = accounted(hits, fitted, chosen, read)
    assert [each.left_out for each in told] == ["doubted", None, "unread", "behind"]
    assert [each.log_odds for each in told] == [-2.0, None, None, None]


def test_the_stages_make_up_the_whole_time(config: Config, write: Write) -> None:
    class Slow(EchoEngine):
        def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
            time.sleep(0.2)
            yield from super().stream(prompt, options)
            time.sleep(0.1)

    write("bell.md", TEXT)
    with Rag(config, engine=Slow()) as rag:
        rag.sync()
        rag.warm_up()
        first = rag.ask("Who rings the bell?")
        second = rag.ask("What about the third one?", history=[first])
        refused = Rag(config).ask("Who won the Tour de France?")
    for answer in (first, second, refused):
        spent = answer.timings
        assert spent.retrieve + spent.read + spent.write == pytest.approx(spent.total)
        assert 0 <= spent.rewrite <= spent.retrieve
    assert first.timings.rewrite == 0
    assert second.timings.rewrite >= 0.2
    assert first.timings.read >= 0.2
    assert first.timings.write >= 0.1
    assert refused.timings.read < 0.1


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many days of paternity leave are there on Mars?", ["days", "paternity", "leave", "Mars"]),
        ("Which city was John Calvin born in?", ["John", "Calvin"]),
        ("What Swiss city was the center of the movement?", ["Swiss", "center", "movement"]),
        ("What is user_name in C++ 2.0 typically?", ["user_name", "C++", "2.0"]),
        ("Does the keeper's lamp shine in 1998?", ["keeper", "lamp", "shine", "1998"]),
        ("璩霖进士担任什么职务？", ["璩霖", "进士"]),
        ("火星上的咖啡机多少钱？", ["火星", "咖啡机"]),
        ("為什麼臺灣的茶園沒有機器人？", ["臺灣", "茶園", "機器人"]),
        ("Is it?", []),
        ("", []),
    ],
)
def test_the_telling_words_of_a_question_are_its_names_and_numbers(
    question: str, expected: list[str]
) -> None:
    assert list(telling(question)) == expected


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("He painted it.", "painting", True),
        ("The ＣＡＦÉ opens.", "cafe", True),
        ("台湾的茶园", "臺灣", True),
        ("The war began.", "warden", False),
        ("1,200 men", "1200", True),
        ("Mr O’Brien", "O'Brien", True),
        ("over WiFi", "Wi-Fi", True),
        ("over Wi-Fi", "WiFi", True),
        ("set maxTokens", "max_tokens", True),
        ("state of the art", "state-of-the-art", True),
        ("he had at a pinch", "data", False),
        ("Built in 1935.", "3.5", False),
        ("the mailing list is long", "e-mail", False),
        ("disco opens at 9", "co-op", False),
        ("It lasts 3.5 days", "35", False),
    ],
)
def test_a_word_is_found_in_any_of_its_forms(text: str, word: str, expected: bool) -> None:  # noqa: FBT001
    assert is_in(text, word) is expected


def test_no_more_than_a_few_words_are_named_and_a_long_question_is_not_looked_through() -> None:
    asked: list[str] = []

    def is_mentioned(word: str) -> bool:
        asked.append(word)
        return len(asked) > 7

    assert len(unmentioned(" ".join(f"word{n}" for n in range(900)), is_mentioned)) == 5
    asked = ["x"] * 8
    assert unmentioned(" ".join(f"word{n}" for n in range(900)), is_mentioned) == ()
    assert len(asked) == 8 + 24


@pytest.mark.parametrize(
    ("question", "scope", "expected"),
    [
        ("Does the keeper get paternity leave on Mars?", Scope(), ("paternity", "leave", "Mars")),
        ("Does the keeper's captain sail?", Scope(), ()),
        ("Does the keeper's captain sail?", Scope(places=("bell.md",)), ("captain", "sail")),
        ("守灯人在火星上敲钟吗？", Scope(), ("火星",)),
        ("守灯人喂猫吗？", Scope(places=("bell.md",)), ()),  # no Chinese document
    ],
)
def test_a_refusal_names_the_words_that_no_document_has(
    config: Config, write: Write, question: str, scope: Scope, expected: tuple[str, ...]
) -> None:
    class Refusing(EchoEngine):
        def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
            yield "The documents do not answer this question."
            yield Usage(prompt_tokens=9, answer_tokens=9)

    write("bell.md", TEXT)
    write("灯塔.md", "守灯人每晚敲钟。")
    write("sea.md", "A captain sails the sea.")
    with Rag(config.model_copy(update={"top_k": 1}), engine=Refusing()) as rag:
        rag.sync()
        answer = rag.ask(question, scope=scope)
        assert answer.refused
        assert answer.unmentioned == expected
