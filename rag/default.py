"""`rag.ask()` and its like: one `Rag` for the working folder, whose models stay loaded between calls."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from functools import lru_cache

from rag.config import Config
from rag.datatypes import Answer, Event, Scope, SyncReport
from rag.pipeline import Rag
from rag.scope import EVERYTHING

OPENING = threading.Lock()  # else two first questions at once would load the models twice


@lru_cache(maxsize=1)
def _kept(config: Config) -> Rag:
    return Rag(config)


def _open() -> Rag:
    """Keep the loaded models between calls, for as long as the settings stay the same."""
    with OPENING:
        return _kept(Config())


def ask(question: str, *, history: Sequence[Answer] = (), scope: Scope = EVERYTHING) -> Answer:
    """Answer from the documents of the working folder, with the settings found there; see `Rag.ask`."""
    return _open().ask(question, history=history, scope=scope)


def stream(question: str, *, history: Sequence[Answer] = (), scope: Scope = EVERYTHING) -> Generator[Event]:
    """Answer as a stream of events; see `Rag.stream`."""
    return _open().stream(question, history=history, scope=scope)


def sync() -> SyncReport:
    """Make the index equal to the data folder; see `Rag.sync`."""
    return _open().sync()
