"""`Rag`: one object owns the index, the engine and the chain; streaming is its primitive."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict

from rag.cite import Citer
from rag.config import Config
from rag.datatypes import (
    Answer,
    DocumentState,
    Event,
    Generation,
    Progress,
    Queued,
    Reading,
    Retrieved,
    SyncReport,
    Timings,
    Token,
    Usage,
)
from rag.embed import Embedder, open_embedder
from rag.engines import Engine, open_engine
from rag.errors import EngineError, InputError
from rag.index import Index, set_aside
from rag.prompt import Fitted, check_question, fit
from rag.turnstile import Turnstile

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk
    from langchain_core.runnables import Runnable

NOT_RELEVANT = "no passage fits the question"
NOT_IN_PASSAGES = "the model found no answer in the passages"


class IndexSettings(TypedDict):
    """What an index must have been made with."""

    embedder: str
    dim: int
    passage_tokens: int


class Rag:
    """Answers questions from the documents of `config.data_dir`.

    The models are loaded when first needed. Safe to use from many threads: questions queue, and a sync
    may run meanwhile.
    """

    def __init__(
        self, config: Config | None = None, *, engine: Engine | None = None, embedder: Embedder | None = None
    ) -> None:
        self.config = config or Config()
        self._given_engine = engine
        self._given_embedder = embedder
        self._turnstile = Turnstile()
        self._readings: list[Reading] = []

    @cached_property
    def embedder(self) -> Embedder:
        return self._given_embedder or open_embedder(self.config)

    @cached_property
    def engine(self) -> Engine:
        return self._given_engine or open_engine(self.config)

    @cached_property
    def index(self) -> Index:
        return Index.open(self.config.index_dir, **self._index_settings())

    @cached_property
    def chain(self) -> Runnable[dict[str, Any], dict[str, Any]]:
        """The LangChain chain from a question to a cited answer."""
        from rag.chain import build_chain
        from rag.chat_model import EngineChatModel
        from rag.retrieve import PassageRetriever, is_relevant

        model = EngineChatModel(
            engine=self.engine,
            max_tokens=self.config.max_tokens,
            temperature=self.config.temperature,
            seed=self.config.seed,
            on_reading=self._readings.append,
        )
        retriever = PassageRetriever(index=self.index, embedder=self.embedder, top_k=self.config.top_k)
        budget = self.engine.context - self.config.max_tokens
        fits = partial(is_relevant, embedder=self.embedder.name)
        return build_chain(retriever, model, is_relevant=fits, budget=budget)

    def ask(self, question: str, *, history: Sequence[Answer] = ()) -> Answer:
        """Answer the question; `history` holds the conversation's earlier answers.

        Raises:
            InputError: when the question is empty or too long, or nothing is indexed.
            RagError: when a model is missing or fails, or the index cannot be used.
        """
        for event in self.stream(question, history=history):
            if isinstance(event, Answer):
                return event
        raise EngineError("the stream ended without an answer")

    def stream(self, question: str, *, history: Sequence[Answer] = ()) -> Generator[Event]:
        """Yield `Queued` while others are answered, `Retrieved`, `Reading`, `Token`, and last the `Answer`.

        Closing the iterator stops the engine at once. Raises what `ask` does.
        """
        question = check_question(question)
        started = time.perf_counter()
        with self._turnstile.ticket() as ticket:
            for place in ticket.places():
                yield Queued(place=place)
            if not self.index.passage_count():
                raise InputError(
                    f"no documents are indexed; put some into {self.config.data_dir}/ and run `rag sync`"
                )
            run = _Run(self, question, history, queued=time.perf_counter() - started)
            yield from run.events()

    def sync(self, progress: Callable[[Progress], None] | None = None) -> SyncReport:
        """Make the index equal to `config.data_dir`; what cannot be read is reported, never in the way.

        A damaged index is set aside and rebuilt; one made with other settings is brought up to date.

        Raises:
            ConfigError: when `config.data_dir` is not a folder.
            LockedError: when another sync is running.
            DiskError: when the disk is full or may not be written.
        """
        from rag.folder import sync_folder

        with Index.open_for_sync(self.config.index_dir, **self._index_settings()) as index:
            report = sync_folder(
                self.config.data_dir,
                index=index,
                embedder=self.embedder,
                passage_tokens=self.config.passage_tokens,
                file_timeout=self.config.file_timeout,
                progress=progress or (lambda _: None),
            )
            return replace(report, notice=index.notice)

    def rebuild(self, progress: Callable[[Progress], None] | None = None) -> SyncReport:
        """Set the index aside and make a new one from the documents; raises what `sync` does."""
        set_aside(self.config.index_dir)
        return self.sync(progress)

    def warm_up(self) -> None:
        """Load the models and read the prompt's constant prefix, so that the first question need not wait."""
        with self._turnstile.ticket() as ticket:
            for _ in ticket.places():
                pass
            self.embedder.embed_query("")
            self.index.passage_count()
            prompt = fit(
                "", (), history=(), count=self.engine.count_tokens, budget=self.engine.context
            ).prompt
            for _ in self.engine.stream(prompt, Generation(max_tokens=1)):
                pass

    def documents(self) -> list[DocumentState]:
        """Return every file of the last sync, with its state and why it failed."""
        return self.index.documents()

    def drain_readings(self) -> list[Reading]:
        """Return how far the engine has read since the last call."""
        readings, self._readings[:] = list(self._readings), []
        return readings

    def _index_settings(self) -> IndexSettings:
        return {
            "embedder": self.embedder.name,
            "dim": self.embedder.dim,
            "passage_tokens": self.config.passage_tokens,
        }

    def close(self) -> None:
        if "index" in self.__dict__:
            self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Run:
    """One question on its way through the chain: chunks in, events out."""

    def __init__(self, rag: Rag, question: str, history: Sequence[Answer], *, queued: float) -> None:
        self._rag = rag
        self._question = question
        self._history = list(history)
        self._started = time.perf_counter()
        self._timings: dict[str, float] = {"queued": queued}
        self._state: dict[str, Any] = {}
        self._usage = Usage(prompt_tokens=0, answer_tokens=0)

    def events(self) -> Iterator[Event]:
        chain = self._rag.chain
        self._started = time.perf_counter()
        for chunk in chain.stream({"question": self._question, "history": self._history}):
            self._state.update({key: value for key, value in chunk.items() if key != "message"})
            if "fitted" in chunk:
                yield self._retrieved(chunk["fitted"])
            if "message" in chunk:
                yield from self._rag.drain_readings()
                yield from self._tokens(chunk["message"])
        yield from self._token(self._citer.flush())
        yield self._answer()

    def _retrieved(self, fitted: Fitted) -> Retrieved:
        self._timings["retrieve"] = self._elapsed()
        self._citer = Citer(fitted.shown)
        return Retrieved(hits=fitted.hits or tuple(self._state["hits"]))

    def _tokens(self, message: AIMessageChunk) -> Iterator[Token]:
        if message.usage_metadata:
            self._usage = Usage(
                prompt_tokens=message.usage_metadata["input_tokens"],
                answer_tokens=message.usage_metadata["output_tokens"],
                cached_tokens=message.usage_metadata["input_token_details"]["cache_read"],
                finish=message.response_metadata["finish_reason"],
            )
        yield from self._token(self._citer.feed(str(message.text)))

    def _token(self, text: str) -> Iterator[Token]:
        if text:
            self._timings.setdefault("first_token", self._elapsed())
            yield Token(text=text)

    def _answer(self) -> Answer:
        fitted, cited = self._state["fitted"], self._state["cited"]
        asked = self._usage.answer_tokens > 0
        cited_markers = {citation.marker for citation in cited.citations}
        earlier = [
            hit for hit in fitted.shown if hit.marker in cited_markers - {h.marker for h in fitted.hits}
        ]
        return Answer(
            question=self._question,
            text=cited.text,
            refused=cited.refused,
            reason=(NOT_IN_PASSAGES if asked else NOT_RELEVANT) if cited.refused else "",
            citations=cited.citations,
            hits=(*(fitted.hits or self._state["hits"]), *earlier),
            model=self._rag.engine.model,
            engine=self._rag.engine.name,
            config_hash=self._rag.config.hash,
            usage=self._usage,
            timings=Timings(**self._timings, total=self._elapsed()),
        )

    def _elapsed(self) -> float:
        return time.perf_counter() - self._started


@lru_cache(maxsize=1)
def _open(config: Config) -> Rag:
    """Keep the loaded models between calls, for as long as the settings stay the same."""
    return Rag(config)


def ask(question: str, *, history: Sequence[Answer] = ()) -> Answer:
    """Answer from the documents of the working folder, with the settings found there; see `Rag.ask`."""
    return _open(Config()).ask(question, history=history)


def stream(question: str, *, history: Sequence[Answer] = ()) -> Generator[Event]:
    """Answer as a stream of events; see `Rag.stream`."""
    return _open(Config()).stream(question, history=history)


def sync() -> SyncReport:
    """Make the index equal to the data folder; see `Rag.sync`."""
    return _open(Config()).sync()
