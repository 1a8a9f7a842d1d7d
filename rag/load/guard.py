"""Documents read and drawn in a child process, so that a hostile or broken file cannot harm this one."""

from __future__ import annotations

import os
import signal
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rag.datatypes import Box, Document
from rag.errors import LoadError
from rag.load.child import MAX_STEPS, MAX_TIMES
from rag.load.limits import MAX_RESIDENT, WORN
from rag.load.process import Child
from rag.load.source import Settings
from rag.places import unpack

PATIENCE: Final = 2.0  # seconds a child may take to end when it is told so
LONGEST: Final = 1e6  # seconds; the system's timers take no more than a few years
TICK: Final = 0.1  # seconds between two looks at the child's memory
FAMILY_TICK: Final = 0.5  # seconds between two looks at what it started too, which walks over every process
TOO_MUCH_MEMORY: Final = "reading it takes more memory than one document may use"


class Loader:
    """Reads files one after the other in one child, which is replaced when it dies or takes too long.

    Any thread may call it; files are read in the order of the calls.
    """

    def __init__(
        self,
        *,
        timeout: float,
        settings: Settings | None = None,
        advance: Callable[[str], None] | None = None,
    ) -> None:
        """`advance` is told how far the reading of a long file has come."""
        self._timeout = min(timeout, LONGEST)  # seconds a file may take
        self._settings = settings or Settings()
        self._advance = advance or (lambda _: None)
        self._child: Child | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, though it be reading for another thread; a later `load` starts another."""
        child, self._child = self._child, None
        if child is not None:
            child.end(patience=PATIENCE)

    def load(self, path: Path, *, source: str) -> Document:
        """Read the file at `path`.

        Raises:
            LoadError: as `rag.load.load` does, and when reading takes too long, too much memory or ends the
                child.
            RuntimeError: when the loader is closed meanwhile.
        """
        reply = self._reply(path, source=source)
        return unpack(reply["places"], source=source, digest=reply["digest"], text=reply["text"])

    def draw(self, path: Path, boxes: Sequence[Box], *, digest: str) -> bytes:
        """Return the pages with the boxes as PNG, these marked; `digest` is that of the file read.

        Raises:
            LoadError: as `rag.load.draw` does, and as `load`.
            RuntimeError: when the loader is closed meanwhile.
        """
        reply = self._reply(path, boxes=[asdict(box) for box in boxes], digest=digest)
        return b64decode(reply["picture"])

    def _reply(self, path: Path, **asked: Any) -> dict[str, Any]:
        with self._lock:
            try:
                reply = self._ask(path, asked)
            except BaseException:
                self._replace()  # whatever is left in its pipe belongs to this file
                raise
        if "error" in reply:
            raise LoadError(reply["error"])
        return reply

    def _ask(self, path: Path, asked: dict[str, Any]) -> dict[str, Any]:
        request = {
            **asked,
            "path": os.fspath(path.absolute()),
            "timeout": self._timeout,
            "passwords": self._settings.passwords,
            "ocr": self._settings.ocr,
        }
        while True:
            child = self._living_child()
            is_new = child.served == 0
            reply = self._answer(child, request)
            spent = reply.get("spent", False)
            if spent or child.resident() > WORN:
                self._replace()
            if is_new or not spent:  # else what earlier files left in the child may be to blame
                return reply

    def _answer(self, child: Child, request: dict[str, Any]) -> dict[str, Any]:
        clock, scales = _Clock(self._timeout), _Scales(child)
        child.send(request)
        try:
            while True:
                message = child.receive(min(TICK, clock.left()))
                if message is not None and "stage" not in message:
                    child.served += 1
                    return message
                if message is not None:
                    clock.renew()
                    self._advance(message["stage"])
                if scales.weigh() > MAX_RESIDENT:
                    return {"error": TOO_MUCH_MEMORY, "spent": True}
                if not clock.left():
                    raise LoadError(f"reading it took longer than {self._timeout:g} seconds")
        except EOFError as exc:
            if child is not self._child:
                raise RuntimeError("the loader was closed while it read") from exc
            return {"error": _death(child.end(patience=PATIENCE)), "spent": True}

    def _living_child(self) -> Child:
        if self._child is not None and not self._child.is_alive():
            self._replace()
        if self._child is None:
            try:
                self._child = Child()
            except OSError as exc:
                raise LoadError(f"no process can be started to read it: {exc.strerror}") from exc
        return self._child

    def _replace(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Clock:
    """The time a file may take: it is renewed by each sign of life, within a bound."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._steps = MAX_STEPS + 1  # the child gives up before
        self._last = time.monotonic() + (MAX_TIMES + 1) * seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def renew(self) -> None:
        self._steps -= 1
        if self._steps >= 0:
            self._end = min(self._last, time.monotonic() + self._seconds)


class _Scales:
    """Weighs a child's memory, at times with what it started."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._family = time.monotonic()  # when that is due

    def weigh(self) -> int:
        """Return bytes of real memory."""
        if time.monotonic() < self._family:
            return self._child.resident()
        self._family = time.monotonic() + FAMILY_TICK
        return self._child.resident_of_all()


def _death(status: int) -> str:
    if status >= 0:
        return f"reading it ended the reader: it stopped with status {status}"
    return f"reading it ended the reader: it was killed by {signal.Signals(-status).name}"
