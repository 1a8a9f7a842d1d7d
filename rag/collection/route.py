"""What all routes share: their clock, their costs and the making of the answer."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from rag.datatypes import (
    Answer,
    Event,
    Generation,
    Hit,
    Prompt,
    Reading,
    Retrieved,
    Scope,
    Timings,
    Token,
    Usage,
    together,
)
from rag.prompt import Language, language

if TYPE_CHECKING:
    from rag.pipeline import Rag


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as it was put; times are those of `time.perf_counter`."""

    question: str
    scope: Scope
    at: float
    begun: float  # when its turn had come
    searched_for: str = ""  # what it means, where it does not say so itself
    spoken: Language | None = None  # its language, if not that of all its characters


class Route(ABC):
    """One question about the collection on its way to the answer."""

    def __init__(self, rag: Rag, asked: Asked) -> None:
        self.rag = rag
        self.asked = asked
        self.spoken = asked.spoken or language(asked.question)
        self._timings = {"queued": asked.begun - asked.at}
        self._usages: list[Usage] = []

    @abstractmethod
    def events(self) -> Iterator[Event]:
        """Yield what `Rag.stream` does, the `Answer` last; closing this stops the engine."""

    def retrieved(self, hits: Sequence[Hit]) -> Retrieved:
        self._timings["retrieve"] = self._elapsed()
        return Retrieved(hits=tuple(hits), searched_for=self.asked.searched_for)

    def token(self, text: str) -> Iterator[Token]:
        if text:
            self._timings.setdefault("first_token", self._elapsed())
            yield Token(text=text)

    def written(self, prompt: Prompt, *, most: int) -> Generator[str | Reading]:
        """Yield what the engine reads and writes, in at most so many tokens, and note what it cost."""
        config = self.rag.config
        options = Generation(
            max_tokens=min(most, config.max_tokens), temperature=config.temperature, seed=config.seed
        )
        stream = cast("Generator[str | Reading | Usage]", self.rag.engine.stream(prompt, options))
        pieces, known = 0, len(self._usages)
        try:
            with closing(stream) as events:
                for event in events:
                    if isinstance(event, Usage):
                        self.spent(event)
                    else:
                        pieces += isinstance(event, str)
                        yield event
        finally:
            if len(self._usages) == known:  # stopped when enough was said
                tokens = self.rag.engine.count_tokens(prompt)
                self.spent(Usage(prompt_tokens=tokens, answer_tokens=pieces))

    @property
    def broken_off(self) -> bool:
        """Tell whether what was written last became too long."""
        return bool(self._usages) and self._usages[-1].finish == "length"

    def spent(self, usage: Usage) -> None:
        self._usages.append(usage)

    def answer(self, text: str, **fields: Any) -> Answer:
        """Make the answer; the model is named where it was asked."""
        usage = self._usage()
        engine = self.rag.engine if usage.answer_tokens else None
        return Answer(
            question=self.asked.question,
            scope=self.asked.scope,
            text=text,
            searched_for=self.asked.searched_for,
            model=engine.model if engine else "",
            engine=engine.name if engine else "",
            config_hash=self.rag.config.hash,
            usage=usage,
            timings=self._spent_time(),
            **fields,
        )

    def refusal(self, text: str, reason: str, hits: Sequence[Hit] = ()) -> Iterator[Event]:
        yield self.retrieved(hits)
        yield from self.token(text)
        yield self.answer(text, refused=True, reason=reason, hits=tuple(hits))

    def _usage(self) -> Usage:
        """Return what was spent in all; of a translation the log-odds tell nothing."""
        return replace(together(self._usages), answerable=None)

    def _spent_time(self) -> Timings:
        total = self._elapsed()
        found = self._timings["retrieve"]
        first = self._timings.get("first_token", total)
        return Timings(**self._timings, read=max(0.0, first - found), write=total - first, total=total)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.asked.begun
