"""What is read of files: documents, their passages, and which of them may answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, TypeAlias

from rag.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[np.float32]"  # shape (n, dim), rows L2-normalised
Vector: TypeAlias = "NDArray[np.float32]"  # shape (dim,), L2-normalised
PageUnit: TypeAlias = Literal["page", "slide", "sheet"]


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
    regions: tuple[Region, ...] = ()  # its lines that have a box on the page
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

    def __post_init__(self) -> None:
        """Take a lone place or type, and days as 2024-01-31, for what they mean.

        Raises:
            InputError: for a day that is none.
        """
        for name in ("places", "types"):
            given = getattr(self, name)
            several = (given,) if isinstance(given, str | PurePath) else given
            object.__setattr__(self, name, tuple(map(str, several)))
        for name in ("since", "until"):
            object.__setattr__(self, name, _day(getattr(self, name)))


def _day(given: date | str | None) -> date | None:
    try:
        given = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError as exc:
        raise InputError(f"{given!r} is no day; write it as 2024-01-31") from exc
    if given is not None and not isinstance(given, date):
        raise InputError(f"{given!r} is no day; write it as 2024-01-31")
    return given.date() if isinstance(given, datetime) else given
