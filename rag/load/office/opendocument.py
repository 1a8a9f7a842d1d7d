"""OpenDocument files (OASIS ODF 1.3): texts (.odt), presentations (.odp) and spreadsheets (.ods)."""

from __future__ import annotations

from typing import Final

from lxml import etree

from rag.load.content import Content, ContentBuilder
from rag.load.office.odf_numbering import OdfNumbering
from rag.load.office.odf_package import CONTENT, DRAW, PRESENTATION, STYLE, STYLES, TEXT, OdfPackage
from rag.load.office.odf_sheet import OdfSheets
from rag.load.office.odf_text import OdfBlocks, inline_text
from rag.load.pages.pictures import Pictures
from rag.load.source import Source

MARGINS: Final = ("header", "header-first", "header-left", "footer", "footer-first", "footer-left")
TITLES: Final = frozenset({"title"})
REPEATED: Final = frozenset({"date-time", "footer", "header", "page-number"})


def read_text_document(source: Source) -> Content:
    """Read headings, paragraphs, lists, tables, notes and pictures in order; headers and footers once.

    Raises:
        LoadError: when the file is damaged or encrypted.
    """
    package = OdfPackage(source)
    pictures = Pictures(source)
    builder = ContentBuilder()
    _blocks(package, pictures).add(builder, package.body("text"))
    _add_margins(builder, package.parse(STYLES))
    return _noted(builder, package, pictures)


def read_presentation(source: Source) -> Content:
    """Read every slide as a page: its title as a heading, its texts, tables and pictures, its notes.

    Raises:
        LoadError: when the file is damaged or encrypted.
    """
    package = OdfPackage(source)
    pictures = Pictures(source)
    blocks = _blocks(package, pictures)
    builder = ContentBuilder()
    for number, slide in enumerate(package.body("presentation").iterfind(DRAW + "page"), start=1):
        builder.add_page(number, _slide(blocks, slide), unit="slide")
    return _noted(builder, package, pictures)


def read_spreadsheet(source: Source) -> Content:
    """Read every sheet as a page below its name, rows with their cells.

    Raises:
        LoadError: when the file is damaged or encrypted.
    """
    package = OdfPackage(source)
    pictures = Pictures(source)
    sheets = OdfSheets(package, OdfBlocks(package, pictures, OdfNumbering(())))
    builder = ContentBuilder()
    builder.add_content(sheets.read())
    return _noted(builder, package, pictures)


def _blocks(package: OdfPackage, pictures: Pictures) -> OdfBlocks:
    roots = (package.parse(part) for part in (STYLES, CONTENT))
    return OdfBlocks(package, pictures, OdfNumbering(root for root in roots if root is not None))


def _noted(builder: ContentBuilder, package: OdfPackage, pictures: Pictures) -> Content:
    for sentence in (*package.notes, *pictures.all_notes()):
        builder.note(sentence)
    return builder.build()


def _add_margins(builder: ContentBuilder, styles: etree._Element | None) -> None:
    if styles is None:
        return
    seen = set()
    for margin in styles.iter(*(STYLE + name for name in MARGINS)):
        for paragraph in margin.iter(TEXT + "p"):
            text = " ".join(inline_text(paragraph).split())
            if text not in seen and sum(map(str.isalpha, text)) > 1:
                seen.add(text)
                builder.add(text)


def _slide(blocks: OdfBlocks, slide: etree._Element) -> Content:
    builder = ContentBuilder()
    frames = [node for node in slide if node.tag != PRESENTATION + "notes"]
    for frame in sorted(frames, key=lambda node: node.get(PRESENTATION + "class") not in TITLES):
        kind = frame.get(PRESENTATION + "class", "")
        if kind in TITLES:
            builder.add_heading(1, " ".join(inline_text(each) for each in frame.iter(TEXT + "p")).strip())
        elif kind not in REPEATED and str(frame.tag).startswith(DRAW):
            blocks.add(builder, [frame])
    notes = slide.find(PRESENTATION + "notes")
    said = [] if notes is None else [inline_text(each).strip() for each in notes.iter(TEXT + "p")]
    if any(said):
        builder.add("\n".join(["Notes:", *filter(None, said)]))
    for comment in slide.iterfind("{*}annotation"):  # programs write it in a namespace of their own
        builder.add(f"[Comment: {' '.join(inline_text(each) for each in comment.iter(TEXT + 'p'))}]")
    return builder.build()
