"""Passages read before anyone asks about them, while nobody waits for an answer."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Final

from rag.datatypes import Hit, Passage, Progress, ProgressCallback, Prompt
from rag.engines import Engine, Reader, keeps
from rag.errors import ConfigError
from rag.prompt import fit
from rag.reuse import Tally, states_folder

if TYPE_CHECKING:
    from rag.pipeline import Rag

LOWEST: Final = 19  # of the priorities that a thread may have
SECONDS: Final = 5.0  # between two looks at the index


def read_ahead(rag: Rag, progress: ProgressCallback, stop: threading.Event) -> int:
    """Read every passage that is not kept, the most found first, while there is room; return how many are.

    Whoever asks a question meanwhile is answered at once, and the passage at hand read later.

    Raises:
        ConfigError: when the engine keeps nothing.
        EngineError: when the model fails.
    """
    engine = rag.engine
    if not keeps(engine):
        raise ConfigError(f"the {engine.name} engine keeps nothing of what it reads; use ipex, with reuse=on")
    passages, kept = _most_found_first(rag), 0
    for passage in passages:
        progress(
            Progress(stage="reading", done=kept, total=len(passages), unit="passages", item=passage.source)
        )
        prompt, was_read = alone(passage, engine), None
        while was_read is None and not stop.is_set():
            was_read = _was_read(rag, engine, prompt, stop)
        if stop.is_set():
            break
        kept += bool(was_read)
    progress(Progress(stage="reading", done=kept, total=len(passages), unit="passages"))
    return kept


def keep_reading(rag: Rag, stop: threading.Event) -> None:
    """Read ahead whenever the index has changed, at low priority, until told to stop."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)
    done = -1
    while not stop.is_set():
        if not rag.is_syncing and (generation := rag.index.generation()) != done:
            read_ahead(rag, lambda _: None, stop)
            done = generation
        stop.wait(SECONDS)


def alone(passage: Passage, engine: Engine) -> Prompt:
    """Return a prompt that shows a passage as any other will that shows it first."""
    hit = Hit(passage=passage, score=0.0)
    return fit("", [hit], count=engine.count_tokens, budget=engine.context).prompt


def _most_found_first(rag: Rag) -> list[Passage]:
    times = Tally(states_folder(rag.config)).times_found()
    found = [passage for file in rag.index.titles() for passage in rag.index.passages(file.source)]
    return sorted(found, key=lambda passage: -times.get(passage.id, 0))


def _was_read(rag: Rag, engine: Reader, prompt: Prompt, stop: threading.Event) -> bool | None:
    """Tell whether a passage is kept now; None where a question came between."""
    with rag.turnstile.ticket() as ticket:
        if any(stop.is_set() for _ in ticket.places()):
            return None
        with closing(engine.read(prompt)) as steps:
            while not (stop.is_set() or ticket.is_waited_for()):
                try:
                    next(steps)
                except StopIteration as end:
                    return bool(end.value)
            return None
