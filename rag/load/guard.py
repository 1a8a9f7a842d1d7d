"""Documents read in a child process, so that a hostile or broken file cannot harm this one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import rag
from rag.datatypes import Document
from rag.errors import LoadError
from rag.load.child import LENGTH, MAX_REPLY
from rag.load.source import Settings
from rag.places import unpack

PATIENCE: Final = 2.0  # seconds a child may take to end when it is told so
LONGEST: Final = 1e6  # seconds; the system's timers take no more than a few years
START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from rag.load.child import main; main()"


def load_guarded(path: Path, *, source: str, timeout: float, settings: Settings | None = None) -> Document:
    """Read one file as `rag.load.load` does, in a child of its own; `Loader` reads many.

    Raises:
        LoadError: as `load` does, and when reading ends the child or takes more than `timeout` seconds, or
            a page of it that is read as an image does.
    """
    with Loader(timeout=timeout, settings=settings) as loader:
        return loader.load(path, source=source)


class Loader:
    """Reads files one after the other in one child, which is replaced when it dies or takes too long."""

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
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child; a later `load` starts another."""
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):  # it died with a request in its pipe
                if pipe is not None:
                    pipe.close()
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def load(self, path: Path, *, source: str) -> Document:
        """Read the file at `path`.

        Raises:
            LoadError: as `rag.load.load` does, and when reading takes too long or ends the child.
        """
        with self._lock:
            try:
                reply = self._ask(path, source)
            except BaseException:
                self.close()  # whatever is left in its pipe belongs to this file
                raise
            if reply.get("spent"):
                self.close()
        if "error" in reply:
            raise LoadError(reply["error"])
        return unpack(reply["places"], source=source, digest=reply["digest"], text=reply["text"])

    def _ask(self, path: Path, source: str) -> dict[str, Any]:
        child = self._living_child()
        request = {
            "path": os.fspath(path.absolute()),
            "source": source,
            "timeout": self._timeout,
            "passwords": self._settings.passwords,
            "ocr": self._settings.ocr,
        }
        with _Deadline(child, self._timeout) as deadline:
            try:
                _send(child, json.dumps(request).encode("ascii") + b"\n")
                while "stage" in (reply := _receive(child)):
                    deadline.renew()
                    self._advance(reply["stage"])
            except (EOFError, OSError, ValueError) as exc:
                if deadline.passed:
                    raise LoadError(f"reading it took longer than {self._timeout:g} seconds") from exc
                child.kill()
                raise LoadError(f"reading it ended the reader: {_death(child.wait())}") from exc
            return reply

    def _living_child(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            root = str(Path(rag.__file__).parents[1])
            try:
                self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                    [sys.executable, "-c", START, root],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError as exc:
                raise LoadError(f"no process can be started to read it: {exc.strerror}") from exc
        return self._child


class _Deadline:
    """Kills the child when neither its end nor a sign of life comes in time."""

    def __init__(self, child: subprocess.Popen[bytes], seconds: float) -> None:
        self.passed = False
        self._child = child
        self._seconds = seconds
        self._timer = self._new_timer()

    def renew(self) -> None:
        self._timer.cancel()
        self._timer = self._new_timer()

    def _new_timer(self) -> threading.Timer:
        timer = threading.Timer(self._seconds, self._pass)
        timer.daemon = True
        timer.start()
        return timer

    def _pass(self) -> None:
        self.passed = True
        self._child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()


def _send(child: subprocess.Popen[bytes], request: bytes) -> None:
    if child.stdin is None:
        raise EOFError
    child.stdin.write(request)
    child.stdin.flush()


def _receive(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    if child.stdout is None:
        raise EOFError
    (length,) = LENGTH.unpack(_read(child.stdout, LENGTH.size))
    if length > MAX_REPLY:
        raise EOFError
    reply: dict[str, Any] = json.loads(_read(child.stdout, length))
    return reply


def _read(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _death(status: int) -> str:
    if status >= 0:
        return f"it stopped with status {status}"
    return f"it was killed by {signal.Signals(-status).name}"
