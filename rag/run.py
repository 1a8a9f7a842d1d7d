"""One question on its way through the chain: chunks in, events out, and at the end the `Answer`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from rag.cite import Cited, Citer
from rag.datatypes import Answer, Event, Hit, Reading, Retrieved, Scope, Timings, Token, Usage, together
from rag.engines import keeps
from rag.explain import Start, accounted, nowhere, start_of
from rag.prompt import Fitted
from rag.reuse import Tally, states_folder

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

    from rag.pipeline import Rag

NOT_RELEVANT: Final = "no passage fits the question"
NOT_IN_PASSAGES: Final = "the model found no answer in the passages"


class Run:
    """One question on its way through the chain: chunks in, events out."""

    def __init__(
        self, rag: Rag, question: str, history: Sequence[Answer], scope: Scope, *, asked: float
    ) -> None:
        """Begin now; the time since `asked`, of `time.perf_counter`, was spent in the queue."""
        self._rag = rag
        self._question = question
        self._history = list(history)
        self._scope = scope
        self._started = time.perf_counter()
        self._timings: dict[str, float] = {"queued": self._started - asked}
        self._found: dict[str, Any] = {}  # what the chain found
        self._read: list[Reading] = []
        self._usages: list[Usage] = []
        self._done: dict[Start, float | None] = {}  # passages read: log-odds of those read alone

    def events(self) -> Iterator[Event]:
        chain = self._rag.chain
        self._rag.drain_readings()  # those of whoever used the chain by itself
        asked = {"question": self._question, "history": self._history, "scope": self._scope}
        for chunk in chain.stream(asked):
            yield from self._readings(chunk)
            if "hits" in chunk:
                self._found = chunk
                self._timings["retrieve"] = self._elapsed()
            elif "fitted" in chunk:
                yield self._retrieved(chunk["fitted"])
            elif "message" in chunk:
                yield from self._tokens(chunk["message"])
            elif "rewriting" in chunk:
                self._timings["rewrite"] = self._elapsed()
            elif "cited" in chunk:
                self._cited: Cited = chunk["cited"]
        rest = self._citer.flush()
        silent = "first_token" not in self._timings and not rest
        yield from self._token(self._cited.text if silent else rest)
        answer = self._answer()
        if keeps(self._rag.engine):
            Tally(states_folder(self._rag.config)).add_found(
                unit.id for hit in answer.hits for unit in hit.units
            )
        yield answer

    def _readings(self, chunk: dict[str, Any]) -> Iterator[Reading]:
        """Yield how far the engine has read, again for each word of a rewriting, which can so be stopped."""
        new = self._rag.drain_readings()
        self._read = [*self._read, *new][-1:]
        yield from new or (self._read if "rewriting" in chunk else ())

    def _retrieved(self, fitted: Fitted) -> Retrieved:
        self._fitted = fitted
        self._citer = Citer(fitted.shown, fitted.question, self._rag.nearness)
        return Retrieved(hits=self._hits(), searched_for=self._found["searched_for"])

    def _hits(self) -> tuple[Hit, ...]:
        chosen = {hit.passage.id for together in self._found["chosen"] for hit in together}
        return accounted(self._found["hits"], self._fitted, chosen, self._done)

    def _tokens(self, message: AIMessageChunk) -> Iterator[Token]:
        if message.usage_metadata:
            self._note(
                Usage(
                    prompt_tokens=message.usage_metadata["input_tokens"],
                    answer_tokens=message.usage_metadata["output_tokens"],
                    cached_tokens=message.usage_metadata["input_token_details"]["cache_read"],
                    finish=message.response_metadata["finish_reason"],
                    answerable=message.response_metadata.get("answerable"),
                )
            )
        if message.text:
            self._timings.setdefault("read", self._elapsed() - self._timings["retrieve"])
        yield from self._token(self._citer.feed(str(message.text)))

    def _note(self, usage: Usage) -> None:
        self._usages.append(usage)
        alone = len(self._fitted.shown) == 1
        shown = (start_of(hit.passage) for hit in self._fitted.hits if hit.marker)
        self._done.update(dict.fromkeys(shown, usage.answerable if alone else None))

    def _token(self, text: str) -> Iterator[Token]:
        if text:
            self._timings.setdefault("first_token", self._elapsed())
            yield Token(text=text)

    def _answer(self) -> Answer:
        cited, searched_for = self._cited, self._found["searched_for"]
        total = self._elapsed()  # before the words are looked for
        return Answer(
            question=self._question,
            scope=self._scope,
            text=cited.text,
            searched_for=searched_for,
            refused=cited.refused,
            reason=(NOT_IN_PASSAGES if self._usages else NOT_RELEVANT) if cited.refused else "",
            unmentioned=self._nowhere(searched_for or self._question) if cited.refused else (),
            citations=cited.citations,
            unsupported=cited.unsupported,
            hits=self._hits(),
            model=self._rag.engine.model,
            engine=self._rag.engine.name,
            config_hash=self._rag.config.hash,
            usage=together(self._usages),
            timings=self._spent(total),
        )

    def _nowhere(self, question: str) -> tuple[str, ...]:
        return nowhere(question, self._hits(), index=self._rag.index, scope=self._scope)

    def _spent(self, total: float) -> Timings:
        rest = total - self._timings["retrieve"]
        read = self._timings.setdefault("read", rest)
        return Timings(**self._timings, write=rest - read, total=total)

    def _elapsed(self) -> float:
        return time.perf_counter() - self._started
