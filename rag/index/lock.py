"""One writer at a time: a lock the kernel drops when its owner dies, with a note saying who that is."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from rag.errors import LockedError
from rag.index.faults import disk_error

LOCK: Final = "writer.lock"
OWNER: Final = "writer.json"


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the writer's lock of the index in `folder`.

    Raises:
        LockedError: at once, when another process or thread holds it; names its pid and since when.
        DiskError: when the lock file cannot be made.
    """
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as exc:
        raise LockedError(_held(folder)) from exc
    except OSError as exc:
        raise disk_error(folder, exc) from exc
    try:
        _sign(folder)
        yield
    finally:
        with suppress(OSError):
            (folder / OWNER).unlink()
        lock.release()


def _sign(folder: Path) -> None:
    since = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with suppress(OSError):  # only a note: the lock holds without it
        (folder / OWNER).write_text(json.dumps(owner), encoding="utf-8")


def _held(folder: Path) -> str:
    try:
        owner = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        who = f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return f"{folder}/ is being synced by {who}; wait for it to end, then try again"
