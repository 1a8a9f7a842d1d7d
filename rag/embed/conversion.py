"""The embedder's conversion beside its weights: whole or not there, and made by a child process.

Converting takes PyTorch, and memory that a process never gives back: so the child does it
(`rag.embed.convert`), and the one that answers questions stays small.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import rag
from rag.datatypes import Progress, ProgressCallback
from rag.engines.cores import cpu_name
from rag.errors import ModelError
from rag.models.files import sha256_of
from rag.weights.origin import TOUCHED, is_same

FORMAT: Final = 1  # raise it when the graph is built otherwise
MANIFEST: Final = "manifest.json"
CHILD: Final = "rag.embed.convert"
CPU_INFO: Final = Path("/proc/cpuinfo")
INSTRUCTIONS: Final = re.compile(r"\b(?:avx|amx|asimd|sve)\w*|\bi8mm\b")
STEPS: Final = ("reading its weights", "proving it", "")


def made_by() -> dict[str, Any]:
    """Return what a conversion depends on beside its source: with another it is made anew."""
    return {
        "format": FORMAT,
        "openvino": version("openvino"),
        "processor": cpu_name(),
        "instructions": _instructions(),
    }


def _instructions() -> list[str]:
    """Return the vector instructions of this processor: two of one name may differ in them."""
    try:
        found = INSTRUCTIONS.findall(CPU_INFO.read_text(encoding="utf-8"))
    except OSError:
        return []
    return sorted(set(found))


def is_whole(source: Path, target: Path) -> bool:
    """Tell whether `target` is the undamaged conversion of `source`.

    Raises:
        ModelError: when an earlier run found that this model cannot be converted.
    """
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        fits = manifest["made_by"] == made_by() and is_same(manifest["source"], source, note=target / TOUCHED)
        intact = all(sha256_of(target / name) == digest for name, digest in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if fits and manifest.get("reason"):
        raise ModelError(str(manifest["reason"]))
    return bool(fits and intact and manifest["files"])


def partial_of(target: Path) -> Path:
    """Return where a conversion is made before it is whole."""
    return target.with_name(f"{target.name}.partial")


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the lock of whoever converts to `target`.

    Raises:
        ModelError: when another process holds it.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(target.with_name(f"{target.name}.lock"), timeout=0):
            yield
    except Timeout as exc:
        raise ModelError("another process is converting it") from exc


def convert(request: dict[str, Any], target: Path, progress: ProgressCallback) -> None:
    """Let a child convert as `request` says, see `rag.embed.convert`; it ends when this process does.

    Raises:
        ModelError: when it fails, with the reason.
        OSError: when the folder cannot be written, or no process be started.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    reason, status = None, 0
    try:
        with _child(json.dumps(request)) as process:
            for line in process.stdout or ():
                said = json.loads(line)
                reason = said.get("reason", reason)
                if "done" in said:
                    _tell(said["done"], progress)
            status = process.wait()
    finally:
        with suppress(ModelError), locked(target):  # one that was killed has left it
            shutil.rmtree(partial_of(target), ignore_errors=True)
    if reason is None:
        raise ModelError(f"its conversion failed: {_death(status)}")
    if reason:
        raise ModelError(reason)


@contextmanager
def _child(request: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-m", CHILD, request],
        cwd=Path(rag.__file__).parents[1],  # where `rag` is found, installed or not
        stdin=subprocess.PIPE,  # never written to: its end tells the child that its parent is gone
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        start_new_session=True,  # a Ctrl-C is for the parent to understand
    )
    # What it started may live on and hold its pipe open, for whose end we wait.
    reaper = threading.Thread(target=_end_all_after, args=(process,), daemon=True)
    reaper.start()
    try:
        yield process
    finally:
        process.kill()
        reaper.join()
        process.communicate()


def _end_all_after(process: subprocess.Popen[str]) -> None:
    process.wait()
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _tell(done: int, progress: ProgressCallback) -> None:
    total = len(STEPS) - 1
    progress(
        Progress(stage="Converting the embedder", done=done, total=total, unit="rounds", item=STEPS[done])
    )


def _death(status: int) -> str:
    if status < 0:
        return f"the process was killed by {signal.Signals(-status).name}, which too little memory may do"
    return f"the process ended with status {status}"
