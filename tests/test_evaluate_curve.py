"""The refusal curve: its points by hand, its area by scikit-learn, and where it is told."""

from __future__ import annotations

import json
import random
import re
from math import inf

import pytest
from sklearn.metrics import roc_auc_score

from rag.datatypes import Answer, Usage
from rag.evaluate.curve import RefusalCurve, curve_of
from rag.evaluate.page import to_html
from rag.evaluate.report import summarise, to_json, to_table
from rag.evaluate.run import Asked
from rag.evaluate.sets import Question


def asked(*, answerable: bool, odds: float | None, refused: bool = False, variant: str = "as set") -> Asked:
    """One question; odds of -inf: the gate refused it, so that the LLM was not asked."""
    was_asked = odds != -inf
    usage = Usage(prompt_tokens=int(was_asked), answer_tokens=0, answerable=odds if was_asked else None)
    return Asked(
        variant=variant,
        question=Question(id="1", text="?", document="a", answers=("x",) if answerable else ()),
        ranks={"dense": 1, "lexical": 1, "hybrid": 1},
        answer=Answer(question="?", text="x", refused=refused or not was_asked, usage=usage),
    )


TEN = [
    *(asked(answerable=True, odds=float(odds), refused=odds < 1) for odds in range(10)),
    asked(answerable=False, odds=-inf),
    asked(answerable=False, odds=-1.0, refused=True),
    asked(answerable=False, odds=0.5, refused=True),
    asked(answerable=False, odds=2.5),
    asked(answerable=False, odds=7.0, refused=True),  # by what is checked after the bar
]


def curve(some: list[Asked]) -> RefusalCurve:
    found = curve_of(some)
    assert found is not None
    return found


def test_the_points_are_those_counted_by_hand() -> None:
    found = curve(TEN)
    assert found.points == [
        (0.0, 0.4, 0.0),  # .05 of 10 is no question: the bar stays at the lowest answerable one
        (0.1, 0.6, 1.0),
        (0.2, 0.6, 2.0),
        (0.3, 0.8, 3.0),
    ]
    assert found.used == (0.1, 0.8)
    assert found.area == pytest.approx((10 + 10 + 9 + 7 + 2.5) / 50)  # answerable ones above each; a tie half


def test_no_bar_lets_pass_what_the_gate_refused() -> None:
    gated = [asked(answerable=True, odds=-inf)] * 4
    found = curve([*gated, *TEN])
    assert found.points == [(4 / 14, 0.4, 0.0)]
    assert found.used == (5 / 14, 0.8)


def test_the_area_is_that_of_scikit_learn() -> None:
    chance = random.Random(7)
    kinds = [chance.random() < 0.6 for _ in range(400)]
    odds = [round(chance.gauss(1.2 if kind else 0, 1.5), 1) for kind in kinds]
    odds = [-inf if value < -2 else value for value in odds]  # of both kinds some, and many ties
    found = curve([asked(answerable=kind, odds=value) for kind, value in zip(kinds, odds, strict=True)])
    finite = [max(value, -1e9) for value in odds]
    assert found.area == pytest.approx(roc_auc_score(kinds, finite))
    assert -inf in found.answerable
    assert -inf in found.unanswerable


def test_no_point_refuses_more_of_the_answerable_than_it_says() -> None:
    found = curve(
        [asked(answerable=kind, odds=float(value % 17)) for kind in (True, False) for value in range(60)]
    )
    assert all(
        wrong <= share
        for (wrong, _, _), share in zip(found.points, (0.05, 0.1, 0.15, 0.2, 0.3), strict=False)
    )


@pytest.mark.parametrize(
    "some",
    [
        [asked(answerable=True, odds=1.0)],
        [asked(answerable=True, odds=1.0), asked(answerable=False, odds=-inf)],
        [asked(answerable=True, odds=None), asked(answerable=False, odds=None)],
    ],
    ids=["one kind", "the LLM was asked one kind", "an engine that tells nothing"],
)
def test_there_is_no_curve_without_log_odds_of_both_kinds(some: list[Asked]) -> None:
    assert curve_of(some) is None
    report = summarise(some, made={"set": "s"})
    assert "refusal_curve" not in json.loads(to_json(report))
    assert "curve" not in to_table(report) + to_html(report).partition("</style>")[2]


def test_what_tells_no_log_odds_is_no_part_of_it() -> None:
    assert curve([*TEN, asked(answerable=True, odds=None)]) == curve(TEN)


def test_each_variant_has_its_own() -> None:
    other = [
        asked(answerable=True, odds=1.0, variant="caution=1"),
        asked(answerable=False, odds=0.0, variant="caution=1"),
    ]
    report = summarise([*TEN, *other], made={"set": "s"})
    whole = json.loads(to_json(report))
    assert whole["refusal_curve"] == whole["variants"]["as set"]["refusal_curve"]
    assert whole["refusal_curve"] | {"area": 0} == {
        "area": 0,
        "points": [[0.0, 0.4, 0.0], [0.1, 0.6, 1.0], [0.2, 0.6, 2.0], [0.3, 0.8, 3.0]],
        "used": [0.1, 0.8],
        "n": {"answerable": 10, "unanswerable": 5},
    }
    assert whole["variants"]["caution=1"]["refusal_curve"]["area"] == 1.0
    table = to_table(report)
    assert "refusal curve of caution=1\n1 answerable, 1 unanswerable questions" in table
    assert re.search(r"\n +0\.100 +0\.600 +1\.00\n", table)
    assert re.search(r"\n +0\.100 +0\.800 +as set\n", table)


def test_the_plot_goes_through_every_step_and_shows_the_point_in_use() -> None:
    page = to_html(summarise(TEN, made={"set": "s"}))
    path = re.search(r'class="curve" d="M([^"]+)"', page)
    assert path is not None
    places = [tuple(map(float, place.split())) for place in path[1].split("L")]
    assert places[0] == (40.0, 360.0)  # nothing is refused
    assert (40.0, 232.0) in places  # .0 and .4 of 320 pixels, up from 360
    assert places[-1] == (360.0, 40.0)
    assert places == sorted(places, key=lambda place: (place[0], -place[1]))
    assert '<circle class="bar" cx="72.0" cy="104.0"' in page  # .1 and .8
