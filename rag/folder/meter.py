"""How far a sync has come: files and passages done, their rate, the time left."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from rag.datatypes import Progress

SPAN: Final = 60.0  # seconds over which the rate is taken
SOON: Final = 3.0  # seconds before which nothing is foretold
PER_FILE: Final = 2000  # bytes of text that take about as long as opening one more file


class Meter:
    """Counts work as it is done; the time left is foretold from the bytes of the files."""

    def __init__(self, sizes: dict[str, int]) -> None:
        """`sizes` are the bytes of each file that is to be done."""
        self._left = {source: PER_FILE + size for source, size in sizes.items()}
        self._all = sum(self._left.values())
        self._work = 0
        self._files = len(sizes)
        self._started = time.monotonic()
        self._embedded: deque[tuple[float, int]] = deque([(self._started, 0)])
        self.passages = 0
        self.failed = 0

    def embedded(self, count: int) -> None:
        self.passages += count
        now = time.monotonic()
        self._embedded.append((now, self.passages))
        while len(self._embedded) > 2 and now - self._embedded[1][0] > SPAN:  # noqa: PLR2004 (two make a rate)
            self._embedded.popleft()

    def done(self, source: str) -> None:
        self._work += self._left.pop(source, 0)

    def progress(self, item: str) -> Progress:
        return Progress(
            stage="Reading documents",
            done=self._files - len(self._left),
            total=self._files,
            unit="files",
            item=item,
            passages=self.passages,
            rate=self._rate(),
            left=self._time_left(),
            failed=self.failed,
        )

    def _rate(self) -> float:
        (first, before), (last, now) = self._embedded[0], self._embedded[-1]
        return (now - before) / (last - first) if last > first else 0.0

    def _time_left(self) -> float | None:
        passed = time.monotonic() - self._started
        if passed < SOON or not self._work:
            return None
        return passed * (self._all - self._work) / self._work
