"""Which of the installed engines answers a typical question soonest, measured once and remembered.

A typical question is one about a passage of about 240 tokens, answered in 60. That has been read before where
the engine keeps what it reads, by the settings; else it is read then. So what counts is the time to
the first token, warm or cold as it would be, and 59 more at the engine's pace. Each is the median of a few
rounds in which the engines take turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

from rag.benchmark import token_counter
from rag.benchmark.cases import WARM, WARM_UP, Case
from rag.benchmark.processes import Processes, opened
from rag.benchmark.prompts import Count, make_prompt
from rag.benchmark.runners import Task, Timing
from rag.config import Config
from rag.datatypes import Progress, ProgressCallback
from rag.engines.busy import Others
from rag.engines.choice import (
    MEASURED_BUSY,
    WRITTEN,
    Measured,
    Speed,
    candidates,
    holds_for,
    recall,
    remember,
    told,
    versions_of,
    why_missing,
)
from rag.engines.cores import free_memory
from rag.errors import EngineError
from rag.models import chosen_model, find_model, lowbit_folder

# Tokens enough to tell the pace.
TYPICAL: Final = replace(WARM, name="a typical question", passages=1, answer_tokens=24)
ROUNDS: Final = 3
ROOM: Final = 4  # times the packed weights: what the largest engine takes, which unpacks them to 16 bits


def measure_fastest(
    config: Config, *, engines: Sequence[str] | None = None, progress: ProgressCallback = lambda _: None
) -> Measured:
    """Measure the engines that can run here, in turns, and remember which is fastest.

    `engines` names those to measure; what is known of the others stays.

    Raises:
        ModelError: when the model is not converted.
        EngineError: when none could answer.
    """
    known = recall(config)
    names = [name for name in engines or candidates() if not why_missing(name, config)]
    rounds = _Rounds(config.model_copy(update={"model": chosen_model(config)}), names, progress)
    for group in _groups(names, config):
        rounds.measure(group)
    speeds = {name: speed for name, speed in (known.speeds if known else {}).items() if name not in names}
    busy = rounds.busy or (known is not None and known.busy and bool(speeds))
    failed = {name: why for name, why in (known.failed if known else {}).items() if name not in names}
    speeds |= {name: _speed(name, timings) for name, timings in rounds.timings.items()}
    failed |= rounds.failed
    if not speeds:
        reasons = failed or {name: why_missing(name, config) for name in candidates()}
        raise EngineError("; ".join(f"{name} cannot run: {reason}" for name, reason in reasons.items()))
    measured = Measured(machine=holds_for(config), speeds=speeds, failed=failed, busy=busy)
    remember(config, measured)
    return measured


def _groups(names: Sequence[str], config: Config) -> list[list[str]]:
    """Return who is open at once: all, where memory allows, else each by itself."""
    together = free_memory() >= len(names) * ROOM * _bytes_of_weights(config)
    return [list(names)] if together else [[name] for name in names]


def _bytes_of_weights(config: Config) -> int:
    """Return the size of the weights in four bits, or as they came where those are all."""
    model = chosen_model(config)
    folder, found = lowbit_folder(model, config), find_model(model, config)
    files = list(folder.glob("*.safetensors"))
    if not files and found is not None:
        files = [found] if found.is_file() else list(found.glob("*.safetensors"))
    return sum(file.stat().st_size for file in files)


@dataclass(slots=True)
class _Rounds:
    """What the engines took for a typical question, and why others have no figures."""

    config: Config
    names: Sequence[str]
    progress: ProgressCallback
    timings: dict[str, list[Timing]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    busy: bool = False  # other programs took much of the processors in some round

    def measure(self, group: Sequence[str]) -> None:
        """Let the engines of a group, all open, take turns: a warm-up each, then what counts."""
        count = token_counter(group, self.config)
        with opened(group, self.config) as processes:
            others = Others()
            for number, case in enumerate((WARM_UP, *[TYPICAL] * ROUNDS), start=1):
                task = _task(case, number, count)
                for name in list(processes.pipes):
                    self._ask(name, task, case, processes)
            self.busy |= others.busy
        self.failed |= processes.skipped

    def _ask(self, name: str, task: Task, case: Case, processes: Processes) -> None:
        done, total = sum(map(len, self.timings.values())), len(self.names) * ROUNDS
        self.progress(Progress(stage="Measuring engines", done=done, total=total, unit="rounds", item=name))
        answered = processes.ask(name, task)
        if not isinstance(answered, str) and case == TYPICAL and not answered.decode_tps:
            answered = "it wrote too little to tell its pace"
        if isinstance(answered, str):
            processes.drop(name, answered)
            self.timings.pop(name, None)
        elif case == TYPICAL:
            self.timings.setdefault(name, []).append(answered)


def _task(case: Case, number: int, count: Count) -> Task:
    asked = make_prompt(case, number, count)
    alone = asked.alone if case.reuse == "passages" else ()
    return Task(prompt=asked.prompt, answer_tokens=case.answer_tokens, alone=alone)


def _speed(name: str, timings: Sequence[Timing]) -> Speed:
    return Speed(
        first_token=median(timing.first_token for timing in timings),
        decode_tps=median(timing.decode_tps for timing in timings),
        warm=all(timing.kept for timing in timings),
        versions=versions_of(name),
        judges=all(timing.judges for timing in timings),
    )


def to_table(measured: Measured, config: Config) -> str:
    """Return each engine's figures, the fastest first, and why others have none."""
    said = measured.machine
    ordered = sorted(measured.speeds.items(), key=lambda each: each[1].seconds)
    missing = {name: why for name in candidates() if (why := why_missing(name, config))}
    return "\n".join(
        [
            f"{said['model']}, a passage, an answer of {WRITTEN} tokens, on {said['cpu']}",
            *_rows(ordered),
            *(f"{name} was not measured: {why}" for name, why in {**measured.failed, **missing}.items()),
            *([f"note: {MEASURED_BUSY}"] if measured.busy else []),
            f"engine=auto means {measured.fastest} from now on",
        ]
    )


def _rows(speeds: Sequence[tuple[str, Speed]]) -> Iterator[str]:
    for name, speed in speeds:
        yield f"{name:12} {told(speed)}"
