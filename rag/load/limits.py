"""What the process that reads may use: memory, disk, and none of the service's own."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from rag.datatypes import Document, Heading, Page, Region

MAX_MEMORY: Final = 1_600_000_000  # bytes the process may write to, the stacks of its threads among them
MAX_RESIDENT: Final = 1_300_000_000  # bytes of real memory, with what it started; its parent watches them
WORN: Final = 1_100_000_000  # bytes of real memory from which on it is replaced after a file
MAX_FILE: Final = 256 << 20  # bytes of a file it may write
MAX_TEXT: Final = 32_000_000  # characters of one document
MAX_NOTES: Final = 100  # of one document
MAX_PLACES: Final = 1_000_000  # pages, headings and regions of one document, each
FIRST_TO_GO: Final = "1000"  # Linux's highest score, when it must end a process for want of memory

Placed = TypeVar("Placed", Page, Heading, Region)


def limit_process() -> None:
    """Set this process's limits, as far as the system knows them; what it starts inherits them."""
    with contextlib.suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return
    # Not RLIMIT_AS: an OCR engine's threads reserve gigabytes of addresses that they never write to.
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, MAX_MEMORY),
        (resource.RLIMIT_FSIZE, MAX_FILE),
    ):
        with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
            resource.setrlimit(kind, (most, most))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing too much is an error, not a death


def cut(document: Document, *, most: int = MAX_TEXT, places: int = MAX_PLACES) -> Document:
    """Return `document`, or its beginning with a note, so that no text fills the service's memory."""
    document = _with_few_notes(document)
    ends = (_end_of(document.pages, places), _end_of(document.headings, places))
    end = min(most, *ends, _end_of(document.regions, places))
    if len(document.text) <= end:
        return document
    text = document.text[:end].rstrip()
    read, all_of_it = f"{len(text):,}", f"{len(document.text):,}"
    note = f"it is very long: only the first {read} of its {all_of_it} characters were read"
    return replace(
        document,
        text=text,
        pages=_within(document.pages, len(text)),
        headings=_within(document.headings, len(text)),
        regions=_within(document.regions, len(text)),
        notes=(*document.notes, note),
    )


def _with_few_notes(document: Document) -> Document:
    more = len(document.notes) - MAX_NOTES
    if more <= 0:
        return document
    rest = f"there {'is' if more == 1 else 'are'} {more:,} more such note{'s' if more > 1 else ''}"
    return replace(document, notes=(*document.notes[:MAX_NOTES], rest))


def _end_of(items: tuple[Placed, ...], most: int) -> int:
    return items[most].start if len(items) > most else MAX_TEXT


def _within(items: tuple[Placed, ...], end: int) -> tuple[Placed, ...]:
    return tuple(replace(item, end=min(item.end, end)) for item in items if item.start < end)
