"""What share of the questions without an answer is refused, against that of the others, as the bar moves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from typing import Any, Final, TypeAlias

from rag.evaluate.run import Asked

Point: TypeAlias = tuple[float, float]  # the shares refused: of the answerable questions, of the others

SHARES: Final = (0.05, 0.10, 0.15, 0.20, 0.30)  # of the answerable refused


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalCurve:
    """What the LLM's state told of each question: log-odds, in order, that the passages hold an answer.

    Those of a question that was refused before the LLM was asked are -inf: no bar lets it pass.
    """

    answerable: tuple[float, ...]
    unanswerable: tuple[float, ...]
    used: Point  # what came of the bar in use, and of all that is checked after it

    def refused(self, bar: float) -> Point:
        """Return what a bar refuses: whatever lies below it."""
        return (
            bisect_left(self.answerable, bar) / len(self.answerable),
            bisect_left(self.unanswerable, bar) / len(self.unanswerable),
        )

    @property
    def steps(self) -> list[Point]:
        """Every point that some bar reaches, and the two ends."""
        bars = sorted({bar for bar in (*self.answerable, *self.unanswerable) if isfinite(bar)})
        return [(0.0, 0.0), *(self.refused(bar) for bar in bars), (1.0, 1.0)]

    @property
    def area(self) -> float:
        """The area under the curve: how often, of one question of each kind, the answerable one has more."""
        return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(self.steps))

    @property
    def points(self) -> list[tuple[float, float, float]]:
        """What the highest bars refuse that refuse at most `SHARES` of the answerable, and those bars.

        Where more than that is refused before the LLM is asked, the lowest bar takes their place.
        """
        lowest = next(bar for bar in self.answerable if isfinite(bar))
        places = [int(round(share * len(self.answerable), 6)) for share in SHARES]
        bars = dict.fromkeys(max(lowest, self.answerable[place]) for place in places)
        return [(*self.refused(bar), bar) for bar in bars]


def curve_of(asked: Sequence[Asked]) -> RefusalCurve | None:
    """Return the curve of one variant; None where the log-odds of either kind are not known."""
    judged = [(each, odds) for each in asked if (odds := _log_odds(each)) is not None]
    kinds = [[pair for pair in judged if pair[0].question.answerable == kind] for kind in (True, False)]
    answerable, unanswerable = (sorted(odds for _, odds in pairs) for pairs in kinds)
    if not all(any(map(isfinite, odds)) for odds in (answerable, unanswerable)):
        return None
    used = [sum(_is_refused(each) for each, _ in pairs) / len(pairs) for pairs in kinds]
    return RefusalCurve(
        answerable=tuple(answerable), unanswerable=tuple(unanswerable), used=(used[0], used[1])
    )


def _log_odds(asked: Asked) -> float | None:
    """Return -inf where the LLM was not asked; None where no bar decided, as of a list of the documents."""
    answer = asked.answer
    if answer is None:
        return None
    return -inf if answer.refused and not answer.usage.prompt_tokens else answer.usage.answerable


def _is_refused(asked: Asked) -> bool:
    return asked.answer is not None and asked.answer.refused


def curve_record(curve: RefusalCurve) -> dict[str, Any]:
    """Return the curve for a program."""
    return {
        "area": curve.area,
        "points": [list(point) for point in curve.points],
        "used": list(curve.used),
        "n": {"answerable": len(curve.answerable), "unanswerable": len(curve.unanswerable)},
    }


def curve_lines(curve: RefusalCurve) -> list[str]:
    """Return the curve for a terminal."""
    return [
        f"{len(curve.answerable)} answerable, {len(curve.unanswerable)} unanswerable questions, "
        f"area under the curve {curve.area:.3f}",
        "  wrongly refused  rightly refused  below log-odds of",
        *(f"  {wrong:15.3f}  {right:15.3f}  {bar:17.2f}" for wrong, right, bar in curve.points),
        f"  {curve.used[0]:15.3f}  {curve.used[1]:15.3f}  {'as set':>17}",
    ]
