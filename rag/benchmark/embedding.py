"""The embedder: its int8 conversion beside the same weights on plain PyTorch, on passages of documents."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rag.benchmark import machine
from rag.benchmark.report import Fact, Figure
from rag.config import Config
from rag.datatypes import Progress, ProgressCallback
from rag.embed import Embedder, SentenceEmbedder, open_embedder, text_for_embedding
from rag.errors import ConfigError, LoadError
from rag.folder.scan import scan
from rag.load.guard import Loader
from rag.split import split

MOST: Final = 64  # passages


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Passages a second over the rounds."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingReport:
    """Both ways of embedding, in turn in one run."""

    machine: str
    embedder: str
    passages: int
    tokens: float  # of a passage, on average
    rounds: int
    plain: Speed
    converted: Speed
    ratio: float  # of the medians


def measure_embedding(config: Config, *, rounds: int, progress: ProgressCallback) -> EmbeddingReport:
    """Embed the same passages by turns, after a warm-up.

    Raises:
        ConfigError: when there are no documents, or this embedder runs in one way only.
        ModelError: when the embedder is not on this machine.
    """
    converted = open_embedder(config)
    if not isinstance(converted, SentenceEmbedder):
        raise ConfigError(f"embedder {config.embedder!r} runs in one way only; name a model with --embedder")
    if reason := converted.prepare(progress):
        raise ConfigError(f"embedder {config.embedder!r} runs on PyTorch only: {reason}")
    plain = converted.unconverted()
    texts = _texts(config, converted)
    seconds: dict[str, list[float]] = {"plain": [], "converted": []}
    for number in range(rounds + 1):
        progress(Progress(stage="Embedding", done=number, total=rounds + 1, unit="rounds"))
        for name, embedder in (("plain", plain), ("converted", converted)):
            took = _seconds(embedder, texts)
            seconds[name] += [took] if number else []
    speeds = {name: _speed(len(texts), each) for name, each in seconds.items()}
    return EmbeddingReport(
        machine=machine(config),
        embedder=config.embedder,
        passages=len(texts),
        tokens=statistics.mean(len(converted.token_offsets(text)) for text in texts),
        rounds=rounds,
        ratio=speeds["converted"].median / speeds["plain"].median,
        **speeds,
    )


def _texts(config: Config, embedder: Embedder) -> list[str]:
    """Return what is embedded of the first passages of the documents."""
    texts: list[str] = []
    with Loader(timeout=config.file_timeout) as loader:
        for found in scan(config.data_dir, skip=config.index_dir).files:
            try:
                document = loader.load(found.path, source=found.source)
            except LoadError:
                continue
            passages = split(
                document,
                token_offsets=embedder.token_offsets,
                passage_tokens=config.passage_tokens,
                embedded_tokens=embedder.max_tokens,
            )
            texts += map(text_for_embedding, passages)
            if len(texts) >= MOST:
                break
    if not texts:
        raise ConfigError(f"there are no documents in {config.data_dir}/ to embed; put some there")
    return texts[:MOST]


def _seconds(embedder: Embedder, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    embedder.embed_passages(texts)
    return time.perf_counter() - started


def _speed(passages: int, seconds: Sequence[float]) -> Speed:
    rates = [passages / each for each in seconds]
    return Speed(median=statistics.median(rates), least=min(rates), most=max(rates))


def facts(report: EmbeddingReport) -> tuple[Fact, ...]:
    """Return the figures as facts of the case "embedding"."""
    speeds = {"PyTorch, float32": report.plain, "OpenVINO, int8": report.converted}
    return tuple(
        Fact(
            case="embedding",
            name=name,
            unit=f"passages/s of {report.tokens:.0f} tokens",
            figure=Figure(median=speed.median, min=speed.least, max=speed.most),
        )
        for name, speed in speeds.items()
    )


def to_json(report: EmbeddingReport) -> str:
    """Return the figures as a JSON object."""
    return json.dumps(asdict(report), indent=1)


def to_table(report: EmbeddingReport) -> str:
    """Return the report for a terminal."""
    lines = [
        report.machine,
        f"{report.embedder}, {report.passages} passages of {report.tokens:.0f} tokens on average, "
        f"medians of {report.rounds} rounds after a warm-up [least - most]",
        "",
    ]
    lines += [
        f"{name:28}{speed.median:8.1f} passages/s [{speed.least:.1f} - {speed.most:.1f}]"
        for name, speed in (("PyTorch, float32", report.plain), ("OpenVINO, int8", report.converted))
    ]
    return "\n".join([*lines, f"{report.ratio:.2f} times as fast"])
