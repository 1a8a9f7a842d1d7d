"""The benchmark of a large index: its passages, its exact search, and a small real run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rag.benchmark.exact import NEAREST, exact_dense, exact_lexical, recall
from rag.benchmark.scale import measure_index, to_json, to_table
from rag.benchmark.synthetic import documents, sentences
from rag.config import Config
from rag.embed import HashingEmbedder
from rag.errors import ConfigError
from rag.index import Index

SAMPLES = Path(__file__).parent.parent / "data"
EMBEDDER = HashingEmbedder()


def test_the_sentences_are_those_of_the_texts(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Too short. " + "This sentence is long enough to keep. " * 2, "utf-8")
    (tmp_path / "b.pdf").write_bytes(b"This is no text that anyone should read here.")
    with pytest.raises(ConfigError, match="holds 1 sentences"):
        sentences(tmp_path)
    assert len(sentences(SAMPLES)) >= 50


def test_made_passages_are_as_an_index_takes_them() -> None:
    pool = sentences(SAMPLES)
    vectors = EMBEDDER.embed_passages(pool)
    made = list(documents(pool, vectors, count=250))
    assert [len(passages) for _, _, passages, _ in made] == [100, 100, 50]
    for file, document, passages, theirs in made:
        assert (file.source, file.digest) == (document.source, document.digest)
        assert all(document.text[p.start : p.end] == p.text for p in passages)
        assert np.linalg.norm(theirs, axis=1) == pytest.approx(np.ones(len(passages)), abs=1e-5)
    texts = [document.text for _, document, _, _ in made]
    assert texts == [document.text for _, document, _, _ in documents(pool, vectors, count=250)]
    assert len({passage.text for _, _, passages, _ in made for passage in passages}) > 200


def test_exact_search_is_what_a_small_index_finds(tmp_path: Path) -> None:
    pool = sentences(SAMPLES)
    with Index.open(tmp_path, embedder=EMBEDDER.name, dim=EMBEDDER.dim, passage_tokens=64) as index:
        with index.writing():
            for made in documents(pool, EMBEDDER.embed_passages(pool), count=300):
                index.add(*made)
        questions = ["How many days of leave?", "年假有多少天？"]
        vectors = np.stack([EMBEDDER.embed_query(question) for question in questions])
        dense = [[score for _, score in index.search_dense(vector, NEAREST)] for vector in vectors]
        lexical = [[score for _, score in index.search_lexical(question, 30)] for question in questions]
    assert np.array(exact_dense(tmp_path, vectors)) == pytest.approx(np.array(dense), abs=1e-5)
    assert exact_lexical(tmp_path, questions) == lexical
    assert recall(dense, exact_dense(tmp_path, vectors)) == 1
    assert recall([dense[0][:5], dense[1]], dense) == pytest.approx(0.75)


def test_a_small_run_measures_everything(tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("How many days of leave?\n\n年假有多少天？\n", "utf-8")
    config = Config(embedder="hashing", data_dir=SAMPLES)
    report = measure_index(config, passages=200, questions=questions)
    assert (report.passages, report.questions) == (200, 2)
    assert (report.dense_recall, report.lexical_recall) == (1, 1)
    assert report.faiss_mb == pytest.approx(200 * 1024 * 4 / 1e6, rel=0.05)
    assert report.measured.end_mb >= 50
    figures = json.loads(to_json(report))
    assert figures["measured"]["retrieve"]["max"] >= figures["measured"]["retrieve"]["median"] > 0
    assert "200 passages, vectors of hashing, 2 questions" in to_table(report)


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    config = Config(embedder="hashing", data_dir=SAMPLES)
    with pytest.raises(ConfigError, match="0 passages measure nothing"):
        measure_index(config, passages=0)
    (tmp_path / "empty.txt").write_text("\n", "utf-8")
    with pytest.raises(ConfigError, match="holds no question"):
        measure_index(config, passages=5, questions=tmp_path / "empty.txt")
    with pytest.raises(ConfigError, match="cannot be read as questions"):
        measure_index(config, passages=5, questions=tmp_path / "none.txt")
