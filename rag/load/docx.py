"""Word documents (.docx), read from their XML (ECMA-376 part 1, WordprocessingML)."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Final

from lxml import etree

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.docx_styles import Numbering, Styles
from rag.load.source import Source
from rag.load.tables import looks_like_header, table_text
from rag.load.wordml import MATH, W, inner, value

MAX_UNPACKED: Final = (
    400_000_000  # bytes of one part; a larger one is a bomb or would not fit the memory limit
)
BODY: Final = "word/document.xml"
NOTES: Final = ("word/footnotes.xml", "word/endnotes.xml")
MARGINS: Final = re.compile(r"word/(?:header|footer)\d*\.xml")
LETTER: Final = re.compile(r"[^\W\d_]{2}")
PRIVATE_USE: Final = range(0xE000, 0xF900)
SKIPPED: Final = frozenset(
    W + name for name in ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "tblPr", "sectPr", "sdtPr")
)
FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
CHARACTERS: Final = {
    W + "tab": "\t",
    W + "ptab": "\t",
    W + "br": "\n",
    W + "cr": "\n",
    W + "noBreakHyphen": "-",
}


def read_docx(source: Source) -> Content:
    """Read paragraphs, lists, headings and tables in order; then notes; headers and footers once.

    Raises:
        LoadError: when the file is damaged.
    """
    parts = _Parts(source.data)
    body = parts.parse(BODY)
    if body is None or body.find(W + "body") is None:
        raise LoadError("the Word document is damaged: it has no body")
    reader = _Reader(Styles(parts.parse("word/styles.xml")), Numbering(parts.parse("word/numbering.xml")))
    reader.read_blocks(body.find(W + "body"))
    for name in NOTES:
        reader.read_notes(parts.parse(name))
    for name in filter(MARGINS.fullmatch, sorted(parts.names)):
        reader.read_margin(parts.parse(name))
    return reader.content()


class _Parts:
    """The XML parts of the package."""

    def __init__(self, data: bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self.names = frozenset(self._zip.namelist())

    def parse(self, name: str) -> etree._Element | None:
        if name not in self.names:
            return None
        if self._zip.getinfo(name).file_size > MAX_UNPACKED:
            raise LoadError(f"it unpacks to more than {MAX_UNPACKED // 1_000_000} MB")
        try:
            data = self._zip.read(name)
        except (zipfile.BadZipFile, RuntimeError, EOFError, OSError) as exc:
            raise LoadError("the Word document is damaged: its zip container is not whole") from exc
        parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
        return etree.fromstring(data, parser)


class _Reader:
    def __init__(self, styles: Styles, numbering: Numbering) -> None:
        self._builder = ContentBuilder()
        self._styles = styles
        self._numbering = numbering
        self._below_title = 0  # 1 once a title has been seen: it stands above every heading
        self._in_list = False
        self._seen: set[str] = set()

    def content(self) -> Content:
        return self._builder.build()

    def read_blocks(self, parent: etree._Element) -> None:
        for block in parent:
            if block.tag == W + "p":
                self._paragraph(block)
            elif block.tag == W + "tbl":
                self._table(block)
            elif block.tag == W + "sdt" and block.find(W + "sdtContent") is not None:
                self.read_blocks(block.find(W + "sdtContent"))
            elif block.tag in (W + "ins", W + "customXml", W + "moveTo", W + "smartTag"):
                self.read_blocks(block)

    def read_notes(self, notes: etree._Element | None) -> None:
        for note in () if notes is None else notes:
            if note.get(W + "type") is None:  # the others are separators
                self._builder.add(f"[{note.get(W + 'id')}] {_block_text(note)}" if _block_text(note) else "")

    def read_margin(self, margin: etree._Element | None) -> None:
        for paragraph in () if margin is None else margin.iter(W + "p"):
            text = " ".join(_text(paragraph).split())
            if LETTER.search(text) and text not in self._seen:
                self._seen.add(text)
                self._builder.add(text)

    def _paragraph(self, paragraph: etree._Element) -> None:
        text = _text(paragraph).strip("\n")
        style = self._styles.of(paragraph)
        if text.strip():
            self._seen.add(" ".join(text.split()))
            label = self._numbering.label(style)
            self._add(label + text.strip() if label else text, style.level, is_item=bool(label))
        for box in _text_boxes(paragraph):
            self.read_blocks(box)

    def _add(self, text: str, level: int | None, *, is_item: bool) -> None:
        if level is None:
            self._builder.add(text, separator="\n" if is_item and self._in_list else "\n\n")
        elif level == 0:
            self._below_title = 1
            self._builder.add_heading(1, text)
        else:
            self._builder.add_heading(level + self._below_title, text)
        self._in_list = is_item and level is None

    def _table(self, table: etree._Element) -> None:
        rows = table.findall(W + "tr")
        cells = [[cell for cell in inner(row) if cell.tag == W + "tc"] for row in rows]
        if max(map(len, cells), default=0) <= 1:  # a frame around text
            for cell in (cell for row in cells for cell in row):
                self.read_blocks(cell)
            return
        grid = _grid(cells)
        marked = bool(rows) and rows[0].find(f"{W}trPr/{W}tblHeader") is not None
        self._builder.add(table_text(grid, header=marked or looks_like_header(grid)))


def _grid(rows: list[list[etree._Element]]) -> list[list[str]]:
    """Return the cells' text; a merged cell stands in each place it covers."""
    grid: list[list[str]] = []
    for cells in rows:
        row: list[str] = []
        for cell in cells:
            merged = cell.find(f"{W}tcPr/{W}vMerge")
            goes_on = merged is not None and merged.get(W + "val", "continue") == "continue"
            above = grid[-1][len(row)] if goes_on and grid and len(row) < len(grid[-1]) else None
            text = _block_text(cell) if above is None else above
            span = value(cell.find(f"{W}tcPr/{W}gridSpan")) or "1"
            row.extend([text] * (min(int(span), 100) if span.isdecimal() else 1))
        grid.append(row)
    return grid


def _block_text(node: etree._Element) -> str:
    return " ".join(filter(None, (_text(paragraph).strip() for paragraph in node.iter(W + "p"))))


def _text(paragraph: etree._Element) -> str:
    return "".join(_pieces(paragraph))


def _pieces(node: etree._Element) -> Iterator[str]:
    for child in node:
        if child.tag in (W + "t", MATH + "t"):
            yield child.text or ""
        elif child.tag in CHARACTERS:
            yield "" if child.get(W + "type") in {"page", "column"} else CHARACTERS[child.tag]
        elif child.tag == W + "sym":
            yield _symbol(child.get(W + "char", ""))
        elif child.tag not in SKIPPED and child.tag not in (FALLBACK, W + "txbxContent"):
            yield from _pieces(child)


def _symbol(code: str) -> str:
    """Return a symbol's character; fonts of pictures use the private area, which means nothing elsewhere."""
    number = int(code, 16) if re.fullmatch("[0-9A-Fa-f]{4}", code) else 0
    return chr(number) if number and number not in PRIVATE_USE else ""


def _text_boxes(paragraph: etree._Element) -> list[etree._Element]:
    boxes: list[etree._Element] = paragraph.xpath(
        ".//*[local-name()='txbxContent'][not(ancestor::*[local-name()='Fallback'])]"
    )
    return [
        box for box in boxes if not any(other is not box and other in box.iterancestors() for other in boxes)
    ]
