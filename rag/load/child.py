"""The process that reads documents: requests come in as lines of JSON, replies go out with their length.

It runs under limits of memory and time, and ends when its parent does.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

from rag.datatypes import Document
from rag.errors import LoadError
from rag.load import load
from rag.load.source import Settings
from rag.places import pack

LENGTH: Final = struct.Struct("<Q")
MAX_MEMORY: Final = 2 << 30  # bytes of address space beyond what the interpreter itself takes
MAX_REPLY: Final = 256 << 20  # bytes
FAREWELL: Final = 0.5  # seconds the main thread has to end by itself
GRACE: Final = 5  # seconds after which the child ends itself, had its parent no time to do so


def main() -> None:
    """Serve requests from standard input until it is closed."""
    _ignore_interrupts()
    _limit_memory()
    replies = _private_output()
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    while request := requests.get():
        _send(replies, _answer(json.loads(request), replies))


def _send(replies: BinaryIO, reply: bytes) -> None:
    replies.write(LENGTH.pack(len(reply)))
    replies.write(reply)
    replies.flush()


def _receive(requests: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    requests.put(b"")
    time.sleep(FAREWELL)
    os._exit(0)  # the parent is gone, and the main thread still busy


def _answer(request: dict[str, Any], replies: BinaryIO) -> bytes:
    def advance(stage: str) -> None:
        _end_after(request["timeout"] + GRACE)
        _send(replies, json.dumps({"stage": stage}).encode())

    _end_after(request["timeout"] + GRACE)
    settings = Settings(passwords=tuple(request["passwords"]), ocr=request["ocr"])
    try:
        path = Path(request["path"])
        reply = _encode(load(path, source=request["source"], settings=settings, advance=advance))
    except LoadError as exc:
        reply = json.dumps({"error": str(exc), "spent": isinstance(exc.__cause__, MemoryError)}).encode()
    except MemoryError:
        reply = json.dumps({"error": "reading it takes too much memory", "spent": True}).encode()
    if len(reply) > MAX_REPLY:
        reply = json.dumps({"error": f"its text is larger than {MAX_REPLY >> 20} MB"}).encode()
    _end_after(0)
    return reply


def _encode(document: Document) -> bytes:
    value = {"digest": document.digest, "text": document.text, "places": pack(document)}
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _private_output() -> BinaryIO:
    """Take standard output for replies alone: what a library prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when a Ctrl-C ends the child


def _end_after(seconds: float) -> None:
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds))  # ends the process even within a library's C code


def _limit_memory() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return
    with contextlib.suppress(ValueError, OSError):  # where the system knows no such limit
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MAX_MEMORY,) * 2)


def _address_space() -> int:
    with contextlib.suppress(OSError):  # only Linux has it
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0
