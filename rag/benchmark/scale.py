"""A large index: how long it takes to make and to start, what it holds in memory, and how well it finds.

The passages are made from a folder of texts (see `synthetic`), the questions are real where a file of them is
given. Retrieval is timed in a process of its own, whose memory is the index's; the first pass over the
questions counts, and no question comes twice in it.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag.benchmark import machine
from rag.benchmark.exact import NEAREST, RANKS, exact_dense, exact_lexical, recall
from rag.benchmark.known import Known, timed, vectors_of
from rag.benchmark.report import Fact, figure_of
from rag.benchmark.synthetic import documents, questions_of, sentences
from rag.config import Config
from rag.datatypes import Progress, ProgressCallback, Vectors
from rag.embed import Embedder, open_embedder
from rag.errors import ConfigError, EngineError
from rag.index import Index
from rag.retrieve import retrieve

RANKED_QUESTIONS: Final = 40  # FTS5 takes seconds for each
TOP_K: Final = 4
EMBEDDED_AT_ONCE: Final = 128
RESIDENT: Final = re.compile(r"VmRSS:\s+(\d+) kB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Milliseconds of the questions."""

    median: float
    p95: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the process that answers found out about itself."""

    start_seconds: float  # opening the index until it can be searched at full speed
    documents_seconds: float  # to list all documents with their states
    start_mb: float  # resident once it can be searched
    end_mb: float  # resident after all questions
    retrieve: Spread  # without embedding the question
    whole: Spread  # with it
    dense: Spread
    lexical: Spread
    dense_found: tuple[tuple[float, ...], ...]  # the scores of each question's nearest
    lexical_found: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleReport:
    """One large index, measured."""

    machine: str
    embedder: str
    passages: int
    questions: int
    store_seconds: float  # splitting and embedding excluded
    database_mb: float
    faiss_mb: float
    dense_recall: float  # of the nearest 10, against exact search
    lexical_recall: float  # of the best 30, against FTS5's own ranking
    measured: Measured


def measure_index(
    config: Config,
    *,
    passages: int,
    questions: Path | None = None,
    progress: ProgressCallback = lambda _: None,
) -> ScaleReport:
    """Make an index of `passages` passages from the texts of `config.data_dir`, in a temporary folder.

    `questions` is a file of one question a line.

    Raises:
        ConfigError: when there are no passages to make, or no texts or questions to make them from.
        EngineError: when the process that answers dies.
    """
    if passages < 1:
        raise ConfigError(f"{passages} passages measure nothing; ask for 1 or more")
    embedder = open_embedder(config)
    pool = sentences(config.data_dir)
    asked = questions_of(questions, pool)
    with tempfile.TemporaryDirectory(prefix="kaoju-scale-") as place:
        folder = Path(place) / "index"
        vectors = embedded(pool, embedder, progress)
        seconds = build(folder, pool, vectors, embedder, passages=passages, progress=progress)
        return report(config, folder, asked, embedder, passages=passages, seconds=seconds)


def build(
    folder: Path,
    pool: Sequence[str],
    vectors: Vectors,
    embedder: Embedder,
    *,
    passages: int,
    progress: ProgressCallback = lambda _: None,
) -> float:
    """Store the passages; return the seconds it took."""
    seconds, done = 0.0, 0
    with Index.open(folder, **_settings(embedder)) as index:
        started = time.perf_counter()
        with index.writing(progress):
            seconds += time.perf_counter() - started
            for file, document, some, theirs in documents(pool, vectors, count=passages):
                started = time.perf_counter()
                index.add(file, document, some, theirs)
                seconds += time.perf_counter() - started
                done += len(some)
                progress(Progress(stage="Storing", done=done, total=passages, unit="passages"))
            started = time.perf_counter()
        return seconds + time.perf_counter() - started


def report(
    config: Config,
    folder: Path,
    questions: Sequence[str],
    embedder: Embedder,
    *,
    passages: int,
    seconds: float,
) -> ScaleReport:
    """Measure the index in `folder` in a new process, and compare what it finds with exact search."""
    vectors = vectors_of(questions, embedder)
    measured = _in_new_process(config, folder, questions, vectors)
    ranked = questions[:: max(1, len(questions) // RANKED_QUESTIONS)]
    chosen = [measured.lexical_found[questions.index(question)] for question in ranked]
    return ScaleReport(
        machine=machine(config),
        embedder=embedder.name,
        passages=passages,
        questions=len(questions),
        store_seconds=seconds,
        database_mb=_mb(folder / "index.sqlite"),
        faiss_mb=_mb(folder / "vectors.faiss"),
        dense_recall=recall(measured.dense_found, exact_dense(folder, vectors)),
        lexical_recall=recall(chosen, exact_lexical(folder, ranked)),
        measured=measured,
    )


def open_built(folder: Path, embedder: Embedder) -> Index:
    """Open what `build` made."""
    return Index.open(folder, **_settings(embedder))


def measure(folder: Path, questions: Sequence[str], vectors: Vectors, embedder: Embedder) -> Measured:
    """Start with the index in `folder` and ask it every question."""
    known = Known(embedder, questions, vectors)
    started = time.perf_counter()
    with open_built(folder, embedder) as index:
        index.warm_up()
        start_seconds, start_mb = time.perf_counter() - started, _resident_mb()
        asked = timed(questions, lambda q: retrieve(q, index=index, embedder=known, top_k=TOP_K))
        dense = timed(questions, lambda q: index.search_dense(known.embed_query(q), NEAREST))
        lexical = timed(questions, lambda q: index.search_lexical(q, RANKS))
        end_mb = _resident_mb()
        started = time.perf_counter()
        index.documents()
        documents_seconds = time.perf_counter() - started
        embedder.embed_query("")
        whole = timed(questions, lambda q: retrieve(q, index=index, embedder=embedder, top_k=TOP_K))
    return Measured(
        start_seconds=start_seconds,
        documents_seconds=documents_seconds,
        start_mb=start_mb,
        end_mb=end_mb,
        retrieve=_spread(asked),
        whole=_spread(whole),
        dense=_spread(dense),
        lexical=_spread(lexical),
        dense_found=tuple(tuple(score for _, score in found) for _, found in dense),
        lexical_found=tuple(tuple(score for _, score in found) for _, found in lexical),
    )


def _in_new_process(config: Config, folder: Path, questions: Sequence[str], vectors: Vectors) -> Measured:
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(config.model_dump(), folder, questions, vectors, theirs))
    child.start()
    theirs.close()
    try:
        measured: Measured = pipe.recv()
    except EOFError as exc:
        raise EngineError("the process that answers died; look at free memory with `rag doctor`") from exc
    finally:
        child.join()
    return measured


def _serve(
    settings: dict[str, Any], folder: Path, questions: Sequence[str], vectors: Vectors, pipe: Connection
) -> None:
    pipe.send(measure(folder, questions, vectors, open_embedder(Config(**settings))))


def _spread(answers: Sequence[tuple[float, Any]]) -> Spread:
    times = [milliseconds for milliseconds, _ in answers]
    return Spread(median=float(np.median(times)), p95=float(np.percentile(times, 95)), max=max(times))


def embedded(pool: Sequence[str], embedder: Embedder, progress: ProgressCallback) -> Vectors:
    vectors = []
    for start in range(0, len(pool), EMBEDDED_AT_ONCE):
        progress(Progress(stage="Embedding", done=start, total=len(pool), unit="passages"))
        vectors.append(embedder.embed_passages(pool[start : start + EMBEDDED_AT_ONCE]))
    return np.concatenate(vectors)


def _settings(embedder: Embedder) -> dict[str, Any]:
    return {"embedder": embedder.name, "dim": embedder.dim, "passage_tokens": 256}


def _mb(path: Path) -> float:
    return path.stat().st_size / 1e6


def _resident_mb() -> float:
    found = RESIDENT.search(Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1000 if found else 0.0


def facts(scale: ScaleReport) -> tuple[Fact, ...]:
    """Return the figures as facts of the case "index"."""
    measured = scale.measured
    told = {
        ("passages", ""): scale.passages,
        ("stored, embedding excluded", "s"): scale.store_seconds,
        ("database", "MB"): scale.database_mb,
        ("FAISS", "MB"): scale.faiss_mb,
        ("started", "s"): measured.start_seconds,
        ("memory after the questions", "MB"): measured.end_mb,
        (f"recall@{NEAREST} of the vectors", ""): scale.dense_recall,
        (f"recall@{RANKS} of BM25", ""): scale.lexical_recall,
        ("retrieval", "ms"): measured.retrieve.median,
        ("retrieval, question embedded too", "ms"): measured.whole.median,
    }
    return tuple(
        Fact(case="index", name=name, unit=unit, figure=figure_of([value]))
        for (name, unit), value in told.items()
    )


def to_json(scale: ScaleReport) -> str:
    """Return the figures as a JSON object, without what each question found."""
    values = asdict(scale)
    for name in ("dense_found", "lexical_found"):
        del values["measured"][name]
    return json.dumps(values, indent=1)


def to_table(scale: ScaleReport) -> str:
    """Return the report for a terminal."""
    measured = scale.measured
    times = {
        "retrieval": measured.retrieve,
        "  nearest 10 vectors": measured.dense,
        "  best 30 by BM25": measured.lexical,
        "retrieval, question embedded too": measured.whole,
    }
    lines = [
        scale.machine,
        f"{scale.passages:,} passages, vectors of {scale.embedder}, {scale.questions} questions",
        "",
        f"stored in {scale.store_seconds:.0f} s, embedding excluded; "
        f"database {scale.database_mb:,.0f} MB, FAISS {scale.faiss_mb:,.0f} MB",
        f"started in {measured.start_seconds:.1f} s; memory {measured.start_mb:,.0f} MB, "
        f"after the questions {measured.end_mb:,.0f} MB",
        f"documents listed in {measured.documents_seconds:.2f} s",
        f"recall@{NEAREST} of the vectors {scale.dense_recall:.4f}, "
        f"recall@{RANKS} of BM25 {scale.lexical_recall:.4f}, against exact search",
        "",
        f"{'ms':34}{'median':>9}{'95th %':>9}{'max':>9}",
    ]
    lines += [f"{name:34}{s.median:9.1f}{s.p95:9.1f}{s.max:9.1f}" for name, s in times.items()]
    return "\n".join(lines)
