"""Of the passages found only those near the best are read, all where two are compared, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rag.choice import worth_reading
from rag.datatypes import Hit, Passage


def hit(score: float, covered: float = 1.0, *, text: str = "The lamp is lit.") -> Hit:
    passage = Passage(source=f"{score}.md", digest="0", start=0, end=len(text), text=text)
    return Hit(passage=passage, score=score, covered=covered)


@pytest.mark.parametrize(
    ("question", "scores", "read"),
    [
        ("When is the lamp lit?", [1.0, 0.5, 0.49, 0.1], [1.0, 0.5]),
        ("When is the lamp lit?", [0.5], [0.5]),
        ("When is the lamp lit?", [0.2, 1.0, 0.1], [0.2, 1.0]),  # reranked
        ("When is the lamp lit?", [-0.1, -0.2], [-0.1, -0.2]),  # such scores tell nothing of how near
        ("Compare the lamp and the bell.", [0.2, 1.0, 0.1], [0.2, 1.0, 0.1]),
    ],
)
def test_how_many_are_read(question: str, scores: Sequence[float], read: Sequence[float]) -> None:
    (chosen,) = worth_reading(question, [hit(score) for score in scores], embedder="hashing", apart=False)
    assert [each.score for each in chosen] == read


def test_a_model_that_judges_reads_one_after_the_other_unless_two_are_compared() -> None:
    hits = [hit(1.0), hit(0.8), hit(0.1)]
    asked = worth_reading("When is the lamp lit?", hits, embedder="hashing", apart=True)
    assert asked == [[hits[0]], [hits[1]]]
    assert worth_reading("Compare the lamp and the bell.", hits, embedder="hashing", apart=True) == [hits]


@pytest.mark.parametrize(
    ("question", "together"),
    [
        ("Which lamps are lit at dusk?", True),
        ("What are the lamps made of?", True),
        ("How high is each lamp?", True),
        ("List the lamps.", True),
        ("Which lamps burn at dusk?", True),
        ("What lamps does the tower have?", True),
        ("Name the lamps.", True),
        ("哪些灯在黄昏点亮？", True),
        ("有什么灯？", True),
        ("两盏灯分别有多高？", True),
        ("When is the lamp lit?", False),
        ("Which lamp is lit first?", False),
        ("What does the lamp cost?", False),
        ("Which is the oldest lamp?", False),
        ("What status did the lamp have?", False),
        ("Which genius did the lamp have?", False),
        ("灯什么时候点亮？", False),
    ],
)
def test_passages_are_read_together_where_several_things_are_asked_for(
    question: str,
    together: bool,  # noqa: FBT001
) -> None:
    hits = [replace(hit(score), dense=0.99) for score in (1.0, 0.9)]
    asked = worth_reading(question, hits, embedder="hashing", apart=True)
    assert asked == ([hits] if together else [[each] for each in hits])


@pytest.mark.parametrize(
    ("texts", "together"),
    [
        (("The Heron costs eleven crowns.", "The Kestrel costs nineteen crowns."), True),
        (("The Heron and the Kestrel are let.", "The Kestrel costs nineteen crowns."), False),
        (("The Heron costs eleven crowns.", "It costs nineteen crowns."), False),
    ],
)
def test_passages_are_read_together_where_each_has_what_the_other_lacks(
    texts: tuple[str, str],
    together: bool,  # noqa: FBT001
) -> None:
    hits = [hit(score, text=text) for score, text in zip((1.0, 0.9), texts, strict=True)]
    asked = worth_reading("How much do the Heron and the Kestrel cost?", hits, embedder="hashing", apart=True)
    assert asked == ([hits] if together else [[each] for each in hits])


@pytest.mark.parametrize(
    ("question", "together"),
    [("How much do the Heron and the Kestrel cost?", True), ("Is the Heron near the Kestrel?", False)],
)
def test_passages_of_two_documents_complete_one_another_where_two_things_are_joined(
    question: str,
    together: bool,  # noqa: FBT001
) -> None:
    texts = ("The Heron costs eleven crowns.", "The Kestrel costs nineteen crowns.")
    hits = [hit(score, text=text) for score, text in zip((1.0, 0.9), texts, strict=True)]
    hits = [hits[0], replace(hits[1], passage=replace(hits[1].passage, source="other.md"))]
    asked = worth_reading(question, hits, embedder="hashing", apart=True)
    assert asked == ([hits] if together else [[each] for each in hits])


def test_nothing_is_read_where_nothing_fits() -> None:
    for hits in ([hit(1.0, covered=0.0)], []):
        assert worth_reading("When is the lamp lit?", hits, embedder="hashing", apart=True) == []
