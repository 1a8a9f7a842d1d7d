from __future__ import annotations

import re
import string
from collections import Counter

import pytest

from rag.datatypes import Answer, Citation
from rag.evaluate.figures import difference_of, mean_of, median_of
from rag.evaluate.scoring import holds_answer, score_answer, score_citations, units


def squad_f1(said: str, gold: str) -> float:
    """The measure of SQuAD's paper, written down once more."""

    def tokens(text: str) -> list[str]:
        bare = "".join(character for character in text.lower() if character not in set(string.punctuation))
        return re.sub(r"\b(a|an|the)\b", " ", bare).split()

    shared = sum((Counter(tokens(said)) & Counter(tokens(gold))).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(tokens(said)), shared / len(tokens(gold))
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize(
    ("said", "gold"),
    [
        ("the first half of the 10th century", "10th century"),
        ("It was $1,000.50, in the U.S.", "$1,000.50"),
        ("Rollo's followers", "Rollo"),
        ("a well-known tea", "well-known"),
        ("Paris", "London"),
        ("Yes", "yes!"),
    ],
)
def test_f1_of_english_is_that_of_squad(said: str, gold: str) -> None:
    assert score_answer(said, [gold]).f1 == pytest.approx(squad_f1(said, gold))


def test_the_best_of_several_right_answers_counts() -> None:
    scored = score_answer("The 10th century [1].", ["tenth century", "10th century"])
    assert (scored.exact_match, scored.f1, scored.contained) == (1.0, 1.0, 1.0)


def test_f1_of_chinese_counts_characters() -> None:
    scored = score_answer("一共有二十四天年假。[2]", ["二十四天"])
    assert scored.f1 == pytest.approx(2 * 4 / (9 + 4))
    assert (scored.exact_match, scored.contained) == (0.0, 1.0)


def test_words_and_chinese_characters_are_told_apart_in_one_text() -> None:
    assert units("由韩国Nexon 开发，V2.0版") == ["由", "韩", "国", "nexon", "开", "发", "v20", "版"]


def test_an_answer_is_held_only_in_one_piece() -> None:
    assert holds_answer("in the 10th and 11th centuries", ["11th centuries"])
    assert not holds_answer("in the 10th and 11th centuries", ["10th centuries"])
    assert not holds_answer("anything", ["?!"])


def citation(marker: int, quote: str) -> Citation:
    return Citation(marker=marker, document="a.txt", page=None, quote=quote, start=0, end=len(quote))


def test_a_citation_is_right_where_it_shows_an_answer() -> None:
    answer = Answer(
        question="When?",
        text="It opened in 1921 [1]. A kitchen came in 1950 [2].",
        citations=(
            citation(1, "The house opened in 1921 on Bridge Street."),
            citation(2, "Rain fell."),
        ),
    )
    scored = score_citations(answer, answers=["1921"], quotes=())
    assert scored.precision == 0.5
    assert scored.recall == 0.5  # the second sentence is not what [2] shows


def test_a_citation_is_judged_by_the_quotes_where_they_are_known() -> None:
    answer = Answer(
        question="Why?",
        text="Taxes rose and harvests failed. [1]",
        citations=(citation(1, "Harvests failed and taxes rose in the north."),),
    )
    right = score_citations(
        answer, answers=["because"], quotes=["Harvests failed and taxes rose in the north ."]
    )
    wrong = score_citations(answer, answers=["because"], quotes=["The king was crowned in spring."])
    assert (right.precision, right.recall, wrong.precision) == (1.0, 1.0, 0.0)


def test_an_answer_without_sentence_or_citation_has_no_score() -> None:
    scored = score_citations(Answer(question="?", text=""), answers=["x"], quotes=())
    assert (scored.precision, scored.recall) == (None, None)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_that_of_newcombes_table(
    hits: int, n: int, low: float, high: float
) -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: Wilson's score interval.
    figure = mean_of([1.0] * hits + [0.0] * (n - hits))
    assert figure is not None
    assert (round(figure.low, 4), round(figure.high, 4), figure.n) == (low, high, n)


def test_all_right_does_not_mean_certain() -> None:
    figure = mean_of([1.0] * 20)
    assert figure is not None
    assert figure.value == figure.high == 1.0
    assert figure.low == pytest.approx(0.839, abs=0.001)


def test_the_bootstrap_agrees_with_the_normal_interval_of_many_values() -> None:
    values = [(i % 101) / 100 for i in range(2020)]
    figure = mean_of(values, seed=3)
    assert figure is not None
    deviation = (sum((value - 0.5) ** 2 for value in values) / len(values)) ** 0.5
    half = 1.96 * deviation / len(values) ** 0.5
    assert figure.low == pytest.approx(0.5 - half, abs=half / 5)
    assert figure.high == pytest.approx(0.5 + half, abs=half / 5)


def test_a_paired_difference_is_surer_than_its_parts() -> None:
    first = [i / 50 for i in range(50)]
    figure = difference_of(first, [value + 0.1 for value in first])
    assert figure is not None
    assert (round(figure.value, 6), round(figure.low, 6), round(figure.high, 6)) == (0.1, 0.1, 0.1)


def test_a_median_ignores_one_slow_moment() -> None:
    figure = median_of([1.0, 1.1, 0.9, 1.0, 500.0])
    assert figure is not None
    assert figure.value == 1.0


def test_nothing_has_no_mean() -> None:
    assert mean_of([]) is None
    assert median_of([]) is None
    assert difference_of([], []) is None
