"""`Rag`: one object owns the index, the engine and the chain; streaming is its primitive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict

from rag.ahead import forget_gone, warm_up
from rag.config import Config
from rag.datatypes import Answer, DocumentState, Event, Progress, Queued, Reading, Scope, SyncReport
from rag.embed import Embedder, open_embedder
from rag.engines import Engine, open_engine
from rag.errors import ConfigError, EngineError, InputError, RagError
from rag.folder.scan import Found, scan
from rag.index import Index, set_aside
from rag.index.schema import Manifest
from rag.prompt import check_question
from rag.rerank import Reranker, open_reranker
from rag.reuse import states_folder
from rag.run import Run
from rag.scope import EVERYTHING, check_scope
from rag.turnstile import Turnstile

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from rag.evidence import Nearness
    from rag.load.source import Settings
    from rag.portable import Described
    from rag.status import Status

LEAST_PROMPT = 1024  # tokens: what stands before, a question and a passage or two


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
        self.turnstile = Turnstile()
        self._syncing = threading.Lock()
        self._readings: list[Reading] = []
        self.reading_ahead: Progress | None = None  # how far the LLM has read what nobody asked about

    @cached_property
    def embedder(self) -> Embedder:
        return self._given_embedder or open_embedder(self.config)

    @cached_property
    def reranker(self) -> Reranker | None:
        return open_reranker(self.config, self.embedder)

    @cached_property
    def nearness(self) -> Nearness | None:
        """What tells how near an answer is to a passage in the other language."""
        from rag.nearness import nearness_by

        return nearness_by(self.embedder)

    @cached_property
    def engine(self) -> Engine:
        return self._given_engine or open_engine(self.config)

    @cached_property
    def index(self) -> Index:
        from rag.portable import finish_import

        finish_import(self.config.index_dir)
        return Index.open(self.config.index_dir, **self._index_settings())

    @cached_property
    def chain(self) -> Runnable[dict[str, Any] | str, dict[str, Any]]:
        """The LangChain chain from a question to a cited answer."""
        from rag.chain import build_chain
        from rag.chat_model import EngineChatModel
        from rag.choice import worth_reading
        from rag.retrieve import PassageRetriever

        model = EngineChatModel(
            engine=self.engine,
            max_tokens=self.config.max_tokens,
            temperature=self.config.temperature,
            seed=self.config.seed,
            on_reading=self._readings.append,
        )
        retriever = PassageRetriever(
            index=self.index, embedder=self.embedder, top_k=self.config.top_k, reranker=self.reranker
        )
        budget = self.engine.context - self.config.max_tokens
        if budget < LEAST_PROMPT:
            raise ConfigError(
                f"max_tokens={self.config.max_tokens} leaves no room for passages in the "
                f"{self.engine.context} tokens of {self.engine.model}; lower it"
            )
        choose = partial(worth_reading, embedder=self.embedder.name, apart=self.engine.judges)
        return build_chain(
            retriever,
            model,
            choose=choose,
            budget=budget,
            caution=self.config.caution,
            nearness=self.nearness,
        )

    def ask(self, question: str, *, history: Sequence[Answer] = (), scope: Scope = EVERYTHING) -> Answer:
        """Answer the question; `history` holds the conversation's earlier answers.

        Only documents in `scope` are searched, and only earlier answers of the same scope count.

        Raises:
            InputError: when the question is empty or too long, or nothing is indexed.
            RagError: when a model is missing or fails, or the index cannot be used.
        """
        with closing(self.stream(question, history=history, scope=scope)) as events:
            for event in events:
                if isinstance(event, Answer):
                    return event
        raise EngineError("the stream ended without an answer")

    def stream(
        self, question: str, *, history: Sequence[Answer] = (), scope: Scope = EVERYTHING
    ) -> Generator[Event]:
        """Yield `Queued` while others are answered, `Retrieved`, `Reading`, `Token`, and last the `Answer`.

        `Retrieved` comes again for each passage that is read by itself. Closing the iterator stops the engine
        at once; until it is closed or at its end, other questions wait. Raises what `ask` does.
        """
        from rag.collection import Asked, route_for

        question = check_question(question)
        asked = time.perf_counter()
        with self.turnstile.ticket() as ticket:
            for place in ticket.places():
                yield Queued(place=place)
            run = Run(self, question, history, scope, asked=asked)
            begun = time.perf_counter()
            if not self.index.passage_count():
                raise InputError(
                    f"no documents are indexed; put some into {self.config.data_dir}/ and run `rag sync`"
                )
            if scope != EVERYTHING:
                check_scope(scope, [each.source for each in self.documents() if each.state == "indexed"])
            put = Asked(question=question, scope=scope, at=asked, begun=begun)
            yield from (route_for(self, put, history) or run).events()

    def sync(
        self,
        progress: Callable[[Progress], None] | None = None,
        *,
        is_steady: Callable[[Found], bool] = lambda _: True,
    ) -> SyncReport:
        """Make the index equal to `config.data_dir`; what cannot be read is reported, never in the way.

        A damaged index is set aside and rebuilt; one made with other settings is brought up to date. Changed
        files that `is_steady` denies are left for later. Syncs of one `Rag` wait for each other.

        Raises:
            ConfigError: when `config.data_dir` is not a folder.
            LockedError: when another sync is running.
            DiskError: when the disk is full or may not be written.
        """
        from rag.folder import sync_folder
        from rag.portable import finish_import

        finish_import(self.config.index_dir)
        with (
            self._syncing,
            Index.open_for_sync(self.config.index_dir, **self._index_settings()) as index,
        ):
            report = sync_folder(
                self.config.data_dir,
                index=index,
                embedder=self.embedder,
                file_timeout=self.config.file_timeout,
                reading=self.load_settings,
                progress=progress or (lambda _: None),
                is_steady=is_steady,
            )
            if report.changed or report.removed:
                forget_gone(states_folder(self.config), index)
            return replace(report, notice=index.notice)

    @property
    def load_settings(self) -> Settings:
        """What the user says about reading documents."""
        from rag.load.source import Settings

        return Settings(passwords=self.config.passwords, ocr=self.config.ocr)

    @property
    def is_syncing(self) -> bool:
        return self._syncing.locked()

    def follow(
        self,
        sync: Callable[[Callable[[Found], bool]], SyncReport] | None = None,
        *,
        stop: threading.Event,
        tell: Callable[[SyncReport | RagError], None],
    ) -> None:
        """Sync now and after every change of `config.data_dir` until `stop` is set; see `rag.folder.watch`.

        `sync` stands for this object's own, for whoever shows its progress.
        """
        from rag.folder.watch import follow

        def plain(is_steady: Callable[[Found], bool]) -> SyncReport:
            return self.sync(is_steady=is_steady)

        follow(self.config.data_dir, sync or plain, skip=self.config.index_dir, stop=stop, tell=tell)

    def rebuild(self, progress: Callable[[Progress], None] | None = None) -> SyncReport:
        """Set the index aside and make a new one from the documents; raises what `sync` does."""
        self._index_settings()  # what would stop the sync is found before the index is gone
        scan(self.config.data_dir, skip=self.config.index_dir)
        kept = set_aside(self.config.index_dir)
        report = self.sync(progress)
        return replace(report, notice=f"the old index is kept in {kept}/" if kept else report.notice)

    def warm_up(self, stop: threading.Event | None = None) -> None:
        """Load the models and read the prompt's constant prefix, so that the first question need not wait."""
        warm_up(self, stop or threading.Event())

    def documents(self) -> list[DocumentState]:
        """Return every file of the last sync, with its state and why it failed."""
        return self.index.documents()

    def status(self) -> Status:
        """Return every file of the last sync with the totals, and what has changed in the folder since."""
        from rag.status import look_at

        return look_at(self.config.data_dir, self.index)

    def export_to(self, file: Path) -> Described:
        """Write the index to one file, for another machine; see `rag.portable`."""
        from rag.portable import export_index

        return export_index(self.config.index_dir, file)

    def import_from(self, file: Path) -> tuple[Described, Path | None]:
        """Take over an exported index; return what it is, and the folder in which the old one is kept."""
        from rag.portable import import_index

        return import_index(file, self.config.index_dir, Manifest(**self._index_settings()))

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
