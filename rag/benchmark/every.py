"""The cases of `rag benchmark` by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from rag.benchmark import benchmark, embedding, machine, report, scale, table, usual_engines
from rag.benchmark.cases import CASES, LENGTHS, PASSAGES, Case
from rag.benchmark.report import Report
from rag.benchmark.retrieval import PASSAGES as RETRIEVED
from rag.benchmark.retrieval import measure_retrieval
from rag.benchmark.start import measure_start
from rag.benchmark.sync import measure_sync
from rag.config import Config
from rag.datatypes import ProgressCallback
from rag.engines import ENGINES
from rag.errors import ConfigError, RagError

INDEXED: Final = 100_000  # passages of a large index


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to measure."""

    rounds: int = 3
    engines: Sequence[str] | None = None  # None: the usual ones
    passages: int | None = None  # of the index made; None: as many as the case asks for
    questions: Path | None = None  # a file of them, one a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was measured, and as it is told and written."""

    report: Report
    table: str
    json: str


Measure: TypeAlias = Callable[[Config, Order, ProgressCallback], Done]


def measure(name: str, config: Config, order: Order, progress: ProgressCallback) -> Done:
    """Measure the case `name`, or "all" of them one after the other.

    Raises:
        ConfigError: when something cannot be measured as asked.
        ModelError: when a model is not on this machine.
        EngineError: when no engine could answer.
    """
    if name != ALL:
        return MEASURES[name](config, order, progress)
    reports, skipped = list[Report](), dict[str, str]()
    for case, part in MEASURES.items():
        try:
            reports.append(part(config, order, progress).report)
        except RagError as exc:
            skipped[case] = str(exc)
    return _done(_together(reports, config, order, skipped))


def _together(reports: Sequence[Report], config: Config, order: Order, skipped: dict[str, str]) -> Report:
    for each in reports:
        skipped.update(each.skipped)
    return Report(
        machine=machine(config),
        rounds=order.rounds,
        rows=tuple(row for each in reports for row in each.rows),
        facts=tuple(fact for each in reports for fact in each.facts),
        skipped=skipped,
    )


def _done(measured: Report) -> Done:
    return Done(report=measured, table=table.to_table(measured), json=report.to_json(measured))


def _engines(cases: Sequence[Case]) -> Measure:
    def measure_engines(config: Config, order: Order, progress: ProgressCallback) -> Done:
        return _done(
            benchmark(config, engines=order.engines, cases=cases, rounds=order.rounds, progress=progress)
        )

    return measure_engines


def _start(config: Config, order: Order, progress: ProgressCallback) -> Done:
    named = usual_engines(config) if order.engines is None else order.engines
    ours = [name.strip() for name in named if name.strip() in ENGINES]
    if not ours:
        raise ConfigError(
            f"none of {', '.join(named)} is an engine of ours, which alone answer from documents"
        )
    return _done(measure_start(config, ours, rounds=order.rounds, progress=progress))


def _sync(config: Config, order: Order, progress: ProgressCallback) -> Done:
    return _done(measure_sync(config, rounds=order.rounds, progress=progress))


def _retrieval(config: Config, order: Order, progress: ProgressCallback) -> Done:
    passages = RETRIEVED if order.passages is None else order.passages
    return _done(measure_retrieval(config, passages=passages, questions=order.questions, progress=progress))


def _embedding(config: Config, order: Order, progress: ProgressCallback) -> Done:
    made = embedding.measure_embedding(config, rounds=order.rounds, progress=progress)
    told = Report(machine=made.machine, rounds=made.rounds, facts=embedding.facts(made))
    return Done(report=told, table=embedding.to_table(made), json=embedding.to_json(made))


def _index(config: Config, order: Order, progress: ProgressCallback) -> Done:
    passages = INDEXED if order.passages is None else order.passages
    made = scale.measure_index(config, passages=passages, questions=order.questions, progress=progress)
    told = Report(machine=made.machine, rounds=1, facts=scale.facts(made))
    return Done(report=told, table=scale.to_table(made), json=scale.to_json(made))


ALL: Final = "all"
MEASURES: Final[dict[str, Measure]] = {
    "engines": _engines(CASES),
    "lengths": _engines(LENGTHS),
    "passages": _engines(PASSAGES),
    "start": _start,
    "sync": _sync,
    "retrieval": _retrieval,
    "embedding": _embedding,
    "index": _index,
}
