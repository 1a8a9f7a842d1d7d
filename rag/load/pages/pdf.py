"""PDF: its pages as displayed, by their text layer, and by OCR where that is missing or means nothing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.pages.headings import Entry, with_headings
from rag.load.pages.layout import add_lines, lines_of
from rag.load.pages.lines import compounds_of
from rag.load.pages.pdf_page import PageReader, Sheet
from rag.load.pages.running import without_running_titles
from rag.load.source import Source

PASSWORD: Final = 4  # FPDF_ERR_PASSWORD
SECURITY: Final = 5  # FPDF_ERR_SECURITY
MAX_PAGES: Final = 10_000  # that are read
MAX_CHARACTERS: Final = 40_000_000  # of all pages
MAX_ENTRIES: Final = 5_000  # of the outline
MAX_ATTACHMENTS: Final = 1_000
AT_ONCE: Final = 50  # pages with a text layer that are told of together; they take a second or two
TAIL: Final = 2048  # bytes in which the end of a whole file is marked
ENCRYPTED: Final = "the PDF is encrypted: add its password to the setting `passwords` in rag.toml"
CERTIFIED: Final = (
    "the PDF is encrypted in a way that no password opens, such as for a certificate: save a copy without it"
)
OCR_OFF: Final = "hold pictures, which were not read since OCR is off: set `ocr = true` in rag.toml"


TOLD: Final[tuple[tuple[str, Callable[[Sheet], bool]], ...]] = (
    ("are damaged and were not read", lambda sheet: sheet.is_damaged),
    (OCR_OFF, lambda sheet: sheet.is_unread),
    ("have a text layer that means nothing: OCR read what they show", lambda sheet: sheet.was_garbage),
    ("hold characters whose meaning the file does not tell: left out", lambda sheet: sheet.has_gaps),
    ("hold too much text: the rest was not read", lambda sheet: sheet.is_cut),
)
SINGULARS: Final = {"are": "is", "were": "was", "have": "has", "hold": "holds", "they show": "it shows"}
SINGULAR: Final = re.compile(r"^(?:are|have|hold)\b|(?<=and )were\b|they show")


def read_pdf(source: Source) -> Content:
    """Read a PDF; boxes are in points from the lower left of each page as it is displayed.

    As displayed means: cut to the page's CropBox and turned by its /Rotate, as a viewer or pdfium draws it.

    Raises:
        LoadError: when it is encrypted, damaged, or nothing can be read on its pages.
    """
    document = open_pdf(source)
    document.init_forms()
    reader = PageReader(source)
    sheets = list(_sheets(document, reader, source))
    builder = ContentBuilder()
    _add_pages(builder, document, sheets)
    _add_attachments(builder, document, source)
    for note in _notes(document, sheets, source.data):
        builder.note(note)
    content = builder.build()
    if not content.text.strip() and not content.notes:
        raise LoadError(_nothing(sheets))
    return content


def open_pdf(source: Source) -> pypdfium2.PdfDocument:
    """Open a PDF that has pages; raises LoadError when it is encrypted or damaged."""
    for password in (None, "", *source.settings.passwords):
        try:
            document = pypdfium2.PdfDocument(source.data, password=password)
        except pypdfium2.PdfiumError as exc:
            code = getattr(exc, "err_code", None)
            if code != PASSWORD:
                why = CERTIFIED if code == SECURITY else "the PDF is damaged: its structure cannot be read"
                raise LoadError(why) from exc
            continue
        if not len(document):
            raise LoadError("the PDF is damaged: it has no pages")
        return document
    raise LoadError(ENCRYPTED)


def _sheets(document: pypdfium2.PdfDocument, reader: PageReader, source: Source) -> Iterator[Sheet]:
    total = min(len(document), MAX_PAGES)
    characters = 0
    for index in range(total):
        if index and index % AT_ONCE == 0:
            source.advance(f"page {index + 1} of {total}")
        sheet = reader.read(document, index, total)
        characters += sum(len(piece.text) for piece in sheet.pieces)
        if characters > MAX_CHARACTERS:
            return
        yield sheet


def _add_pages(builder: ContentBuilder, document: pypdfium2.PdfDocument, sheets: Sequence[Sheet]) -> None:
    pages = [lines_of(sheet.pieces) for sheet in sheets]
    pages = without_running_titles(pages, [sheet.height for sheet in sheets])
    pages = with_headings(pages, list(_outline(document, sheets)), _title(document))
    compounds = compounds_of(line for lines in pages for line in lines)
    for number, (sheet, lines) in enumerate(zip(sheets, pages, strict=True), start=1):
        page = ContentBuilder()
        add_lines(page, number, lines, compounds)
        for comment, box in sheet.comments:
            page.add_region(comment, separator="\n\n", box=sheet.box(number, box))
        builder.add_page(number, page.build())


def _outline(document: pypdfium2.PdfDocument, sheets: Sequence[Sheet]) -> Iterator[Entry]:
    try:
        for item in itertools.islice(document.get_toc(max_depth=8), MAX_ENTRIES):
            destination, title = item.get_dest(), item.get_title().strip()
            index = destination.get_index() if destination else None
            if index is not None and 0 <= index < len(sheets) and title:
                top = sheets[index].top_of(destination.get_view())
                yield Entry(title=title, level=item.level + 1, page=index, top=top)
    except pypdfium2.PdfiumError:
        return  # a damaged outline costs no page


def _title(document: pypdfium2.PdfDocument) -> str:
    title: str = document.get_metadata_value("Title")
    return title.strip()


def _add_attachments(builder: ContentBuilder, document: pypdfium2.PdfDocument, source: Source) -> None:
    from rag.load import read

    for at in range(min(document.count_attachments(), MAX_ATTACHMENTS)):
        name = f"attachment {at + 1}"
        try:
            attachment = document.get_attachment(at)
            name = " ".join(attachment.get_name().split()) or name
            builder.add_part(name, read(source.member(bytes(attachment.get_data()), name)))
        except pypdfium2.PdfiumError:
            builder.note(f"{name}: the attachment is damaged and was not read")
        except LoadError as exc:
            builder.note(f"{name}: {exc}")


def _notes(document: pypdfium2.PdfDocument, sheets: Sequence[Sheet], data: bytes) -> Iterator[str]:
    for said, is_so in TOLD:
        numbers = [number for number, sheet in enumerate(sheets, start=1) if is_so(sheet)]
        if numbers:
            yield _told(numbers, said)
    total = len(document)
    if len(sheets) < total:
        yield f"only the first {len(sheets):,} of its {total:,} pages were read"
    if b"%%EOF" not in data[-TAIL:] and pdfium.FPDF_GetPageCount(document.raw):
        yield "the file is cut off at its end: what could be found was read"


def _told(numbers: Sequence[int], said: str) -> str:
    """Return a sentence about pages: "pages 1, 3-5 are damaged"."""
    if len(numbers) == 1:
        said = SINGULAR.sub(lambda verb: SINGULARS[verb[0]], said)
    return f"page{'s' * (len(numbers) > 1)} {', '.join(_ranges(numbers))} {said}"


def _ranges(numbers: Iterable[int]) -> Iterator[str]:
    for _, group in itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def _nothing(sheets: Sequence[Sheet]) -> str:
    if any(sheet.was_read_as_picture for sheet in sheets):
        return "there is no text in it: it has no text layer, and OCR found none in its pictures"
    if any(sheet.is_drawing for sheet in sheets):
        return "there is no text in it: its pages hold drawings alone"
    return "its pages are empty"
