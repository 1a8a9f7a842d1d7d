"""PDF: the text layer page by page, its lines put together again as paragraphs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.lines import Line, as_paragraphs
from rag.load.source import Source

PASSWORD: Final = 4  # FPDF_ERR_PASSWORD
HYPHEN: Final = "\x02"  # what pdfium writes for a hyphen at the end of a line
BREAK: Final = re.compile(r"[^\r\n]+")
DIGITS: Final = re.compile(r"\d+")
EDGE: Final = 2  # lines at the top and at the bottom of a page that may be running titles
REPEATED: Final = 0.6  # part of the pages on which a running title stands
FEW_PAGES: Final = 3


def read_pdf(source: Source) -> Content:
    """Read the text layer of a PDF with its page numbers; a page without text adds nothing.

    Raises:
        LoadError: when it is encrypted, damaged, or has no text layer at all.
    """
    document = _open(source.data)
    pages = [_lines_of(document, index) for index in range(len(document))]
    running = _running_titles(pages)
    builder = ContentBuilder()
    for number, lines in enumerate(pages, start=1):
        builder.add_page(number, as_paragraphs(_without(lines, running)))
    content = builder.build()
    if not content.text and _shows_something(document):
        raise LoadError("there is no text layer: it looks scanned, and OCR is not available yet")
    if not content.text:
        raise LoadError("its pages are empty, or are coded in a way that cannot be read")
    return content


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(data)
        if not len(document):
            raise LoadError("the PDF is damaged: it has no pages")
    except pypdfium2.PdfiumError as exc:
        if getattr(exc, "err_code", None) == PASSWORD:
            raise LoadError("the PDF is encrypted: save a copy of it without a password") from exc
        raise LoadError("the PDF is damaged: its structure cannot be read") from exc
    return document


def _shows_something(document: pypdfium2.PdfDocument) -> bool:
    return any(next(page.get_objects(max_depth=1), None) is not None for page in document)


def _lines_of(document: pypdfium2.PdfDocument, index: int) -> list[Line]:
    try:
        page = document[index]
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError:
        return []  # one damaged page does not cost the others
    try:
        text = text_page.get_text_range()
        return [_line(text_page, text, match) for match in BREAK.finditer(text) if match.group().strip()]
    finally:
        text_page.close()
        page.close()


def _line(text_page: pypdfium2.PdfTextPage, text: str, match: re.Match[str]) -> Line:
    words = match.group().strip()
    first = match.start() + match.group().index(words)
    left, _, _, top = _box(text_page, text, first)
    _, bottom, right, last_top = _box(text_page, text, first + len(words) - 1)
    return Line(
        text=words.replace(HYPHEN, ""),
        left=left,
        right=right,
        bottom=bottom,
        top=top,
        height=last_top - bottom,
    )


def _box(text_page: pypdfium2.PdfTextPage, text: str, at: int) -> tuple[float, float, float, float]:
    """Return left, bottom, right, top of a character in points, by the font's height, not the glyph's."""
    units = at + sum(char > "\uffff" for char in text[:at]) if not text.isascii() else at
    index = pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, units)
    if index < 0:
        return 0.0, 0.0, 0.0, 0.0
    box: tuple[float, float, float, float] = text_page.get_charbox(index, loose=True)
    return box


def _running_titles(pages: Sequence[Sequence[Line]]) -> set[str]:
    """Return the lines that stand at the edge of most pages, numbers aside."""
    if len(pages) < FEW_PAGES:
        return set()
    seen = Counter(key for lines in pages for key in {_key(line) for line in (*lines[:EDGE], *lines[-EDGE:])})
    return {key for key, count in seen.items() if count >= max(FEW_PAGES, REPEATED * len(pages))}


def _without(lines: Sequence[Line], running: set[str]) -> list[Line]:
    last = len(lines) - EDGE
    return [
        line for at, line in enumerate(lines) if EDGE <= at < last or not running or _key(line) not in running
    ]


def _key(line: Line) -> str:
    return DIGITS.sub("#", line.text)
