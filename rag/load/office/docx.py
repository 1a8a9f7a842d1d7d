"""Word documents (.docx), read from their XML (ECMA-376 part 1, WordprocessingML)."""

from __future__ import annotations

import posixpath
import re
from typing import Final

from lxml import etree

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.office.docx_styles import Numbering, Styles
from rag.load.office.drawings import drawn_text
from rag.load.office.objects import Objects
from rag.load.office.ooxml import A, Package, R
from rag.load.office.word_notes import Notes
from rag.load.office.word_text import paragraph_text, text_boxes
from rag.load.office.wordml import W, inner, value
from rag.load.source import Source
from rag.load.tables import Covered, looks_like_header, whole_table_text

BODY: Final = "word/document.xml"
MARGINS: Final = ("header", "footer")
MOST_COLUMNS: Final = 100
LETTER: Final = re.compile(r"[^\W\d_]{2}")
WRAPPERS: Final = (W + "ins", W + "customXml", W + "moveTo", W + "smartTag")  # hold paragraphs of the body


def read_docx(source: Source) -> Content:
    """Read paragraphs, lists, headings, tables, notes and drawings in order; headers and footers once.

    Raises:
        LoadError: when the file is damaged.
    """
    package = Package(source, noun="Word document")
    main = package.main(BODY)
    root = package.parse(main)
    if root is None or root.find(W + "body") is None:
        raise package.damaged("it has no body")
    reader = _Reader(source, package, main, root)
    for body in root.iterfind(W + "body"):  # a program that joins documents may leave several
        reader.read_blocks(body)
    reader.read_margins()
    return reader.content()


class _Reader:
    def __init__(self, source: Source, package: Package, main: str, root: etree._Element) -> None:
        self._builder = ContentBuilder()
        self._source = source
        self._package = package
        self._main = main
        self._relations = package.relations(main)
        self._styles = Styles(self._related("styles"))
        self._numbering = Numbering(self._related("numbering"))
        self._notes = Notes(package, main, root)
        self._objects = Objects(source, package)
        self._below_title = 0  # 1 once a title has been seen: it stands above every heading
        self._in_list = False
        self._seen: set[str] = set()

    def content(self) -> Content:
        for note in self._notes.left_over():
            self._builder.add(note)
        for sentence in (*self._package.notes, *self._objects.notes()):
            self._builder.note(sentence)
        return self._builder.build()

    def read_blocks(self, parent: etree._Element) -> None:
        for block in parent:
            if block.tag == W + "p":
                self._paragraph(block)
            elif block.tag == W + "tbl":
                self._table(block)
            elif block.tag == W + "sdt" and block.find(W + "sdtContent") is not None:
                self.read_blocks(block.find(W + "sdtContent"))
            elif block.tag in WRAPPERS:
                self.read_blocks(block)
            elif block.tag == W + "altChunk":
                self._chunk(block.get(R + "id", ""))

    def read_margins(self) -> None:
        """Read the headers and footers, each line once, page numbers not at all."""
        for part in (part for kind in MARGINS for part in self._package.related(self._main, kind)):
            margin = self._package.parse(part)
            for paragraph in () if margin is None else margin.iter(W + "p"):
                text = " ".join(paragraph_text(paragraph).split())
                if LETTER.search(text) and text not in self._seen:
                    self._seen.add(text)
                    self._builder.add(text)

    def _related(self, kind: str) -> etree._Element | None:
        parts = self._package.related(self._main, kind)
        return self._package.parse(parts[0]) if parts else None

    def _paragraph(self, paragraph: etree._Element) -> None:
        text = paragraph_text(paragraph).strip("\n")
        style = self._styles.of(paragraph)
        if text.strip():
            self._seen.add(" ".join(text.split()))
            label = self._numbering.label(style)
            self._add(label + text.strip() if label else text, style.level, is_item=bool(label))
        for box in text_boxes(paragraph):
            self.read_blocks(box)
        for shape in paragraph.iter(A + "txBody"):  # in a locked canvas
            self._builder.add(drawn_text(shape))
        self._add_below(paragraph)

    def _add_below(self, node: etree._Element) -> None:
        """Add the notes and drawings of a paragraph or table after its own text."""
        for note in self._notes.below(node):
            self._builder.add(note, separator="\n")
        self._objects.add(self._builder, node, self._relations)

    def _chunk(self, relation: str) -> None:
        """Read a document of another format that stands in this one's text."""
        from rag.load import read

        part = self._relations[relation].target if relation in self._relations else ""
        try:
            member = self._source.member(self._package.read(part), posixpath.basename(part))
            self._builder.add_content(read(member))
        except LoadError as exc:
            self._builder.note(f"a document inserted into it could not be read: {exc}")

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
        rows = [row for row in inner(table) if row.tag == W + "tr"]
        cells = [[cell for cell in inner(row) if cell.tag == W + "tc"] for row in rows]
        if max(map(len, cells), default=0) <= 1:  # a frame around text
            for cell in (cell for row in cells for cell in row):
                self.read_blocks(cell)
            return
        grid = self._grid(cells, [value(row.find(f"{W}trPr/{W}gridBefore")) for row in rows])
        marked = bool(rows) and rows[0].find(f"{W}trPr/{W}tblHeader") is not None
        self._builder.add(whole_table_text(grid, header=marked or looks_like_header(grid)))
        self._add_below(table)

    def _grid(self, rows: list[list[etree._Element]], skipped: list[str | None]) -> list[list[str]]:
        """Return the cells' text behind what a row skips; a merged cell stands in each place it covers."""
        grid: list[list[str]] = []
        for cells, before in zip(rows, skipped, strict=True):
            row = [""] * (_count(before) if before else 0)
            for cell in cells:
                merged = cell.find(f"{W}tcPr/{W}vMerge")
                goes_on = merged is not None and merged.get(W + "val", "continue") == "continue"
                above = grid[-1][len(row)] if goes_on and grid and len(row) < len(grid[-1]) else None
                text = self._cell_text(cell) if above is None else above
                span = value(cell.find(f"{W}tcPr/{W}gridSpan")) or "1"
                row.append(text)
                row.extend([Covered(text)] * (_count(span) - 1))
            grid.append(row)
        return grid

    def _cell_text(self, cell: etree._Element) -> str:
        """Return a cell's paragraphs in one line, with the numbers that the word processor counts."""
        texts = []
        for paragraph in cell.iter(W + "p"):
            label = self._numbering.label(self._styles.of(paragraph)).strip()
            texts.append(f"{'' if label == '-' else label} {paragraph_text(paragraph).strip()}".strip())
        return " ".join(filter(None, texts))


def _count(written: str) -> int:
    return min(int(written), MOST_COLUMNS) if written.isdecimal() else 1
