"""Engines side by side on the same prompts: first token, decoding, memory.

Each engine runs in its own process; all stay open and take turns, so that a busy moment hits all alike. A
figure is a median after a warm-up.
"""

from __future__ import annotations

import json
import multiprocessing
import platform
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from typing import Final, Literal, TypeAlias

from rag.benchmark.runners import RUNNERS, Timing, serve, threads_of
from rag.config import Config
from rag.datatypes import Message, Progress, ProgressCallback, Prompt
from rag.engines.chat import ChatTokenizer
from rag.engines.lowbit import TOKENIZER, read_manifest
from rag.errors import ConfigError, EngineError
from rag.models import chosen_model, lowbit_folder

Reuse: TypeAlias = Literal["none", "prefix"]

ENGINES: Final = tuple(RUNNERS)
SYSTEM: Final = "You answer questions about the log of a harbour. This is log number {number}."
ENTRY: Final = "Entry {number}: the boat {name} left berth {berth} with {crates} crates for {town}. "
NAMES: Final = ("Alva", "Brine", "Corrie", "Dunlin", "Esker", "Fulmar", "Gannet")
TOWNS: Final = ("Aalness", "Borrow", "Carrick", "Deal", "Elgol")
QUESTION: Final = "\n\nList every boat that left berth 3, with its crates and its destination."
DIED: Final = "its process died; look at free memory with `rag doctor`"
FOLLOW_UP: Final = "\n\nList every boat that went to Deal, with its crates and its berth."


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A prompt of about `prompt_tokens`; with `reuse` "prefix" it begins like the prompt before it."""

    name: str
    prompt_tokens: int
    answer_tokens: int
    reuse: Reuse


CASES: Final = (
    Case(name="cold", prompt_tokens=963, answer_tokens=24, reuse="none"),
    Case(name="same passages, another question", prompt_tokens=963, answer_tokens=24, reuse="prefix"),
)
WARM_UP: Final = Case(name="warm-up", prompt_tokens=120, answer_tokens=4, reuse="none")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was measured, on what, and which engines could not run and why."""

    machine: str
    rounds: int
    rows: tuple[Row, ...]
    skipped: dict[str, str]


def benchmark(
    config: Config,
    *,
    engines: Sequence[str] = ENGINES,
    cases: Sequence[Case] = CASES,
    rounds: int = 3,
    progress: ProgressCallback = lambda _: None,
) -> Report:
    """Time each engine on each case, `rounds` times, in turns.

    Raises:
        ConfigError: for an engine that is not known, or less than one round.
        ModelError: when the model is not converted.
        EngineError: when no engine could be opened and answer.
    """
    engines = [name.strip() for name in engines]
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds measure nothing; ask for 1 or more")
    if unknown := [name for name in engines if name not in RUNNERS]:
        raise ConfigError(f"engine {unknown[0]!r} is not one of {', '.join(ENGINES)}")
    config = config.model_copy(update={"model": chosen_model(config)})
    folder = lowbit_folder(config.model, config)
    read_manifest(folder)
    tokenizer = ChatTokenizer(folder / TOKENIZER)
    timings: dict[tuple[str, str], list[Timing]] = {}
    sizes: dict[str, int] = {}
    with _processes(engines, config) as (pipes, skipped):
        tasks = [(number, case) for number in range(rounds + 1) for case in (cases if number else [WARM_UP])]
        for done, (number, case) in enumerate(tasks):
            prompt = make_prompt(case, number, tokenizer)
            sizes[case.name] = len(tokenizer.render(prompt).tokens)
            for name, pipe in list(pipes.items()):
                item = f"{name}: {case.name}, round {number}"
                progress(Progress(stage="Timing", done=done, total=len(tasks), unit="rounds", item=item))
                answered = _ask(pipe, prompt, case)
                if isinstance(answered, Timing):
                    timings.setdefault((case.name, name), []).append(answered)
                else:
                    skipped[name] = f"{case.name}: {answered}"
                    del pipes[name]
            _require_one(pipes, skipped)
    rows = tuple(
        _row(case, name, config.model, sizes[case.name], timings[case.name, name])
        for case in cases
        for name in pipes
    )
    return Report(machine=machine(config), rounds=rounds, rows=rows, skipped=skipped)


def make_prompt(case: Case, number: int, tokenizer: ChatTokenizer) -> Prompt:
    """Return a prompt of at most `case.prompt_tokens`; those of different rounds begin differently."""
    system = Message(role="system", parts=(SYSTEM.format(number=number),))
    question = FOLLOW_UP if case.reuse == "prefix" else QUESTION
    entries: list[str] = []
    fitting: Prompt | None = None
    while True:
        entries.append(_entry(len(entries) + number))
        longer = Prompt(messages=(system, Message(role="user", parts=("".join(entries), question))))
        if fitting and len(tokenizer.render(longer).tokens) > case.prompt_tokens:
            return fitting
        fitting = longer


def _entry(number: int) -> str:
    return ENTRY.format(
        number=number,
        name=NAMES[number % len(NAMES)],
        berth=number % 4 + 1,
        crates=number * 37 % 91,
        town=TOWNS[number % len(TOWNS)],
    )


@contextmanager
def _processes(
    engines: Sequence[str], config: Config
) -> Iterator[tuple[dict[str, Connection], dict[str, str]]]:
    """Open every engine in a process of its own; those that fail are told with the reason."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    skipped: dict[str, str] = {}
    children = []
    try:
        for name in engines:
            pipe, theirs = context.Pipe()
            child = context.Process(target=serve, args=(name, config.model_dump(), theirs), daemon=True)
            child.start()
            theirs.close()
            children.append(child)
            if reason := _receive(pipe):
                skipped[name] = str(reason)
            else:
                pipes[name] = pipe
        _require_one(pipes, skipped)
        yield pipes, skipped
    finally:
        for child in children:
            child.terminate()
            child.join()


def _require_one(pipes: dict[str, Connection], skipped: dict[str, str]) -> None:
    if not pipes:
        raise EngineError("; ".join(f"{name} cannot run: {reason}" for name, reason in skipped.items()))


def _ask(pipe: Connection, prompt: Prompt, case: Case) -> Timing | str:
    try:
        pipe.send((prompt, case.answer_tokens))
    except OSError:
        return DIED
    return _receive(pipe)


def _receive(pipe: Connection) -> Timing | str:
    """Return what the process says: a Timing, "" when it is ready, or why it cannot go on."""
    try:
        message: Timing | str = pipe.recv()
    except (EOFError, OSError):
        return DIED
    return message


def _row(case: Case, engine: str, model: str, prompt_tokens: int, timings: Sequence[Timing]) -> Row:
    return Row(
        case=case.name,
        engine=engine,
        model=model,
        prompt_tokens=prompt_tokens,
        answer_tokens=round(statistics.median(timing.answer_tokens for timing in timings)),
        reuse=case.reuse,
        first_token=_figure([timing.first_token for timing in timings]),
        decode_tps=_figure([timing.decode_tps for timing in timings]),
        total=_figure([timing.total for timing in timings]),
        rss_mb=max(timing.rss_mb for timing in timings),
    )


def _figure(values: Sequence[float]) -> Figure:
    return Figure(median=statistics.median(values), min=min(values), max=max(values))


def machine(config: Config) -> str:
    """Return the processor, cores, threads and versions in one line."""
    from rag.engines.cores import cpu_name, usable_cores
    from rag.engines.kernels import usable_variants

    packages = ", ".join(f"{name} {_version(name)}" for name in ("ipex-llm", "torch", "transformers"))
    return (
        f"{cpu_name()} ({usable_variants()[0]}), {usable_cores()} cores, {threads_of(config)} threads, "
        f"{config.low_bit}, {packages}, Python {platform.python_version()}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not here"


def to_json(report: Report) -> str:
    """Return the rows as a JSON list; figures as median, min and max."""
    return json.dumps([asdict(row) for row in report.rows], indent=1)


def to_table(report: Report) -> str:
    """Return the report for a terminal; figures are medians, with the least and most in brackets."""
    lines = [report.machine, f"median of {report.rounds} rounds after a warm-up [least - most]", ""]
    header = f"{'engine':15} {'first token, s':>24} {'tokens/s after it':>24} {'total, s':>24} {'MB':>6}"
    for case in dict.fromkeys(row.case for row in report.rows):
        rows = [row for row in report.rows if row.case == case]
        lines += [f"{case}: {rows[0].model}, {rows[0].prompt_tokens} prompt tokens", header]
        for row in rows:
            figures = " ".join(_show(figure) for figure in (row.first_token, row.decode_tps, row.total))
            lines.append(f"{row.engine:15} {figures} {row.rss_mb:6.0f}")
        lines.append("")
    return "\n".join(lines + [f"{name} did not run: {reason}" for name, reason in report.skipped.items()])


def _show(figure: Figure) -> str:
    return f"{figure.median:8.2f} [{figure.min:6.2f} - {figure.max:6.2f}]"
