"""Which files have stayed the same for a moment, so that nobody is writing to them any more."""

from __future__ import annotations

import time
from collections.abc import Callable

from rag.folder.scan import Found


class Steady:
    """Compares each look at a file with the last: by its own clock, whatever the files' times say."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds  # for which a file must look the same
        self._clock = clock
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}  # source -> size and time, since when

    def __call__(self, found: Found) -> bool:
        """Say whether a changed file has looked like this for long enough; a steady one is forgotten."""
        look, now = (found.size, found.mtime_ns), self._clock()
        before, since = self._seen.get(found.source, (None, now))
        if before != look:
            since = now
        self._seen[found.source] = (look, since)
        if found.reason or (before == look and now - since >= self._seconds):
            self._seen.pop(found.source, None)
            return True
        return False
