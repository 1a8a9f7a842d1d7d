"""Server-sent events, as the WHATWG's HTML standard defines them, from bytes as they come."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

LINE_END: Final = re.compile(rb"\r\n|\n|\r")
MOST_BYTES: Final = 16 << 20  # of one event


class EventDecoder:
    """Cuts bytes into the data of events.

    Lines end at CR, LF or both, and nowhere else: JSON may hold U+2028. A character may come in two halves.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the data of every event that is whole by now.

        Raises:
            ValueError: when one is longer than any answer.
        """
        if self._rest.endswith(b"\r"):  # its LF may be here
            chunk = b"\r" + chunk
            self._rest.pop()
        *ended, rest = LINE_END.split(chunk)
        if chunk.endswith(b"\r"):
            rest = ended.pop() + b"\r"
        for line in ended:
            yield from self._take((self._rest + line).decode("utf-8", "replace"))
            self._rest.clear()
        self._rest += rest
        if len(self._rest) + sum(map(len, self._data)) > MOST_BYTES:
            raise ValueError(f"an event of more than {MOST_BYTES >> 20} MB")

    def rest(self) -> Iterator[str]:
        """Yield the event that the end of the stream cut off, for servers that send no last empty line."""
        yield from self.feed(b"\n\n")

    def _take(self, line: str) -> Iterator[str]:
        if not line:
            if self._data:
                yield "\n".join(self._data)
            self._data = []
            return
        name, _, value = line.partition(":")
        if name in ("data", "error"):  # the second as llama.cpp's server writes it
            self._data.append(value.removeprefix(" "))
