"""Passages read by the LLM while nobody waits for an answer, and forgotten when they are gone."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rag.datatypes import Generation, Hit, Passage, Progress, ProgressCallback, Prompt
from rag.engines import Engine, Reader, keeps
from rag.errors import ConfigError, RagError
from rag.index import Index
from rag.prompt import as_shown, fit
from rag.reuse import Tally, keep_only, states_folder

if TYPE_CHECKING:
    from rag.pipeline import Rag

LOWEST: Final = 19  # of the priorities that a thread may have
SECONDS: Final = 2.0  # between two looks at the index


def warm_up(rag: Rag, stop: threading.Event) -> None:
    """Load the models and read what every prompt begins with, unless told to stop."""
    from rag.retrieve.languages import cohort

    with rag.turnstile.ticket() as ticket:
        for _ in ticket.places():
            pass
        cohort(rag.embedder)
        rag.index.warm_up()
        prompt = fit("", (), count=rag.engine.count_tokens, budget=rag.engine.context).prompt
        for _ in rag.engine.stream(prompt, Generation(max_tokens=1)):
            if stop.is_set():
                break


def read_ahead(rag: Rag, progress: ProgressCallback, stop: threading.Event) -> tuple[int, int]:
    """Read every passage that is not kept, the most found first, while there is room; those go last.

    Whoever asks a question meanwhile is answered at once, and the passage at hand read later; so it is while
    a sync runs. Return how many passages are kept, and of how many.

    Raises:
        ConfigError: when the engine keeps nothing.
        EngineError: when the model fails.
    """
    engine = rag.engine
    if not keeps(engine):
        raise ConfigError(
            f"the {engine.name} engine keeps nothing of what it reads; use ipex or llamacpp, with reuse=on"
        )
    passages, kept = _most_found_first(rag), 0
    for passage in passages:
        progress(
            Progress(stage="reading", done=kept, total=len(passages), unit="passages", item=passage.source)
        )
        if not _is_kept(rag, engine, passage, stop):
            break
        kept += 1
    if kept < len(passages):  # what was used least recently goes first
        all(_is_kept(rag, engine, passage, stop) for passage in reversed(passages[:kept]))
    progress(Progress(stage="reading", done=kept, total=len(passages), unit="passages"))
    return kept, len(passages)


def keep_reading(rag: Rag, stop: threading.Event, tell: Callable[[str], None]) -> None:
    """Read ahead whenever the index has changed, at low priority, until told to stop.

    Call it from a thread of its own. What goes wrong is told, and tried again when the index has changed;
    `rag.reading_ahead` tells how far it is.
    """
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST)

    def told(step: Progress) -> None:
        rag.reading_ahead = step

    done = ""
    while not stop.is_set():
        try:
            if not rag.is_syncing and (version := rag.index.version()) != done:
                done = version
                read_ahead(rag, told, stop)
        except RagError as exc:
            tell(str(exc))
        stop.wait(SECONDS)


def alone(hit: Hit, engine: Engine) -> Prompt:
    """Return a prompt that shows a hit as any other will."""
    return fit("", [hit], count=engine.count_tokens, budget=engine.context).prompt


def forget_gone(folder: Path, index: Index) -> None:
    """Delete from `folder` what an LLM has read of passages that are no longer in the index."""
    if folder.is_dir():
        keep_only(folder, map(as_shown, _passages(index)))


def _passages(index: Index) -> Iterator[Passage]:
    for file in index.titles():
        yield from index.passages(file.source)


def _most_found_first(rag: Rag) -> list[Passage]:
    times = Tally(states_folder(rag.config)).times_found()
    found = {passage.id: passage for passage in _passages(rag.index)}
    return sorted(found.values(), key=lambda passage: -times.get(passage.id, 0))


def _is_kept(rag: Rag, engine: Reader, passage: Passage, stop: threading.Event) -> bool:
    """Read a passage, unless it is kept, which counts as a use of it; tell whether it is kept now."""
    prompt, was_read = alone(Hit(passage=passage, score=0.0), engine), None
    while was_read is None and not stop.is_set():
        was_read = _was_read(rag, engine, prompt, stop)
    return bool(was_read)


def _was_read(rag: Rag, engine: Reader, prompt: Prompt, stop: threading.Event) -> bool | None:
    """Tell whether a passage is kept now; None where a question or a sync came between."""
    if rag.is_syncing:
        stop.wait(SECONDS)
        return None
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
