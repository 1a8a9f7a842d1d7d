"""What every Embedder keeps; the real model runs the same tests when it is on this machine."""

from __future__ import annotations

import numpy as np
import pytest

from rag.embed import Embedder, HashingEmbedder, open_embedder

TEXTS = [
    "The canteen opens at nine in the morning.",
    "食堂早上九点开门。",
    "The lighthouse keeper feeds two grey cats.",
    "灯塔的看守人养了两只灰猫。",
    "Ships pass the harbour at night.",
]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("hashing", id="hashing"),
        pytest.param("real", id="real", marks=pytest.mark.model),
    ],
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "hashing":
        return HashingEmbedder()
    return open_embedder(request.getfixturevalue("real_config"))


def test_it_keeps_the_protocol(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.name
    assert embedder.dim > 0


def test_rows_are_unit_vectors_in_the_order_of_the_texts(embedder: Embedder) -> None:
    vectors = embedder.embed_passages(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    for row, text in zip(vectors, TEXTS, strict=True):
        np.testing.assert_allclose(row, embedder.embed_passages([text])[0], atol=1e-4)


def test_the_last_of_max_tokens_is_read_and_none_after_it_promised(embedder: Embedder) -> None:
    count = min(embedder.max_tokens, 5000)
    text = "tea " * count
    while len(embedder.token_offsets(text)) > count:
        text = text[:-1]
    assert len(embedder.token_offsets(text)) == count
    *_, (start, _) = embedder.token_offsets(text)
    same, other = embedder.embed_passages([text, text[:start] + "9"])
    assert len(embedder.token_offsets(text[:start] + "9")) == count
    assert float(same @ other) < 0.9999995


def test_no_texts_make_no_rows(embedder: Embedder) -> None:
    assert embedder.embed_passages([]).shape == (0, embedder.dim)


def test_a_question_is_a_unit_vector_and_always_the_same(embedder: Embedder) -> None:
    vector = embedder.embed_query("When does the canteen open?")
    assert vector.shape == (embedder.dim,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_array_equal(vector, embedder.embed_query("When does the canteen open?"))


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("When does the canteen open?", 0),
        ("食堂几点开门？", 1),
        ("How many cats does the lighthouse keeper feed?", 2),
        ("看守人养了几只猫？", 3),
        ("Which ships pass at night?", 4),
    ],
)
def test_the_passage_that_answers_is_nearest(embedder: Embedder, question: str, best: int) -> None:
    scores = embedder.embed_passages(TEXTS) @ embedder.embed_query(question)
    assert int(np.argmax(scores)) == best


@pytest.mark.parametrize("text", ["", " ", "!?…", "\ud800 lone", "🙂", "a" * 20_000, "中" * 20_000])
def test_odd_texts_have_vectors_too(embedder: Embedder, text: str) -> None:
    for vector in (embedder.embed_query(text), embedder.embed_passages([text])[0]):
        assert np.isfinite(vector).all()
        assert np.linalg.norm(vector) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    "text", ["Hello, 世界: 3.5 🙂 café!", "灯塔的看守人。\n\n  Two lines\t", "\ud800x", ""]
)
def test_tokens_are_spans_of_characters_in_order(embedder: Embedder, text: str) -> None:
    offsets = embedder.token_offsets(text)
    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    assert offsets == sorted(offsets)
    covered = {at for start, end in offsets for at in range(start, end)}
    assert all(at in covered for at, char in enumerate(text) if not char.isspace())


def test_tokens_are_counted_beyond_the_length_the_model_reads(embedder: Embedder) -> None:
    embedder.embed_passages(TEXTS)  # encoding sets truncation on the model's own tokenizer
    assert len(embedder.token_offsets("keeper 灯塔 " * 2000)) >= 4000
