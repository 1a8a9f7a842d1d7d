"""The process that converts an embedder, run by `rag.embed.conversion`.

The conversion is kept only where, on this processor, it gives the weights' own vectors and gives them sooner;
which of the two is sooner is not asked while other programs keep the processors busy.
One JSON object comes in as the argument; {"done": steps} goes out for each step, a line of JSON each, and
last {"reason": why there is no conversion, or ""}. The end of standard input, so also the parent's death,
ends the process in the middle of its work, with nothing left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rag.embed.conversion import MANIFEST, is_whole, locked, made_by, partial_of
from rag.engines.busy import Others
from rag.engines.cores import cpu_name
from rag.errors import ModelError
from rag.models.files import sha256_of
from rag.race import race
from rag.weights.origin import describe

if TYPE_CHECKING:
    from rag.embed import Encoder

LEAST_COSINE: Final = 0.995  # to the vectors of the unconverted model; e5-small has .9998
ROUNDS: Final = 3  # at least, of the race against the unconverted model
MOST_ROUNDS, RACE = 30, 1.5  # more of a quick model, up to these seconds: a busy moment must not decide
PROOF: Final = (
    "When does the canteen open? It opens at nine in the morning.",
    "灯塔的看守人养了两只灰猫，每天晚上点亮灯塔。",
    "Ünïcödé CAPITALS, 3.5 % and a_name() 🙂",
    "The harbour log 港口日志 lists every boat and its berth. " * 60,
)
Tell: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to convert, and how the unconverted model is opened to prove it by."""

    source: str
    target: str
    name: str
    threads: int
    trust_remote_code: bool


def main() -> None:
    """Convert as the argument asks."""
    request = Request(**json.loads(sys.argv[1]))
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the libraries print is no reply

    def send(reply: dict[str, Any]) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    target = Path(request.target)
    try:
        with locked(target):
            threading.Thread(target=_end_with_parent, args=(target,), daemon=True).start()
            reason = convert(request, lambda done: send({"done": done}))
    except Exception as exc:  # noqa: BLE001 - the parent does without, and says why
        reason = _said(exc)
    send({"reason": reason})


def _end_with_parent(target: Path) -> None:
    sys.stdin.read()
    shutil.rmtree(partial_of(target), ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # and whatever it started
    os._exit(1)


def convert(request: Request, tell: Tell) -> str:
    """Make the conversion; return why there can be none, which is remembered in its place, or "".

    Raises:
        Exception: whatever keeps it from being made just now, such as a full disk or too little memory.
    """
    source, target = Path(request.source), Path(request.target)
    try:
        if is_whole(source, target):  # another process was quicker
            return ""
    except ModelError as exc:
        return str(exc)
    partial = partial_of(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        tell(0)
        reason = _build(source, partial)
        tell(1)
        reason = reason or _disprove(request, partial)
        _sign(partial, source, reason)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    tell(2)
    return reason


def _sign(folder: Path, source: Path, reason: str) -> None:
    files = {} if reason else {path.name: sha256_of(path) for path in sorted(folder.glob("encoder.*"))}
    manifest = {"made_by": made_by(), "source": describe(source), "files": files, "reason": reason}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _build(source: Path, folder: Path) -> str:
    """Write the graph of `source`; return why it has none, or ""."""
    import openvino

    from rag.embed.fast import MODEL
    from rag.embed.graph import build

    try:
        openvino.save_model(build(source), folder / MODEL, compress_to_fp16=False)
    except ModelError as exc:
        return str(exc)
    except (OSError, MemoryError):
        raise
    except Exception as exc:  # noqa: BLE001 - whatever a model lacks, it is run unconverted
        return f"it cannot be converted ({_said(exc)})"
    return ""


def _disprove(request: Request, folder: Path) -> str:
    from rag.embed.fast import FastEncoder
    from rag.embed.plain import PlainEncoder

    source = Path(request.source)
    try:
        encoder = FastEncoder(source, folder, threads=request.threads)
        encoder.encode(PROOF)
    except (OSError, MemoryError):
        raise
    except Exception as exc:  # noqa: BLE001 - as above
        return f"its conversion does not run ({_said(exc)})"
    plain = PlainEncoder(
        source, name=request.name, threads=request.threads, trust_remote_code=request.trust_remote_code
    )
    return compare(encoder, plain)


def compare(fast: Encoder, plain: Encoder) -> str:
    """Return why the conversion is not kept: it differs, or is no faster here; or "".

    That it is no faster counts only of a machine at rest: it would be remembered for good.
    """
    started = time.perf_counter()
    want = plain.encode(PROOF)
    rounds = min(MOST_ROUNDS, max(ROUNDS, round(RACE / (time.perf_counter() - started))))
    cosine = float((fast.encode(PROOF) * want).sum(axis=1).min())
    if not cosine >= LEAST_COSINE:  # also when it is no number
        return f"its conversion differs too much (cosine {cosine:.3f})"
    others = Others()
    times = race({"fast": lambda: fast.encode(PROOF), "plain": lambda: plain.encode(PROOF)}, rounds=rounds)
    is_no_faster = times["fast"] >= times["plain"] and not others.busy
    return f"its conversion is no faster on {cpu_name()}" if is_no_faster else ""


def _said(exc: Exception) -> str:
    text = " ".join(str(exc).split())
    return text if isinstance(exc, ModelError) else f"{type(exc).__name__}: {text[:200]}"


if __name__ == "__main__":
    main()
