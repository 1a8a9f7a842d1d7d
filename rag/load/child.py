"""The process that reads and draws documents: requests come as lines of JSON, replies with their length.

It runs under limits of memory, disk and time, and ends when its parent does.
"""

from __future__ import annotations

import json
import math
import os
import queue
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from rag.datatypes import Box, Document
from rag.errors import LoadError
from rag.load import draw, load
from rag.load.limits import cut, limit_process
from rag.load.source import LimitError, Settings
from rag.places import pack

LENGTH: Final = struct.Struct("<Q")
MAX_REPLY: Final = 512 << 20  # bytes
MAX_STEPS: Final = 10_000  # times a file may renew its time
MAX_TIMES: Final = 100  # as long as it may take between two steps, in all
FAREWELL: Final = 0.5  # seconds the main thread has to end by itself
GRACE: Final = 5  # seconds after which the child ends itself, had its parent no time to do so


def main() -> None:
    """Serve requests from standard input until it is closed; the last argument is a folder to write in."""
    tempfile.tempdir = sys.argv[2]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when a Ctrl-C ends the child
    limit_process()
    replies = _private_output()
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    while request := requests.get():
        _send(replies, _answer(json.loads(request), replies))
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)  # a parent that was killed cannot


def _send(replies: BinaryIO, reply: bytes) -> None:
    replies.write(LENGTH.pack(len(reply)))
    replies.write(reply)
    replies.flush()


def _receive(requests: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    requests.put(b"")
    time.sleep(FAREWELL)
    # The parent is gone, and the main thread still busy.
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # and whatever it started
    os._exit(0)


def _answer(request: dict[str, Any], replies: BinaryIO) -> bytes:
    _end_after(request["timeout"] + GRACE)
    advance = _renewal(request["timeout"], replies)
    settings = Settings(passwords=tuple(request["passwords"]), ocr=request["ocr"])
    path = Path(request["path"])
    try:
        if "boxes" in request:
            boxes = [Box(**box) for box in request["boxes"]]
            reply = _picture(draw(path, boxes, digest=request["digest"], settings=settings))
        else:
            reply = _encode(cut(load(path, source=request["source"], settings=settings, advance=advance)))
    except LoadError as exc:
        reply = _error(str(exc), spent=isinstance(exc.__cause__, MemoryError))
    except MemoryError:
        reply = _error("reading it takes more memory than one document may use", spent=True)
    except Exception as exc:  # noqa: BLE001 - a fault of ours costs one file, and says so
        reply = _error(f"its reader failed: {type(exc).__name__}: {exc}"[:300], spent=False)
    if len(reply) > MAX_REPLY:
        reply = _error("it holds more text and places than one document may have", spent=False)
    _end_after(0)
    return reply


def _renewal(timeout: float, replies: BinaryIO) -> Callable[[str], None]:
    """Return what a reader calls to tell how far it is: it has `timeout` seconds more, but not for ever."""
    end = time.monotonic() + MAX_TIMES * timeout
    steps = iter(range(MAX_STEPS))

    def advance(stage: str) -> None:
        if time.monotonic() > end:
            raise LimitError(f"reading it takes longer than {math.ceil(MAX_TIMES * timeout / 60)} minutes")
        if next(steps, None) is None:
            raise LimitError(f"reading it takes more than {MAX_STEPS:,} steps")
        _end_after(timeout + GRACE)
        _send(replies, json.dumps({"stage": stage}).encode())

    return advance


def _error(reason: str, *, spent: bool) -> bytes:
    return json.dumps({"error": reason, "spent": spent}).encode()


def _encode(document: Document) -> bytes:
    value = {"digest": document.digest, "text": document.text, "places": pack(document)}
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _picture(png: bytes) -> bytes:
    return json.dumps({"picture": b64encode(png).decode("ascii")}).encode()


def _private_output() -> BinaryIO:
    """Take standard output for replies alone: what a library prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _end_after(seconds: float) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds))  # ends the process even within a library's C code
