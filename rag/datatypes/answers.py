"""What is found for a question, and the answer with everything that made it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rag.datatypes.documents import Box, PageUnit, Passage, Scope
from rag.datatypes.prompts import Usage

LeftOut: TypeAlias = Literal["unfit", "behind", "room", "unread", "doubted"]
# No passage fits the question; it fits much worse than the best; the prompt was full; the answer was found
# before it was read; it was read, and another is likelier to hold the answer.


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
    score: float  # the fused score that orders hits unless they are reranked, higher is better
    dense: float | None = None  # cosine similarity, -1 to 1
    lexical: float | None = None  # BM25, higher is better
    covered: float | None = None  # share of the question's words in the passage, weighted by rarity, 0 to 1
    reranked: float | None = None  # the reranker's score, higher is better; None: it did not look at it
    alone: bool = False  # all that was found is in another script than the question
    ranks: Ranks = field(default_factory=Ranks)
    marker: int = 0  # the number the passage bears in the prompt of the answer; 0: it is not in it
    log_odds: float | None = None  # that it holds the answer, where the model has read it by itself
    left_out: LeftOut | None = None  # why the answer is not made from it
    cut: int = 0  # characters of it that were not shown
    joined: tuple[Passage, ...] = ()  # the neighbours that `passage` was made of; empty: it is one

    @property
    def units(self) -> tuple[Passage, ...]:
        """The passages of the index that it shows, in order."""
        return self.joined or (self.passage,)


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
    boxes: tuple[Box, ...] = ()  # of its lines on the page, not of all the passage
    confidence: float | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds: the first three since the question was taken up, the others spent on one stage."""

    retrieve: float = 0.0  # until the passages were found, `rewrite` included
    first_token: float = 0.0  # until the answer's first piece was passed on
    total: float = 0.0  # retrieve + read + write
    queued: float = 0.0  # before the question was taken up
    rewrite: float = 0.0  # the LLM saying what a follow-up means
    read: float = 0.0  # the LLM reading the prompt, until its first word
    write: float = 0.0  # from that word to the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The last event of a stream, with everything that made it."""

    question: str
    text: str
    scope: Scope = field(default_factory=Scope)
    searched_for: str = ""  # the question as rewritten for the search; empty: as it was asked
    refused: bool = False
    reason: str = ""  # why it was refused
    unmentioned: tuple[str, ...] = ()  # of a refused question the words that no passage in scope holds
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
