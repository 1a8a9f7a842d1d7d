"""What is found for a question, and the answer with everything that made it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rag.datatypes.documents import Box, PageUnit, Passage, Scope
from rag.datatypes.prompts import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The place of a passage in each stage of the search, 1 being the best; None: not found by it."""

    dense: int | None = None
    lexical: int | None = None
    fused: int | None = None
    reranked: int | None = None  # None, too, where nothing was reranked


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage found for a question, with every signal that ranked it."""

    passage: Passage
    score: float  # the fused score that orders hits, higher is better
    dense: float | None = None  # cosine similarity, -1 to 1
    lexical: float | None = None  # BM25, higher is better
    covered: float | None = None  # share of the question's words in the passage, weighted by rarity, 0 to 1
    ranks: Ranks = field(default_factory=Ranks)
    marker: int = 0  # the number the passage bears in prompt and answer; 0: not shown to the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A checked pointer: `document.text[start:end] == quote`."""

    marker: int
    document: str
    page: int | None  # of `start`
    quote: str
    start: int
    end: int
    unit: PageUnit = "page"  # the rest is that of the passage
    part: str = ""
    cells: str = ""
    boxes: tuple[Box, ...] = ()
    confidence: float | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds since the question was taken up; time spent in the queue is `queued`."""

    retrieve: float = 0.0
    first_token: float = 0.0
    total: float = 0.0
    queued: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The last event of a stream, with everything that made it."""

    question: str
    text: str
    scope: Scope = field(default_factory=Scope)
    searched_for: str = ""  # the question as rewritten for the search; empty: as it was asked
    refused: bool = False
    reason: str = ""  # why it was refused
    citations: tuple[Citation, ...] = ()
    unsupported: tuple[str, ...] = ()  # its sentences that no passage holds, marked [?] in the text
    hits: tuple[Hit, ...] = ()
    model: str = ""
    engine: str = ""
    config_hash: str = ""
    usage: Usage = field(default_factory=lambda: Usage(prompt_tokens=0, answer_tokens=0))
    timings: Timings = field(default_factory=Timings)

    def __str__(self) -> str:
        from rag.render import to_terminal

        return to_terminal(self)

    def _repr_markdown_(self) -> str:
        from rag.render import to_markdown

        return to_markdown(self)
