"""The values that travel between the steps: frozen, without behaviour beyond their identity."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]  # shape (n, dim), rows L2-normalised
Vector: TypeAlias = NDArray[np.float32]  # shape (dim,), L2-normalised
PageUnit: TypeAlias = Literal["page", "slide", "sheet"]
Role: TypeAlias = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Page `number` (from 1; 0: a part without pages) is `document.text[start:end]`."""

    number: int
    start: int
    end: int
    unit: PageUnit = "page"
    part: str = ""  # the member of an archive or the attachment that it is a page of


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading line is `document.text[start:end]`; level 1 is the outermost."""

    level: int
    start: int
    end: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on a page, in points from its lower left corner (ISO 32000-1, 8.3.2.3), or pixels."""

    page: int
    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where `document.text[start:end]`, a line or a row, stands in the original."""

    start: int
    end: int
    box: Box | None = None
    cells: str = ""  # of a sheet: "B2:F2"
    confidence: float | None = None  # of the OCR that read it, 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The text of one file; `digest` is the sha256 of the file's bytes.

    `pages` is empty for a format that has none; `pages`, `headings` and `regions` are in order of `start`.
    """

    source: str  # path below data/, with forward slashes
    digest: str
    text: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    regions: tuple[Region, ...] = ()
    notes: tuple[str, ...] = ()  # what could not be read or had to be repaired, a sentence each


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A span of one document; `document.text[start:end] == text` always holds."""

    source: str
    digest: str  # of the document's file
    start: int
    end: int
    text: str
    page: int | None = None  # of `start`
    later_pages: tuple[tuple[int, int], ...] = ()  # (number, start in the document) of those begun within
    heading: str = ""  # the titles above it, outermost first, joined by " > "
    unit: PageUnit = "page"  # what `page` counts
    part: str = ""  # the member of an archive or the attachment that it stands in
    cells: str = ""  # of a sheet: "A2:F9"
    boxes: tuple[Box, ...] = ()  # its lines on the page
    confidence: float | None = None  # of the OCR that read it, 0 to 1; None: it was text
    also: tuple[str, ...] = ()  # the other files of the same content

    @property
    def id(self) -> str:
        """Hash of content and position, so that a renamed file keeps its passages."""
        key = f"{self.digest}\0{self.start}\0{self.end}\0{self.text}"
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which documents may answer; a part that is empty excludes none."""

    places: tuple[str, ...] = ()  # files, folders or patterns below data/: "handbook/", "*.pdf", "2024/*.md"
    types: tuple[str, ...] = ()  # endings of names: "pdf"
    since: date | None = None  # of the file's last change, as the next
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage found for a question, with every signal that ranked it."""

    passage: Passage
    score: float  # the fused score that orders hits, higher is better
    dense: float | None = None  # cosine similarity, -1 to 1
    lexical: float | None = None  # BM25, higher is better
    covered: float | None = None  # share of the question's words in the passage, weighted by rarity, 0 to 1
    marker: int = 0  # the number the passage bears in prompt and answer; 0: not shown to the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One chat message; the parts of a user message are its passages and last the question."""

    role: Role
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What an engine answers: parts, not a string, so that an engine can reuse the state of each."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How an engine continues a prompt."""

    max_tokens: int = 512
    temperature: float = 0.0  # 0: greedy
    seed: int = 0
    stop: tuple[str, ...] = ()  # the text ends before the first of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The last thing an engine's stream yields: what the answer cost."""

    prompt_tokens: int
    answer_tokens: int
    cached_tokens: int = 0  # of the prompt, not prefilled again
    finish: Literal["stop", "length"] = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How far the engine has read the prompt, in tokens; each one is a moment at which it can be stopped."""

    done: int
    total: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Another question is being answered; `place` 1 is next."""

    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The passages found, best first; those with a marker go into the prompt."""

    hits: tuple[Hit, ...]
    searched_for: str = ""  # the question as rewritten for the search; empty: as it was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The next piece of the answer's text."""

    text: str


Event: TypeAlias = Queued | Retrieved | Reading | Token | Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be indexed, and why."""

    document: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentState:
    """One file of data/ as the index knows it."""

    source: str
    state: Literal["indexed", "failed"]
    size: int  # bytes
    passages: int = 0
    reason: str = ""  # why it failed
    notes: tuple[str, ...] = ()  # what of an indexed one could not be read or had to be repaired
    synced_at: float = 0.0  # seconds since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did; `passages` counts the whole index afterwards."""

    added: int
    changed: int
    removed: int
    unchanged: int
    failed: tuple[Failure, ...]
    passages: int
    seconds: float
    waiting: int = 0  # files still being written, left for the next sync
    ignored: int = 0  # files and folders that .kaojuignore leaves out
    notice: str = ""  # what had to be mended first, for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a long stage, for whoever draws the bar."""

    stage: str  # what is being done, for a person
    done: float
    total: float | None  # None while unknown
    unit: Literal["bytes", "files", "passages", "layers", "rounds", "questions"]
    item: str = ""  # the file or layer at hand
    passages: int = 0  # embedded so far
    rate: float = 0.0  # passages a second, lately
    left: float | None = None  # seconds, about; None while unknown
    failed: int = 0  # files that could not be read so far


ProgressCallback: TypeAlias = Callable[[Progress], None]
