"""How long the search for a question's passages takes, over an index made for it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rag.benchmark import machine
from rag.benchmark.known import Known, timed, vectors_of
from rag.benchmark.report import Fact, Report, figure_of
from rag.benchmark.scale import build, embedded, open_built
from rag.benchmark.synthetic import questions_of, sentences
from rag.config import Config
from rag.datatypes import ProgressCallback
from rag.embed import Embedder, open_embedder
from rag.errors import ConfigError
from rag.retrieve import retrieve

CASE: Final = "retrieval"
PASSAGES: Final = 1000


def measure_retrieval(
    config: Config,
    *,
    passages: int = PASSAGES,
    questions: Path | None = None,
    progress: ProgressCallback = lambda _: None,
) -> Report:
    """Ask each question once of an index of so many passages, made from the texts of `config.data_dir`.

    Raises:
        ConfigError: when there are no passages to make, or no texts or questions to make them from.
        ModelError: when the embedder is not on this machine.
    """
    if passages < 1:
        raise ConfigError(f"{passages} passages measure nothing; ask for 1 or more")
    embedder, pool = open_embedder(config), sentences(config.data_dir)
    asked = questions_of(questions, pool)
    with tempfile.TemporaryDirectory(prefix="rag-benchmark-") as place:
        vectors = embedded(pool, embedder, progress)
        build(Path(place), pool, vectors, embedder, passages=passages, progress=progress)
        told = _milliseconds(Path(place), asked, embedder, top_k=config.top_k)
    counts = {("passages", ""): [float(passages)], ("questions", ""): [float(len(asked))]}
    facts = tuple(
        Fact(case=CASE, name=name, unit=unit, figure=figure_of(values))
        for (name, unit), values in {**counts, **told}.items()
    )
    return Report(machine=machine(config), rounds=1, facts=facts)


def _milliseconds(
    folder: Path, questions: Sequence[str], embedder: Embedder, *, top_k: int
) -> dict[tuple[str, str], list[float]]:
    known = Known(embedder, questions, vectors_of(questions, embedder))
    with open_built(folder, embedder) as index:
        index.warm_up()
        retrieve(questions[0], index=index, embedder=embedder, top_k=top_k)
        whole = timed(questions, lambda q: retrieve(q, index=index, embedder=embedder, top_k=top_k))
        search = timed(questions, lambda q: retrieve(q, index=index, embedder=known, top_k=top_k))
    return {
        ("a question", "ms"): [each for each, _ in whole],
        ("a question, embedded before", "ms"): [each for each, _ in search],
    }
