"""What lies inside a file, read piece by piece: members of an archive, attachments and messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.limits import MAX_TEXT
from rag.load.source import LimitError, Source

MAX_NOTES: Final = 20  # pieces named that could not be read; the others are counted
BREATH: Final = 1.0  # seconds between two words of progress


class Parts:
    """Adds the pieces of `source` to `builder`, and names in its notes those that cannot be read."""

    def __init__(self, source: Source, builder: ContentBuilder) -> None:
        self._source = source
        self._builder = builder
        self._seen = self._failed = self._characters = 0
        self._reads = False  # whether anything was read since it was last told
        self._told = time.monotonic()

    def add(self, name: str, read: Callable[[], Content], *, silently: bool = False) -> None:
        """Add what `read` returns as a part called `name`; `silently` without a note when it cannot.

        Raises:
            LimitError: when the whole file may have no more.
        """
        if self._characters > MAX_TEXT:
            raise LimitError(f"its text is longer than {MAX_TEXT:,} characters")
        self._tell(name)
        self._seen += 1
        try:
            content = read()
            self._builder.add_part(name, content)
            self._characters += len(content.text)
            self._reads = True
        except LimitError:
            raise
        except LoadError as exc:
            if not silently:
                self.fail(name, str(exc))

    def add_file(self, name: str, data: bytes, *, silently: bool = False) -> None:
        """Add a piece that is a file of its own; `name` may be a path."""
        self.add(name, lambda: self._read(data, name), silently=silently)

    def fail(self, name: str, reason: str) -> None:
        """Note that a piece cannot be read."""
        self._failed += 1
        if self._failed <= MAX_NOTES:
            self._builder.note(f"{name}: {reason}")

    def finish(self, stopped: str = "") -> None:
        """Note how many more could not be read, and why the rest was not, had it to be `stopped`."""
        if self._failed > MAX_NOTES:
            self._builder.note(f"{self._failed - MAX_NOTES:,} more could not be read")
        if stopped:
            self._builder.note(f"the rest was not read: {stopped}")

    def _read(self, data: bytes, name: str) -> Content:
        from rag.load import read

        return read(self._source.member(data, name.rpartition("/")[2]))

    def _tell(self, name: str) -> None:
        """Tell of progress, now and then; where nothing is read, as in a bomb, there is none."""
        if self._reads and time.monotonic() - self._told > BREATH:
            self._source.advance(f"{name}, after {self._seen:,} others")
            self._told, self._reads = time.monotonic(), False
