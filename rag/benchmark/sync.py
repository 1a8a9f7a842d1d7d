"""How long a sync takes: of all documents into an empty index, and again when nothing has changed."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

from rag.benchmark import machine
from rag.benchmark.folder import write_documents
from rag.benchmark.report import Fact, Report, figure_of
from rag.config import Config
from rag.datatypes import Progress, ProgressCallback, SyncReport
from rag.embed import Embedder, open_embedder
from rag.errors import ConfigError
from rag.pipeline import Rag

CASE: Final = "sync"


def measure_sync(config: Config, *, rounds: int, progress: ProgressCallback = lambda _: None) -> Report:
    """Sync the documents of `config.data_dir`, or made ones where it has none, into temporary indexes.

    A first round warms up and is not counted.

    Raises:
        ConfigError: for less than one round.
        ModelError: when the embedder is not on this machine.
    """
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds measure nothing; ask for 1 or more")
    embedder = open_embedder(config)
    counted: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="rag-benchmark-") as place:
        data = _documents(config, Path(place))
        for number in range(rounds + 1):
            progress(Progress(stage="Syncing", done=number, total=rounds + 1, unit="rounds"))
            index = Path(place) / f"index-{number}"
            placed = config.model_copy(update={"data_dir": data, "index_dir": index})
            report, first, again = _synced(placed, embedder)
            counted += [(first, again)] if number else []
    return Report(machine=machine(config), rounds=rounds, facts=_facts(report, counted))


def _documents(config: Config, place: Path) -> Path:
    if config.data_dir.is_dir() and any(path.is_file() for path in config.data_dir.rglob("[!.]*")):
        return config.data_dir
    write_documents(place / "data")
    return place / "data"


def _synced(config: Config, embedder: Embedder) -> tuple[SyncReport, float, float]:
    """Return what the first sync did, its seconds and those of one that finds nothing to do."""
    with Rag(config, embedder=embedder) as rag:
        started = time.perf_counter()
        report = rag.sync()
        synced = time.perf_counter()
        rag.sync()
        return report, synced - started, time.perf_counter() - synced


def _facts(report: SyncReport, counted: list[tuple[float, float]]) -> tuple[Fact, ...]:
    documents, passages = report.added, report.passages
    firsts = [first for first, _ in counted]
    told: dict[tuple[str, str], list[float]] = {
        ("documents", ""): [documents],
        ("passages", ""): [passages],
        ("everything", "s"): firsts,
        ("a document", "s"): [first / max(1, documents) for first in firsts],
        ("speed", "passages/s"): [passages / first for first in firsts],
        ("nothing changed", "s"): [again for _, again in counted],
    }
    return tuple(
        Fact(case=CASE, name=name, unit=unit, figure=figure_of(values))
        for (name, unit), values in told.items()
    )
