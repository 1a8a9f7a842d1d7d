"""Measures once per machine which of ipex-llm's libraries is fastest, and where a GEMM overtakes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, get_args

import torch

from rag.engines.busy import Others, is_quiet
from rag.engines.cores import cpu_name
from rag.engines.low_bit.kernels import Kernels, usable_variants
from rag.engines.low_bit.matmul import KEPT, Matmul, Method
from rag.engines.low_bit.packed import Packed
from rag.engines.remembered import remember
from rag.models.files import read_json
from rag.race import race

TOKENS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # at which to measure; above the last its winner is used
PLAIN: Final[tuple[Method, ...]] = ("kernel", "float32", "bfloat16")
ROUNDS: Final = 5
LIBRARY_ROUNDS: Final = 300  # of a fraction of a millisecond
COLUMNS: Final = 1536
ROWS: Final = 4096

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What was fastest, and on what."""

    machine: dict[str, Any]
    variant: str
    plan: tuple[tuple[int, Method], ...]
    kept_plan: tuple[tuple[int, Method], ...]  # where there is memory for what is dequantised
    milliseconds: dict[str, dict[str, float]]  # method -> tokens -> for one matrix
    busy: bool  # other programs took much of the processors meanwhile


def tuned_matmul(path: Path, *, low_bit: str, threads: int) -> Matmul:
    """Return a Matmul tuned as `path` remembers, measuring first when it knows another machine or none.

    What was measured beside other programs' work is measured again once they have ended.
    """
    machine = _machine(low_bit, threads)
    tuning = _remembered(path, machine)
    if tuning is None or (tuning.busy and is_quiet()):
        tuning = measure(machine, low_bit=low_bit, threads=threads)
        remember(path, asdict(tuning))
    return Matmul(Kernels(tuning.variant), threads, tuning.plan, tuning.kept_plan)


def measure(machine: dict[str, Any], *, low_bit: str, threads: int) -> Tuning:
    """Time every library on one token, then every method on more; takes a second or two.

    All take turns, a round after the other, so that a busy moment spoils one round of each at most.
    """
    others = Others()
    libraries = {name: Kernels(name) for name in usable_variants()}
    any_library = next(iter(libraries.values()))
    data = any_library.quantise(torch.randn(ROWS, COLUMNS), low_bit)
    weight = Packed(data=data, low_bit=low_bit, columns=COLUMNS)
    matmul = Matmul(any_library, threads)
    variant = _fastest(libraries, weight)
    matmul.kernels = libraries[variant]
    times = _times(matmul, weight)
    tuning = Tuning(
        machine=machine,
        variant=variant,
        plan=make_plan(_only(times, PLAIN)),
        kept_plan=make_plan(_only(times, ("kernel", _best_kept(times)))),
        milliseconds={m: {str(t): round(times[t][m] * 1000, 3) for t in TOKENS} for m in get_args(Method)},
        busy=others.busy,
    )
    logger.info("%s: library %s, plan %s", machine["cpu"], variant, tuning.plan)
    return tuning


def _fastest(libraries: Mapping[str, Kernels], weight: Packed) -> str:
    one = torch.randn(1, COLUMNS)
    calls = {name: _call(each.multiply, one, weight.data, weight.low_bit) for name, each in libraries.items()}
    seconds = race(calls, rounds=LIBRARY_ROUNDS)
    return min(seconds, key=lambda name: seconds[name])


def _times(matmul: Matmul, weight: Packed) -> dict[int, dict[Method, float]]:
    """Return the seconds of each method by the number of tokens."""
    methods: Sequence[Method] = get_args(Method)
    batches = {tokens: torch.randn(tokens, COLUMNS) for tokens in TOKENS}
    calls = {
        (tokens, method): _call(matmul.multiply, batch, weight, method)
        for tokens, batch in batches.items()
        for method in methods
    }
    best = race(calls, rounds=ROUNDS)
    return {tokens: {method: best[tokens, method] for method in methods} for tokens in TOKENS}


def _only(
    times: Mapping[int, Mapping[Method, float]], methods: Sequence[Method]
) -> dict[int, dict[Method, float]]:
    return {tokens: {method: rivals[method] for method in methods} for tokens, rivals in times.items()}


def _best_kept(times: Mapping[int, Mapping[Method, float]]) -> Method:
    """Return the one that is fastest for most tokens: a matrix is kept in one form only."""
    most = times[max(times)]
    return min((method for method in most if method.startswith(KEPT)), key=lambda method: most[method])


def make_plan(times: dict[int, dict[Method, float]]) -> tuple[tuple[int, Method], ...]:
    """Return the fastest method from each measured number of tokens on; one token always takes the kernel.

    Once a GEMM has won, the kernel stays out: its time grows with the tokens, so a win would be noise.
    """
    plan: list[tuple[int, Method]] = [(1, "kernel")]
    for tokens in sorted(times)[1:]:
        rivals = times[tokens] if plan[-1][1] == "kernel" else _without_kernel(times[tokens])
        best = min(rivals, key=lambda method: rivals[method])
        if best != plan[-1][1]:
            plan.append((tokens, best))
    return tuple(plan)


def _without_kernel(times: dict[Method, float]) -> dict[Method, float]:
    return {method: seconds for method, seconds in times.items() if method != "kernel"}


def _call(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: function(*arguments)


def _machine(low_bit: str, threads: int) -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "variants": usable_variants(),
        "threads": threads,
        "torch": torch.__version__,
        "low_bit": low_bit,
    }


def _remembered(path: Path, machine: dict[str, Any]) -> Tuning | None:
    try:
        tuning = Tuning(**read_json(path))
        plans = _is_plan(tuning.plan) and _is_plan(tuning.kept_plan)
        usable = tuning.variant in usable_variants() and plans
    except (ValueError, TypeError):
        return None
    return tuning if usable and tuning.machine == machine else None


def _is_plan(plan: Sequence[tuple[int, Method]]) -> bool:
    """Tell whether known methods are set from one token on, in ascending order."""
    starts = [start for start, _ in plan]
    known = all(method in get_args(Method) for _, method in plan)
    return known and starts[:1] == [1] and starts == sorted(starts)
