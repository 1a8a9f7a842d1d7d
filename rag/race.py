"""Which of several ways of doing the same is fastest on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def race(runners: Mapping[Name, Callable[[], object]], *, rounds: int) -> dict[Name, float]:
    """Return each runner's best time in seconds, all taking turns so that a busy moment hits all alike.

    Each runs once more before, uncounted, to warm up.
    """
    for run in runners.values():
        run()
    best = dict.fromkeys(runners, float("inf"))
    for _ in range(rounds):
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return best
