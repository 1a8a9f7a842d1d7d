"""What this process may use of the machine: threads that it can keep busy, and memory."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

GROUP: Final = Path("/sys/fs/cgroup")  # of a container
QUOTA: Final = GROUP / "cpu.max"  # "max 100000" or microseconds of each period


def cpu_name() -> str:
    return _told("model name") or platform.processor()


def cpu_features() -> frozenset[str]:
    """Return what the processor can do, as Linux names it; empty where that is not told."""
    return frozenset(_told("flags").split())


def _told(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def usable_cores(quota: Path = QUOTA) -> int:
    """Return the physical cores that the affinity and the container leave to this process."""
    limits = [_physical_cores(), *_affinity(), *_container(quota)]
    return max(1, min(limits))


def free_memory(group: Path = GROUP) -> int:
    """Return the bytes that the machine and the container have left."""
    import psutil

    available: int = psutil.virtual_memory().available
    return max(0, min([available, *_left_in(group)]))


def _left_in(group: Path) -> list[int]:
    try:
        most = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        return [most - used + _reclaimable(group)]
    except (OSError, ValueError):  # no such file, or no limit
        return []


def _reclaimable(group: Path) -> int:
    """Return the bytes of files that the container's kernel only keeps at hand, which count as used."""
    try:
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def _physical_cores() -> int:
    import psutil

    return psutil.cpu_count(logical=False) or psutil.cpu_count() or 1


def _affinity() -> list[int]:
    return [len(os.sched_getaffinity(0))] if hasattr(os, "sched_getaffinity") else []


def _container(quota: Path) -> list[int]:
    try:
        share, period = map(int, quota.read_text(encoding="ascii").split())
        return [-(-share // period)]
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or no limit
        return []
