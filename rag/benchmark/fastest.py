"""Which of the installed engines answers a typical question soonest, measured once and remembered.

A typical question is one about four passages of about 240 tokens, answered in 60. They have been read before
where the engine keeps what it reads, by the settings; else they are read then. So what counts is the time to
the first token, warm or cold as it would be, and 59 more at the engine's pace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from rag.benchmark import token_counter
from rag.benchmark.cases import WARM, WARM_UP, Case
from rag.benchmark.processes import opened
from rag.benchmark.prompts import Count, make_prompt
from rag.benchmark.runners import Task, Timing
from rag.config import Config
from rag.datatypes import Progress, ProgressCallback
from rag.engines.choice import (
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
from rag.errors import EngineError
from rag.models import chosen_model

TYPICAL: Final = replace(WARM, name="a typical question", answer_tokens=24)  # enough to tell its pace


def measure_fastest(
    config: Config, *, engines: Sequence[str] | None = None, progress: ProgressCallback = lambda _: None
) -> Measured:
    """Measure the engines that can run here, each alone in memory, and remember which is fastest.

    `engines` names those to measure; what is known of the others stays.

    Raises:
        ModelError: when the model is not converted.
        EngineError: when none could answer.
    """
    known = recall(config)
    names = [name for name in engines or candidates() if not why_missing(name, config)]
    failed: dict[str, str] = {}
    speeds = {name: speed for name, speed in (known.speeds if known else {}).items() if name not in names}
    placed = config.model_copy(update={"model": chosen_model(config)})
    count = token_counter(names, placed)
    for done, name in enumerate(names):
        progress(Progress(stage="Measuring engines", done=done, total=len(names), unit="rounds", item=name))
        answered = _timed(name, placed, count)
        if isinstance(answered, str):
            failed[name] = answered
        elif not answered.decode_tps:
            failed[name] = "it wrote too little to tell its pace"
        else:
            speeds[name] = _speed(name, answered)
    if not speeds:
        reasons = failed or {name: why_missing(name, config) for name in candidates()}
        raise EngineError("; ".join(f"{name} cannot run: {reason}" for name, reason in reasons.items()))
    measured = Measured(machine=holds_for(config), speeds=speeds, failed=failed)
    remember(config, measured)
    return measured


def _timed(name: str, config: Config, count: Count) -> Timing | str:
    """Return the timing of a typical question after a warm-up, or why there is none."""
    answered: Timing | str = ""
    try:
        with opened([name], config) as group:
            for number, case in enumerate((WARM_UP, TYPICAL), start=1):
                answered = group.ask(name, _task(case, number, count))
                if isinstance(answered, str):
                    return answered
    except EngineError as exc:
        return str(exc).removeprefix(f"{name} cannot run: ")
    return answered


def _task(case: Case, number: int, count: Count) -> Task:
    asked = make_prompt(case, number, count)
    alone = asked.alone if case.reuse == "passages" else ()
    return Task(prompt=asked.prompt, answer_tokens=case.answer_tokens, alone=alone)


def _speed(name: str, timing: Timing) -> Speed:
    return Speed(
        first_token=timing.first_token,
        decode_tps=timing.decode_tps,
        warm=timing.kept,
        versions=versions_of(name),
        judges=timing.judges,
    )


def to_table(measured: Measured, config: Config) -> str:
    """Return each engine's figures, the fastest first, and why others have none."""
    said = measured.machine
    ordered = sorted(measured.speeds.items(), key=lambda each: each[1].seconds)
    missing = {name: why for name in candidates() if (why := why_missing(name, config))}
    return "\n".join(
        [
            f"{said['model']}, four passages, an answer of {WRITTEN} tokens, on {said['cpu']}",
            *_rows(ordered),
            *(f"{name} was not measured: {why}" for name, why in {**measured.failed, **missing}.items()),
            f"engine=auto means {measured.fastest} from now on",
        ]
    )


def _rows(speeds: Sequence[tuple[str, Speed]]) -> Iterator[str]:
    for name, speed in speeds:
        yield f"{name:12} {told(speed)}"
