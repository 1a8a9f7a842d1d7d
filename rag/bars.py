"""Progress events as a bar in the terminal: what is being done, how far, how fast, time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.datatypes import Progress
from rag.render import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import Task, TaskID

SECONDS_BETWEEN_LINES = 10.0  # where nobody watches, a log
SECONDS_BEFORE_THE_LAST = 1.0  # a stage that ends sooner after its last line needs no other
MINUTE, HOUR = 60, 3600  # seconds


@contextmanager
def progress_bars() -> Iterator[Callable[[Progress], None]]:
    """Give a callback that draws on standard error: bars on a terminal, now and then a line elsewhere."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    with _bars() as bars:
        stages: dict[str, TaskID] = {}

        def show(event: Progress) -> None:
            if event.stage not in stages:
                stages[event.stage] = bars.add_task(event.stage, total=event.total, said="", item="")
            bars.update(
                stages[event.stage],
                completed=event.done,
                total=event.total,
                said=said(event),
                item=event.item[-40:],
            )

        yield show


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Said(ProgressColumn):
        """What is known of a stage; the time left is ours where it was told, else the bar's own guess."""

        def render(self, task: Task) -> Text:
            text = task.fields["said"]
            guess = (
                ""
                if " left" in text or not task.time_remaining
                else f", {duration(task.time_remaining)} left"
            )
            return Text(text + guess)

    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        Said(),
        TextColumn("{task.fields[item]}", markup=False, style="dim"),
        console=Console(stderr=True),
    )


def _lines() -> Callable[[Progress], None]:
    told: dict[str, float] = {}

    def show(event: Progress) -> None:
        finished = event.total is not None and event.done >= event.total
        pause = SECONDS_BEFORE_THE_LAST if finished else SECONDS_BETWEEN_LINES
        if event.total != 0 and time.monotonic() - told.get(event.stage, float("-inf")) > pause:
            told[event.stage] = time.monotonic()
            sys.stderr.write(f"{event.stage}: {said(event)}\n")
            sys.stderr.flush()

    return show


def said(event: Progress) -> str:
    """Return for example "7 of 9 files, 120 passages at 38/s, 1 failed, 0:12 left"."""
    parts = [amount(event.done, event.total, event.unit)]
    if event.passages:
        parts.append(f"{counted(event.passages, 'passage')} at {event.rate:.0f}/s")
    if event.failed:
        parts.append(f"{event.failed:,} failed")
    if event.left is not None and event.total != event.done:
        parts.append(f"{duration(event.left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return for example "0:12" or "1:02:05"."""
    whole = round(seconds)
    minutes = f"{whole % HOUR // MINUTE}:{whole % MINUTE:02}"
    return minutes if whole < HOUR else f"{whole // HOUR}:{minutes:0>5}"


def amount(done: float, total: float | None, unit: str) -> str:
    """Return for example "12.3 of 45.6 MB" or "7 of 9 files"."""
    if unit == "bytes":
        done, total, unit = done / 1e6, None if total is None else total / 1e6, "MB"
        return f"{done:,.1f} {unit}" if total is None else f"{done:,.1f} of {total:,.1f} {unit}"
    return f"{done:,.0f} {unit}" if total is None else f"{done:,.0f} of {total:,.0f} {unit}"
