"""Whether other programs keep the processors busy while something is timed here."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final, NamedTuple

BUSY: Final = 0.1  # share of all processors' time; below it is what any desktop does at rest
LOOK: Final = 0.3  # seconds to find out
WORK: Final = ("user", "nice", "system", "irq", "softirq", "steal")  # not every system tells each


class Spent(NamedTuple):
    """Seconds of all processors together, up to now."""

    passed: float  # idle ones, too
    worked: float
    ours: float  # this process and its children


class Others:
    """What other programs take of the processors, from when it is made on."""

    def __init__(self) -> None:
        self._start = spent()

    @property
    def busy(self) -> bool:
        """Whether that is so much that what was timed meanwhile may be wrong; False where none can tell."""
        passed, worked, ours = (now - then for now, then in zip(spent(), self._start, strict=True))
        return worked - ours > BUSY * passed


def is_quiet() -> bool:
    """Look for a moment whether other programs leave the processors alone."""
    others = Others()
    time.sleep(LOOK)
    return not others.busy


def spent() -> Spent:
    import psutil

    try:
        times = psutil.cpu_times()._asdict()
        worked = sum(times.get(kind, 0.0) for kind in WORK)
        me = psutil.Process()
        processes = [me, *me.children(recursive=True)]
    except (psutil.Error, OSError, NotImplementedError):
        return Spent(0.0, 0.0, 0.0)
    ours = 0.0
    for process in processes:
        with suppress(psutil.Error):  # it has ended just now
            ours += sum(process.cpu_times()[:4])  # its ended children's, too
    return Spent(worked + times["idle"] + times.get("iowait", 0.0), worked, ours)
