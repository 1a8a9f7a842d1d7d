"""Filters by folder, file, type and date, in both searches and under the right name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag.config import Config
from rag.datatypes import Document, Passage, Scope
from rag.errors import InputError
from rag.index import FileState, Index
from rag.pipeline import Rag
from rag.scope import admits, as_named, check_scope, literal

SOURCES = ("handbook/leave.md", "handbook/2024/pay.pdf", "notes.txt", "手册/年假.md")


@pytest.mark.parametrize(
    ("scope", "inside"),
    [
        (Scope(), [0, 1, 2, 3]),
        (Scope(places=("handbook/",)), [0, 1]),
        (Scope(places=("./handbook/2024",)), [1]),
        (Scope(places=("leave.md",)), [0]),
        (Scope(places=("./leave.md", "./notes.txt")), [2]),
        (Scope(places=("*.md",)), [0, 3]),
        (Scope(places=("handbook/*.md", "手册")), [0, 3]),
        (Scope(places=("hand",)), []),
        (Scope(types=("PDF", ".txt")), [1, 2]),
        (Scope(places=("handbook",), types=("md",)), [0]),
    ],
)
def test_places_and_types_choose_documents(scope: Scope, inside: list[int]) -> None:
    assert [number for number, source in enumerate(SOURCES) if admits(scope, source)] == inside


def test_dates_count_whole_days_at_both_ends() -> None:
    scope = Scope(since=date(2024, 3, 1), until=date(2024, 3, 31))
    days = [date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 31), date(2024, 4, 1)]
    assert [admits(scope, "a", day) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope(places=("handbok/",)), "no indexed document is in 'handbok/'; did you mean 'handbook/'?"),
        (Scope(places=("zzz",)), "no indexed document is in 'zzz'; `rag status` lists them all"),
        (Scope(types=("docx",)), "no indexed document is of type 'docx'; there are: md, pdf, txt"),
        (Scope(since=date(2024, 2, 2), until=date(2024, 2, 1)), "no day lies between"),
    ],
)
def test_a_scope_without_documents_is_refused_with_what_was_meant(scope: Scope, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_scope(scope, SOURCES)
    assert said in str(caught.value)


@pytest.fixture(params=[50_000, 40], ids=["exact", "quantised"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Index, np.ndarray]]:
    """400 documents of one passage: every tenth in a/, the rest in b/; all hold the word everywhere."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with Index.open(tmp_path, embedder="e", dim=16, passage_tokens=64, large=request.param) as index:
        with index.writing():
            for number, vector in enumerate(vectors):
                source = f"{'a' if number % 10 == 0 else 'b'}/{number}.txt"
                text = ("zebra " if number == 15 else "") + "everywhere " + "filler " * (number % 7)
                digest = format(number, "064x")
                file = FileState(source=source, size=1, mtime_ns=1, digest=digest)
                passage = Passage(source=source, digest=digest, start=0, end=len(text), text=text)
                index.add(file, Document(source=source, digest=digest, text=text), [passage], vector[None])
        yield index, vectors


@pytest.mark.parametrize("folder", ["a", "b"])
def test_dense_search_in_a_scope_equals_brute_force_over_it(
    index: tuple[Index, np.ndarray], folder: str
) -> None:
    opened, vectors = index
    for query in np.random.default_rng(1).normal(size=(10, 16)).astype(np.float32):
        query /= np.linalg.norm(query)
        order = [number for number in np.argsort(-(vectors @ query)) if (number % 10 == 0) == (folder == "a")]
        found = opened.search_dense(query, 5, scope=Scope(places=(f"{folder}/",)))
        assert [passage.source for passage, _ in found] == [f"{folder}/{number}.txt" for number in order[:5]]


def test_lexical_search_in_a_scope_keeps_the_scores_and_order_of_all(index: tuple[Index, np.ndarray]) -> None:
    opened, _ = index
    scope = Scope(places=("a/",))
    inside = [
        (p.source, score) for p, score in opened.search_lexical("everywhere", 400) if p.source[0] == "a"
    ]
    found = [(p.source, score) for p, score in opened.search_lexical("everywhere", 400, scope=scope)]
    assert [source for source, _ in found] == [source for source, _ in inside]
    assert [score for _, score in found] == pytest.approx([score for _, score in inside], rel=1e-3)
    assert opened.search_lexical("zebra", 5, scope=scope) == []


def test_answers_come_from_the_scope_alone_and_under_its_name(
    config: Config, write: Callable[[str, str], Path]
) -> None:
    text = "Every member of staff has 27 days of paid leave a year."
    write("old/leave.md", text)
    write("new/leave.md", text)
    write("new/pay.md", "Salaries are paid on the last Friday.")
    past = datetime(2020, 5, 5).astimezone().timestamp()
    os.utime(config.data_dir / "new/pay.md", (past, past))
    question = "How many days of paid leave has a member of staff?"
    with Rag(config) as rag:
        rag.sync()
        assert rag.ask(question, scope=Scope(places=("old",))).citations[0].document == "old/leave.md"
        assert rag.ask(question, scope=Scope(places=("new",))).citations[0].document == "new/leave.md"
        assert rag.ask(question, scope=Scope(until=date(2021, 1, 1))).refused
        with pytest.raises(InputError, match="did you mean 'new/'"):
            rag.ask(question, scope=Scope(places=("nwe/",)))


ODD = ["a*.md", "ab.md", "x/[draft].md", "x/d.md", "old[1]/a.md", "old1/a.md", "what?.txt", "whats.txt"]


@pytest.mark.parametrize("source", ODD)
def test_a_name_with_the_signs_of_a_pattern_is_found_and_can_be_meant_alone(source: str) -> None:
    alone = Scope(places=(literal(source),))
    assert [each for each in ODD if admits(alone, each)] == [source]
    assert as_named(literal(source)) == source
    assert admits(Scope(places=(source,)), source)
    assert admits(Scope(places=(source.rpartition("/")[2],)), source)


def test_a_folder_with_the_signs_of_a_pattern_can_be_meant_alone() -> None:
    assert [each for each in ODD if admits(Scope(places=(literal("old[1]/"),)), each)] == ["old[1]/a.md"]
    assert [each for each in ODD if admits(Scope(places=("old[1]/",)), each)] == ["old[1]/a.md", "old1/a.md"]


def test_what_a_scope_is_given_is_taken_for_what_it_means() -> None:
    evening = datetime(2024, 2, 1, 21, 30, tzinfo=UTC)
    given: dict[str, Any] = {"places": "a.md", "types": "md", "since": "2024-01-31", "until": evening}
    meant = Scope(places=("a.md",), types=("md",), since=date(2024, 1, 31), until=date(2024, 2, 1))
    assert Scope(**given) == meant
    assert Scope(**{**given, "places": (Path("a") / "b.md",)}).places == ("a/b.md",)
    with pytest.raises(InputError, match=r"^'soon' is no day; write it as 2024-01-31$"):
        Scope(**{**given, "since": "soon"})
