"""A reader that does what the text of its file says, for the tests of the guard around readers."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import rag.load.child
from rag.load.child import main
from rag.load.content import Content
from rag.load.source import Source

START: Final = (
    f"import sys; sys.path[:0] = [sys.argv[1], {str(Path(__file__).parents[1])!r}];"
    " from tests.misbehaving import run; run()"
)
FEW_TIMES: Final = 4


def run() -> None:
    """Be the child, with this reader for plain text."""
    vars(rag.load.child)["MAX_TIMES"] = FEW_TIMES
    rag.load.READERS["text"] = "tests.misbehaving:misbehave"
    main()


def misbehave(source: Source) -> Content:
    deed, _, rest = source.data.decode().partition(" ")
    return Content(text=globals()[f"_{deed}"](source, rest) or "it went well")


def _say(source: Source, rest: str) -> str:
    return rest


def _segfault(source: Source, rest: str) -> None:
    ctypes.string_at(0)


def _abort(source: Source, rest: str) -> None:
    os.abort()


def _leave(source: Source, rest: str) -> None:
    os._exit(3)


def _recurse(source: Source, rest: str) -> None:
    _recurse(source, rest)


def _raise(source: Source, rest: str) -> None:
    raise MemoryError


def _hoard(source: Source, rest: str) -> None:
    _ = [b"x" * 10_000_000 for _ in range(10_000)]


def _share(source: Source, rest: str) -> None:
    """Take memory that no limit of the system counts."""
    import mmap

    kept = mmap.mmap(-1, 3_000_000_000)
    for start in range(0, len(kept), 1 << 20):
        kept[start : start + (1 << 20)] = b"x" * (1 << 20)
        time.sleep(0.001)


def _deafen(source: Source, rest: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def _hold(source: Source, rest: str) -> None:
    """Hold the interpreter, so that no other thread of the child runs."""
    re.match("(a*)*b", "a" * 40)


def _fork(source: Source, rest: str) -> None:
    """Leave a process that holds the child's pipe open, and die."""
    if os.fork() == 0:
        time.sleep(600)
    os._exit(7)


def _start(source: Source, rest: str) -> None:
    with subprocess.Popen([sys.executable, "-c", f"import time; time.sleep(600) # {rest}"]):
        time.sleep(600)


def _flood(source: Source, rest: str) -> None:
    """Print 100 MB, from Python and from beneath it."""
    for _ in range(100):
        sys.stdout.write("x" * 500_000)
        os.write(1, b"x" * 500_000)


def _step(source: Source, rest: str) -> None:
    for step in range(int(rest)):
        source.advance(f"page {step}")
        time.sleep(0.3)


def _steps(source: Source, rest: str) -> None:
    while True:
        source.advance("and on")


def _write(source: Source, rest: str) -> str:
    with tempfile.TemporaryFile() as file:
        try:
            for _ in range(1000):
                file.write(b"x" * 1_000_000)
        except OSError as exc:
            return f"{exc.strerror} in {tempfile.gettempdir()}"
    return ""


def _babble(source: Source, rest: str) -> None:
    """Send what is no reply over every open descriptor."""
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, b"\xff" * 64)
        except OSError:
            continue
    time.sleep(600)


def _long(source: Source, rest: str) -> str:
    return "考据\n" * int(rest)
