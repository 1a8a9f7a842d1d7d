"""What a reader makes of a file's bytes, and the builder that keeps offsets true while text is added."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from rag.datatypes import Box, Heading, Page, PageUnit, Region

CJK: Final = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # written without spaces
)
NEWLINES: Final = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Controls but tab and newline, soft hyphen, zero-width and direction marks, BOM, noncharacters, surrogates.
INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2060-\u2064\ufeff\ufffe\uffff\ud800-\udfff]"
)
TRAILING: Final = re.compile(r"(?<![^\S\n])[^\S\n]++$", re.MULTILINE)  # linear in any text
MANY_NEWLINES: Final = re.compile(r"\n{3,}")
MAX_TITLE: Final = 200  # characters; a whole paragraph styled as a heading is cut here


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The text of one file, with what is known of its places; see `rag.datatypes.Document`."""

    text: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    regions: tuple[Region, ...] = ()
    notes: tuple[str, ...] = ()


def clean(text: str) -> str:
    r"""Return `text` with `\n` newlines, without invisible characters, in Unicode NFC.

    NFC and not NFKC: what is cited stays what the author wrote (UAX #15).
    """
    text = INVISIBLE.sub("", NEWLINES.sub("\n", text))
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def tidy(text: str) -> str:
    """Return `clean(text)` without trailing spaces, runs of blank lines and blank ends."""
    return MANY_NEWLINES.sub("\n\n", TRAILING.sub("", clean(text))).strip("\n")


def title_of(line: str) -> str:
    """Return a heading's text on one line, at most `MAX_TITLE` characters."""
    return " ".join(line.split())[:MAX_TITLE]


class ContentBuilder:
    """Collects blocks of text in reading order; offsets are those of the finished text."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._pages: list[Page] = []
        self._headings: list[Heading] = []
        self._regions: list[Region] = []
        self._notes: list[str] = []

    def add(self, text: str, *, separator: str = "\n\n") -> tuple[int, int] | None:
        """Append a block after `separator` and return its span; an empty block is left out."""
        text = tidy(text)
        return self._append(text, separator) if text.strip() else None

    def add_region(
        self,
        text: str,
        *,
        separator: str = "\n",
        box: Box | None = None,
        cells: str = "",
        confidence: float | None = None,
    ) -> None:
        """Append a line or a row and remember where it stands in the original."""
        span = self.add(text, separator=separator)
        if span is not None:
            self._regions.append(
                Region(start=span[0], end=span[1], box=box, cells=cells, confidence=confidence)
            )

    def add_heading(self, level: int, text: str, *, box: Box | None = None) -> None:
        """Append a heading of `level` (1 is the outermost)."""
        span = self.add(text)
        if span is not None:
            self._headings.append(Heading(level=level, start=span[0], end=span[1], title=title_of(text)))
            if box is not None:
                self._regions.append(Region(start=span[0], end=span[1], box=box))

    def add_page(self, number: int, page: Content | str, *, unit: PageUnit = "page") -> None:
        """Append page `number` (from 1); a page without text is left out."""
        span = self.add_content(Content(text=tidy(page)) if isinstance(page, str) else page)
        if span is not None:
            self._pages.append(Page(number=number, start=span[0], end=span[1], unit=unit))

    def add_part(self, name: str, part: Content) -> None:
        """Append a member of an archive or an attachment below a heading that names it."""
        self.add_heading(1, name)
        pages = tuple(
            replace(page, part=f"{name} › {page.part}" if page.part else name) for page in _paged(part)
        )
        headings = tuple(replace(heading, level=heading.level + 1) for heading in part.headings)
        notes = tuple(f"{name}: {note}" for note in part.notes)
        self.add_content(replace(part, pages=pages, headings=headings, notes=notes))

    def add_content(self, content: Content) -> tuple[int, int] | None:
        """Append what another reader made, with all its places, and return its span."""
        self._notes += content.notes
        if not content.text.strip():
            return None
        start, end = self._append(content.text, "\n\n")
        self._pages += (_moved(page, start) for page in content.pages)
        self._headings += (_moved(heading, start) for heading in content.headings)
        self._regions += (_moved(region, start) for region in content.regions)
        return start, end

    def note(self, sentence: str) -> None:
        """Remember what could not be read or had to be repaired; it is shown wherever the file is listed."""
        self._notes.append(sentence)

    def build(self) -> Content:
        return Content(
            text="".join(self._pieces),
            pages=tuple(self._pages),
            headings=tuple(self._headings),
            regions=tuple(self._regions),
            notes=tuple(self._notes),
        )

    def _append(self, text: str, separator: str) -> tuple[int, int]:
        if self._pieces:
            self._pieces.append(separator)
            self._length += len(separator)
        start = self._length
        self._pieces.append(text)
        self._length += len(text)
        return start, self._length


def _paged(part: Content) -> Iterator[Page]:
    """Yield the pages of a part, and for text on none a page without a number, so that it keeps its name."""
    end = 0
    for page in part.pages:
        if part.text[end : page.start].strip():
            yield Page(number=0, start=end, end=page.start)
        yield page
        end = max(end, page.end)
    if part.text[end:].strip():
        yield Page(number=0, start=end, end=len(part.text))


Placed = TypeVar("Placed", Page, Heading, Region)


def _moved(item: Placed, by: int) -> Placed:
    return replace(item, start=item.start + by, end=item.end + by)
