"""A child process, the thread that takes its replies, and a folder for what it must write down."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any, Final

import psutil

import rag
from rag.load.child import LENGTH, MAX_REPLY

START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from rag.load.child import main; main()"
LAST_WORDS: Final = 0.5  # seconds in which the reply of a child that has died may still arrive


class Child:
    """Answers one request after the other, see `rag.load.child`; whoever starts it must `end` it."""

    def __init__(self) -> None:
        """Raises OSError when no process can be started."""
        self.served = 0  # requests it has answered
        self._folder = tempfile.TemporaryDirectory(prefix="kaoju-", ignore_cleanup_errors=True)
        root = str(Path(rag.__file__).parents[1])
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, "-c", START, root, self._folder.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that it is ended with whatever it started
            )
        except OSError:
            self._folder.cleanup()
            raise
        self._replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: dict[str, Any]) -> None:
        """Send a request; a child that has died is seen when its reply is waited for."""
        stdin = self._process.stdin
        with contextlib.suppress(OSError):
            if stdin is not None:
                stdin.write(json.dumps(request).encode("ascii") + b"\n")
                stdin.flush()

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Return its next message, None when none comes in `seconds`.

        Raises:
            EOFError: when it has died or sends no sensible reply.
        """
        try:
            message = self._replies.get(timeout=seconds)
        except queue.Empty:
            if self._process.poll() is None:
                return None
            message = self._last_words()  # a process that it started may hold its pipe open
        if message is None:
            raise EOFError
        return message

    def is_alive(self) -> bool:
        return self._process.poll() is None and self._thread.is_alive()

    def resident(self) -> int:
        """Return the bytes of real memory that it holds."""
        with contextlib.suppress(psutil.Error):  # it is just ending
            return int(psutil.Process(self._process.pid).memory_info().rss)
        return 0

    def resident_of_all(self) -> int:
        """Return the bytes of real memory that it and all it started hold."""
        with contextlib.suppress(psutil.Error):
            started = psutil.Process(self._process.pid).children(recursive=True)
            return self.resident() + sum(int(each.memory_info().rss) for each in started)
        return 0

    def end(self, *, patience: float = 0.0) -> int:
        """End it, and whatever it started, after `patience` seconds; return its exit status."""
        with contextlib.suppress(OSError):  # it died with a request in its pipe
            if self._process.stdin is not None:
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._kill()
        status = self._process.wait()
        self._thread.join(LAST_WORDS)
        self._folder.cleanup()
        return status

    def _kill(self) -> None:
        if not hasattr(os, "killpg"):  # on Windows
            self._process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
            os.killpg(self._process.pid, signal.SIGKILL)

    def _last_words(self) -> dict[str, Any] | None:
        with contextlib.suppress(queue.Empty):
            return self._replies.get(timeout=LAST_WORDS)
        return None

    def _receive(self) -> None:
        stdout = self._process.stdout
        if stdout is None:
            return
        with stdout, contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                self._replies.put(_message(stdout))
        self._replies.put(None)


def _message(pipe: IO[bytes]) -> dict[str, Any]:
    (length,) = LENGTH.unpack(_read(pipe, LENGTH.size))
    if length > MAX_REPLY:
        raise EOFError
    message: dict[str, Any] = json.loads(_read(pipe, length))
    return message


def _read(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
