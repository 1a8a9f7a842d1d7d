"""What the model says when it has no answer becomes nothing, however it is cut into pieces."""

from __future__ import annotations

import pytest

from rag.prompt import NO_ANSWER
from rag.refuse import Told, refusal, refuses

PASSAGES = ("The lamp was lit in 1950. 茶馆有二十 四人。",)


def told(text: str, *, pieces: int = 1) -> str:
    """Feed the text in pieces of so many characters."""
    each = Told(PASSAGES)
    parts = [text[start : start + pieces] for start in range(0, len(text), pieces)]
    return "".join(map(each.feed, parts)) + each.flush()


@pytest.mark.parametrize("pieces", [1, 2, 5, 100])
@pytest.mark.parametrize(
    "said",
    ["unanswerable", " Unanswerable.", '"unanswerable" [1], since it is not said', "无法回答。", "", " \n"],
)
def test_the_word_for_no_answer_becomes_nothing(said: str, pieces: int) -> None:
    assert told(said, pieces=pieces) == ""


@pytest.mark.parametrize("pieces", [1, 2, 5, 100])
@pytest.mark.parametrize("said", ["1950 [1]", "un", "Unanswered letters [1]", "  \nso", "二十四人 [1]", "19"])
def test_any_other_answer_is_passed_on_as_it_is(said: str, pieces: int) -> None:
    assert told(said, pieces=pieces) == said


@pytest.mark.parametrize("pieces", [1, 3, 100])
@pytest.mark.parametrize(
    "said", ["travellers asked for hot meals [1]", "Travellers asked for  hot meals", "1921年"]
)
def test_an_answer_of_the_examples_that_no_passage_holds_is_none(said: str, pieces: int) -> None:
    assert told(said, pieces=pieces) == ""


def test_only_what_may_become_a_refusal_is_held_back() -> None:
    each = Told(PASSAGES)
    assert [each.feed(piece) for piece in ("un", "answer", "ed ", "mail")] == ["", "", "unanswered ", "mail"]


def test_the_sentence_for_no_answer_refuses_in_either_language() -> None:
    assert refuses(" \n")
    assert not refuses("27 days")
    for sentence in NO_ANSWER.values():
        assert refuses(f"{sentence} But perhaps 27.")
        assert refusal(f"{sentence} But perhaps 27.") == sentence
