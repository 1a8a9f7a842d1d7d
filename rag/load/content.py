"""What a reader makes of a file's bytes, and the builder that keeps offsets true while text is added."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from rag.datatypes import Heading, Page

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
    """The text of one file, with its pages and headings."""

    text: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()


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

    def add(self, text: str, *, separator: str = "\n\n") -> tuple[int, int] | None:
        """Append a block after `separator` and return its span; an empty block is left out."""
        text = tidy(text)
        if not text.strip():
            return None
        if self._pieces:
            self._pieces.append(separator)
            self._length += len(separator)
        start = self._length
        self._pieces.append(text)
        self._length += len(text)
        return start, self._length

    def add_heading(self, level: int, text: str) -> None:
        """Append a heading of `level` (1 is the outermost)."""
        span = self.add(text)
        if span is not None:
            self._headings.append(Heading(level=level, start=span[0], end=span[1], title=title_of(text)))

    def add_page(self, number: int, text: str) -> None:
        """Append page `number` (from 1); a page without text is left out."""
        span = self.add(text)
        if span is not None:
            self._pages.append(Page(number=number, start=span[0], end=span[1]))

    def build(self) -> Content:
        return Content(text="".join(self._pieces), pages=tuple(self._pages), headings=tuple(self._headings))
