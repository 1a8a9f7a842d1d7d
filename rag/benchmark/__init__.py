"""Engines side by side on the same prompts: first token, decoding, the whole answer, memory.

Each engine runs in its own process; all stay open and take turns, so that a busy moment hits all alike. A
figure is a median after a warm-up. Rivals run as their own documentation shows; our engines keep what they
read of passages, in a temporary folder.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from rag.benchmark.cases import CASES, WARM_UP, Case
from rag.benchmark.processes import DIED, Processes, opened
from rag.benchmark.prompts import Count, make_prompt
from rag.benchmark.report import Report, Row, row_of
from rag.benchmark.runners import KEEPS_NOTHING, RUNNERS, Task, Timing, threads_of
from rag.config import Config
from rag.datatypes import Progress, ProgressCallback
from rag.engines import ENGINES as OURS
from rag.engines.choice import candidates, why_missing
from rag.engines.low_bit.conversion import read_manifest
from rag.errors import ConfigError
from rag.models import chosen_model, lowbit_folder
from rag.tokenizer.chat import ChatTokenizer
from rag.weights.sources import TOKENIZER

__all__ = ["benchmark", "known_engines", "machine", "token_counter", "usual_engines"]

SHARED: Final = 16  # tokens that every two prompts begin with, at most
PACKAGES: Final = ("ipex-llm", "torch", "transformers", "llama-cpp-python", "openvino-genai")


def known_engines() -> list[str]:
    """Return all that can be timed: our engines, then their rivals."""
    return [*OURS, *(name for name in RUNNERS if name not in OURS)]


def usual_engines(config: Config) -> list[str]:
    """Return what is timed unless others are named: those of ours that can run here, and all rivals."""
    return [*(name for name in candidates() if not why_missing(name, config)), *RUNNERS]


def benchmark(
    config: Config,
    *,
    engines: Sequence[str] | None = None,
    cases: Sequence[Case] = CASES,
    rounds: int = 3,
    progress: ProgressCallback = lambda _: None,
) -> Report:
    """Time each engine on each case, `rounds` times, in turns; without `engines` the usual ones.

    Raises:
        ConfigError: for an engine that is not known, or less than one round.
        ModelError: when the model is not converted.
        EngineError: when no engine could be opened and answer.
    """
    config = config.model_copy(update={"model": chosen_model(config), "reuse": "all"})
    names = _checked(engines, config, rounds)
    count = token_counter(names, config)
    results = _Results()
    with opened(names, config) as group:
        tasks = list(_tasks(cases, rounds))
        for done, (number, case) in enumerate(tasks):
            asked = make_prompt(case, number, count)
            results.sizes[case.name] = count(asked.prompt)
            alone = asked.alone if case.reuse == "passages" else ()
            task = Task(
                prompt=asked.prompt,
                answer_tokens=case.answer_tokens,
                alone=alone,
                keepers_only=case.keepers_only,
            )
            for name in list(group.pipes):
                progress(
                    Progress(
                        stage="Timing",
                        done=done,
                        total=len(tasks),
                        unit="questions",
                        item=f"{name}: {case.name}",
                    )
                )
                results.add(case, name, group.ask(name, task), group)
            group.require_one()
    rows = results.rows(cases, names, config.model, rounds)
    return Report(machine=machine(config), rounds=rounds, rows=rows, skipped=group.skipped)


def _checked(engines: Sequence[str] | None, config: Config, rounds: int) -> list[str]:
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds measure nothing; ask for 1 or more")
    names = usual_engines(config) if engines is None else [name.strip() for name in engines]
    if unknown := [name for name in names if name not in known_engines()]:
        raise ConfigError(f"engine {unknown[0]!r} is not one of {', '.join(known_engines())}")
    return names


def token_counter(engines: Sequence[str], config: Config) -> Count:
    """Return what counts a prompt's tokens: the model's own tokenizer, or echo where only that is asked.

    Raises:
        ModelError: when the model is not converted.
    """
    if set(engines) == {"echo"}:
        from rag.engines.echo import EchoEngine

        return EchoEngine().count_tokens
    folder = lowbit_folder(chosen_model(config), config)
    read_manifest(folder)
    tokenizer = ChatTokenizer(folder / TOKENIZER)
    return lambda prompt: len(tokenizer.render(prompt).tokens)


def _tasks(cases: Sequence[Case], rounds: int) -> Iterator[tuple[int, Case]]:
    """Yield the warm-up and then every case of every round, with a number that no other beginning has."""
    number = 1
    yield number, WARM_UP
    for _ in range(rounds):
        for case in cases:
            number += case.reuse != "prefix"
            yield number, case


@dataclass(slots=True)
class _Results:
    """What the engines took, by case and name."""

    timings: dict[tuple[str, str], list[Timing]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def add(self, case: Case, name: str, answered: Timing | str, group: Processes) -> None:
        """Note a timing, or else why there is none; in the warm-up that excludes the engine."""
        if answered == KEEPS_NOTHING:
            return
        if isinstance(answered, str):
            reason = answered
        elif not (reason := flaw(case, answered, self.sizes[case.name])):
            self.timings.setdefault((case.name, name), []).append(answered)
            return
        if case == WARM_UP:
            group.drop(name, f"{case.name}: {reason}")
        elif reason != DIED:
            group.skipped[name] = f"{case.name}: {reason}"

    def rows(self, cases: Sequence[Case], engines: Sequence[str], model: str, rounds: int) -> tuple[Row, ...]:
        """Return a row for each engine that answered a case in every round."""
        return tuple(
            row_of(case, name, model, self.sizes[case.name], timings)
            for case in cases
            for name in engines
            if len(timings := self.timings.get((case.name, name), [])) == rounds
        )


def flaw(case: Case, timing: Timing, prompt_tokens: int) -> str:
    """Tell why a timing is not what the case is about; "" if it is."""
    cached = timing.cached_tokens
    if case.reuse == "none" and cached > SHARED:
        return f"it knew {cached} tokens of a prompt that should have been new to it"
    if timing.kept and cached < prompt_tokens // 2:
        return f"it had read the passages before, but knew only {cached} of {prompt_tokens} tokens"
    return ""


def machine(config: Config) -> str:
    """Return the processor, cores, threads and versions in one line."""
    from rag.engines.cores import cpu_name, usable_cores
    from rag.engines.low_bit.kernels import usable_variants

    packages = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    return (
        f"{cpu_name()} ({usable_variants()[0]}), {usable_cores()} cores, {threads_of(config)} threads, "
        f"{config.low_bit}, {packages}, Python {platform.python_version()}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
