"""What was measured, as values and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rag.benchmark.cases import Case, Reuse
from rag.benchmark.runners import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Of the rounds."""

    median: float
    min: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One engine on one case."""

    case: str
    engine: str
    model: str
    prompt_tokens: int
    answer_tokens: int
    reuse: Reuse
    first_token: Figure  # seconds
    decode_tps: Figure  # tokens per second after the first
    total: Figure  # seconds
    rss_mb: float  # most the process held
    cached_tokens: int = 0  # of the prompt, not read again, as the engine tells it

    def seconds(self, tokens: int) -> float:
        """Return how long an answer of at most as many tokens as were written takes."""
        later = (tokens - 1) / self.decode_tps.median if self.decode_tps.median else 0.0
        return self.first_token.median + later


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing measured of another part than the engines."""

    case: str
    name: str
    unit: str
    figure: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was measured, on what, and which engines could not run and why."""

    machine: str
    rounds: int
    rows: tuple[Row, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()


def figure_of(values: Sequence[float]) -> Figure:
    return Figure(median=statistics.median(values), min=min(values), max=max(values))


def row_of(case: Case, engine: str, model: str, prompt_tokens: int, timings: Sequence[Timing]) -> Row:
    """Return the row of an engine's rounds of a case."""
    warm = all(timing.kept for timing in timings)
    return Row(
        case=case.name,
        engine=engine,
        model=model,
        prompt_tokens=prompt_tokens,
        answer_tokens=round(statistics.median(timing.answer_tokens for timing in timings)),
        reuse="none" if case.reuse == "passages" and not warm else case.reuse,
        first_token=figure_of([timing.first_token for timing in timings]),
        decode_tps=figure_of([timing.decode_tps for timing in timings]),
        total=figure_of([timing.total for timing in timings]),
        rss_mb=max(timing.rss_mb for timing in timings),
        cached_tokens=round(statistics.median(timing.cached_tokens for timing in timings)),
    )


def to_json(report: Report) -> str:
    """Return a JSON list: an object for each row, then one for each fact; figures as median, min and max."""
    return json.dumps([*map(_row_object, report.rows), *map(asdict, report.facts)], indent=1)


def _row_object(row: Row) -> dict[str, Any]:
    told = asdict(row)
    del told["cached_tokens"]
    return told
