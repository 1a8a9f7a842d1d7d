"""From nothing to an answer: a new process loads the models and answers one question, as `rag ask` does."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from rag.benchmark import machine
from rag.benchmark.folder import QUESTION, write_documents
from rag.benchmark.processes import DIED
from rag.benchmark.report import Fact, Report, figure_of
from rag.benchmark.runners import peak_mb
from rag.config import Config
from rag.datatypes import Answer, Progress, ProgressCallback, Token
from rag.errors import ConfigError, EngineError
from rag.models import chosen_model, find_model, lowbit_folder
from rag.pipeline import Rag
from rag.reuse import bytes_kept, states_folder

CASE: Final = "start"
READY, FIRST, WHOLE, MEMORY = (
    "process start to engine loaded",
    "process start to first token",
    "process start to last word",
    "memory",
)
MEGABYTE: Final = 1e6


def measure_start(
    config: Config, engines: Sequence[str], *, rounds: int, progress: ProgressCallback = lambda _: None
) -> Report:
    """Ask one question in a new process, `rounds` times with each engine in turn, after one round uncounted.

    The documents are made, and indexed before. The files of the models are in the operating system's memory
    after the first round, as they are when a program is started again.

    Raises:
        ConfigError: for less than one round.
        ModelError: when a model is not on this machine.
    """
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds measure nothing; ask for 1 or more")
    config = config.model_copy(update={"model": chosen_model(config)})
    told: dict[str, dict[str, list[float]]] = {name: {} for name in engines}
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="rag-benchmark-") as place:
        config = _indexed(config, Path(place))
        starts = [(number, name) for number in range(rounds + 1) for name in engines]
        for done, (number, name) in enumerate(starts):
            progress(Progress(stage="Starting", done=done, total=len(starts), unit="rounds", item=name))
            try:
                moments = {} if name in skipped else ask_anew(config.model_copy(update={"engine": name}))
            except EngineError as exc:
                skipped[name] = str(exc)
                continue
            for what, value in moments.items():
                told[name].setdefault(what, []).extend([value] if number else [])
        facts = [*_facts(told), *_disk(config)]
    return Report(machine=machine(config), rounds=rounds, facts=tuple(facts), skipped=skipped)


def _indexed(config: Config, place: Path) -> Config:
    write_documents(place / "data")
    config = config.model_copy(update={"data_dir": place / "data", "index_dir": place / "index"})
    with Rag(config) as rag:
        rag.sync()
    return config


def ask_anew(config: Config) -> dict[str, float]:
    """Ask in a new process; return the seconds since it was started, and its memory at the end in MB.

    Raises:
        EngineError: when it fails or dies.
    """
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    child = context.Process(target=_answer, args=(config.model_dump(), theirs), daemon=True)
    started = time.perf_counter()
    child.start()
    theirs.close()
    moments: dict[str, float] = {}
    try:
        while MEMORY not in moments:
            what, value = pipe.recv()
            if isinstance(value, str):
                raise EngineError(value)
            moments[what] = value if what == MEMORY else time.perf_counter() - started
    except EOFError as exc:
        raise EngineError(DIED) from exc
    finally:
        child.join()
    moments.setdefault(FIRST, moments[WHOLE])  # it wrote nothing
    return moments


def _answer(settings: dict[str, Any], pipe: Connection) -> None:
    try:
        with Rag(Config(**settings)) as rag:
            pipe.send((READY, float(rag.engine.context)))  # what counts is when it comes
            is_first = True
            for event in rag.stream(QUESTION):
                if isinstance(event, Token) and is_first:
                    pipe.send((FIRST, 0.0))
                    is_first = False
                elif isinstance(event, Answer):
                    pipe.send((WHOLE, 0.0))
        pipe.send((MEMORY, peak_mb()))
    except Exception as exc:  # noqa: BLE001 - whatever goes wrong becomes the reason in the table
        pipe.send(("", str(exc) or type(exc).__name__))


def _facts(told: dict[str, dict[str, list[float]]]) -> list[Fact]:
    return [
        Fact(
            case=CASE,
            name=f"{name}: {what}",
            unit="MB" if what == MEMORY else "s",
            figure=figure_of(values),
        )
        for name, moments in told.items()
        for what, values in moments.items()
        if values
    ]


def _disk(config: Config) -> list[Fact]:
    """Return what lies on the disk, in MB."""
    weights = find_model(config.model, config)
    sizes = {
        "the model as fetched": _size(weights) if weights else 0,
        f"its conversion to {config.low_bit}": _size(lowbit_folder(config.model, config)),
        "the index of the documents made": _size(config.index_dir) - bytes_kept(states_folder(config)),
        "what was read of them": bytes_kept(states_folder(config)),
    }
    return [
        Fact(case=CASE, name=name, unit="MB on disk", figure=figure_of([size / MEGABYTE]))
        for name, size in sizes.items()
    ]


def _size(place: Path) -> int:
    return place.stat().st_size if place.is_file() else bytes_kept(place)
