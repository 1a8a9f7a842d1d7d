"""Real weights over the sample documents: the right answer with the right source, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rag import Answer, Rag, Retrieved, Token
from rag.config import Config
from rag.datatypes import Reading

pytestmark = pytest.mark.model

QUESTIONS = [
    ("How many pages an hour does the Amberline scanner make?", "620", "handbook.md"),
    ("What is the emergency number inside the house?", "7719", "handbook.md"),
    ("How much does the Kestrel cost an hour?", "19 crowns", "boathouse.pdf"),
    ("云岫三号揉捻机每次最多投放多少鲜叶？", "四十二", "员工手册.md"),
    ("杀青锅的温度应保持在多少度？", "二百三十五", "员工手册.md"),
]


@pytest.fixture(scope="module")
def rag(real_config: Config) -> Iterator[Rag]:
    with Rag(real_config) as rag:
        report = rag.sync()
        assert report.failed == ()
        yield rag


@pytest.mark.parametrize(("question", "fact", "document"), QUESTIONS)
def test_the_fact_and_its_place(rag: Rag, question: str, fact: str, document: str) -> None:
    answer = rag.ask(question)
    assert fact in answer.text
    assert [each.quote for each in answer.citations if each.document == document and fact in each.quote]


def test_a_page_is_cited(rag: Rag) -> None:
    answer = rag.ask("How many times is the storm bell rung?")
    assert [each.page for each in answer.citations if each.document == "boathouse.pdf"] == [2]


def test_what_the_documents_do_not_hold_is_refused(rag: Rag) -> None:
    assert rag.ask("Who painted the Mona Lisa?").refused
    assert rag.ask("长江有多长？").refused


def test_another_question_about_the_same_passages_reads_only_its_own_words(rag: Rag) -> None:
    first = rag.ask("How many days of paid leave has a member of staff at Lantern Quay?")
    second = rag.ask("How many days of paid leave after six years?", history=[first])
    new = second.usage.prompt_tokens - second.usage.cached_tokens
    assert [hit.passage for hit in second.hits] == [hit.passage for hit in first.hits]
    assert new < 40


def test_the_stream_tells_what_it_does(rag: Rag) -> None:
    kinds = [type(event) for event in rag.stream("How many boats are there in the boathouse?")]
    assert list(dict.fromkeys(kinds)) == [Retrieved, Reading, Token, Answer]
