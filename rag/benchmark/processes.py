"""Engines, each in a process of its own; all stay open and take turns."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from rag.benchmark.runners import Task, Timing, serve
from rag.config import Config
from rag.errors import EngineError

DIED: Final = "its process died; look at free memory with `rag doctor`"


@dataclass(slots=True)
class Processes:
    """Those that answer, and why the others do not."""

    pipes: dict[str, Connection] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def ask(self, name: str, task: Task) -> Timing | str:
        """Return how long the answer took, or why there is none; one that died is asked no more."""
        try:
            self.pipes[name].send(task)
        except OSError:
            answered: Timing | str = DIED
        else:
            answered = receive(self.pipes[name])
        if answered == DIED:
            self.drop(name, DIED)
        return answered

    def drop(self, name: str, reason: str) -> None:
        self.pipes.pop(name, None)
        self.skipped[name] = reason

    def require_one(self) -> None:
        """See that any is left; raises EngineError with all reasons."""
        if not self.pipes:
            raise EngineError("; ".join(f"{name} cannot run: {why}" for name, why in self.skipped.items()))


@contextmanager
def opened(engines: Sequence[str], config: Config) -> Iterator[Processes]:
    """Open every engine; those that fail are told with the reason.

    What they keep of passages goes to a folder that is deleted at the end: nothing of the user's is touched.
    """
    context = multiprocessing.get_context("spawn")
    found, children = Processes(), list[Any]()
    with tempfile.TemporaryDirectory(prefix="rag-benchmark-") as folder:
        try:
            for name in engines:
                pipe, theirs = context.Pipe()
                placed = config.model_copy(update={"index_dir": Path(folder) / name})
                child = context.Process(target=serve, args=(name, placed.model_dump(), theirs), daemon=True)
                child.start()
                theirs.close()
                children.append(child)
                if reason := receive(pipe):
                    found.skipped[name] = str(reason)
                else:
                    found.pipes[name] = pipe
            yield found
        finally:
            for child in children:
                child.terminate()
                child.join()


def receive(pipe: Connection) -> Timing | str:
    """Return what a process says: a Timing, "" when it is ready, or why it cannot go on."""
    try:
        message: Timing | str = pipe.recv()
    except (EOFError, OSError):
        return DIED
    return message
