"""PowerPoint presentations (.pptx): a page for each slide, its title a heading, its notes below it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lxml import etree

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.office.drawings import paragraph_text
from rag.load.office.objects import Objects, P
from rag.load.office.ooxml import A, Package, R, Relation
from rag.load.office.slides import REPEATED, TITLES, Places, Shape, places, shapes
from rag.load.source import Source
from rag.load.tables import Covered, looks_like_header, whole_table_text

PRESENTATION: Final = "ppt/presentation.xml"
NOTES: Final = "Notes:"
MAX_INDENT: Final = 8
LETTER: Final = re.compile(r"[^\W\d_]{2}")


def read_pptx(source: Source) -> Content:
    """Read the slides in order: titles, texts, lists, tables, charts, pictures, notes and comments.

    Raises:
        LoadError: when the file is damaged.
    """
    package = Package(source, noun="PowerPoint presentation")
    main = package.main(PRESENTATION)
    root = package.parse(main)
    if root is None:
        raise package.damaged("it has no list of slides")
    reader = _Reader(source, package)
    relations = package.relations(main)
    for number, node in enumerate(root.iterfind(f"{P}sldIdLst/{P}sldId"), start=1):
        relation = relations.get(node.get(R + "id", ""))
        reader.read_slide(number, relation.target if relation else "")
    return reader.content()


class _Reader:
    def __init__(self, source: Source, package: Package) -> None:
        self._builder = ContentBuilder()
        self._source = source
        self._package = package
        self._objects = Objects(source, package)
        self._places: dict[str, Places] = {}  # by layout
        self._footers: dict[str, None] = {}  # each once, in order

    def content(self) -> Content:
        for footer in self._footers:
            self._builder.add(footer)
        for sentence in (*self._package.notes, *self._objects.notes()):
            self._builder.note(sentence)
        return self._builder.build()

    def read_slide(self, number: int, part: str) -> None:
        try:
            root = self._package.parse(part)
        except LoadError as exc:
            self._builder.note(f"slide {number} could not be read: {exc}")
            return
        if root is None:
            self._builder.note(f"slide {number} is missing from the file")
            return
        builder = ContentBuilder()
        relations = self._package.relations(part)
        tree = root.find(f"{P}cSld/{P}spTree")
        for shape in shapes(tree, self._layout_places(part)):
            self._add_shape(builder, shape, relations)
        self._add_notes(builder, part)
        self._add_comments(builder, part)
        self._builder.add_page(number, builder.build(), unit="slide")
        if root.get("show") in {"0", "false"}:
            self._builder.note(f"slide {number} is hidden in the presentation; it was read like the others")

    def _layout_places(self, part: str) -> Places:
        """Return where the placeholders of a slide's layout stand, and of that layout's master."""
        layouts = self._package.related(part, "slideLayout")
        name = layouts[0] if layouts else ""
        if name and name not in self._places:
            masters = self._package.related(name, "slideMaster")
            above = places(self._package.parse(masters[0])) if masters else {}
            self._places[name] = {**above, **places(self._package.parse(name))}
        return self._places.get(name, {})

    def _add_shape(self, builder: ContentBuilder, shape: Shape, relations: Mapping[str, Relation]) -> None:
        if shape.placeholder in REPEATED:
            self._add_footer(shape)
            return
        if shape.placeholder in TITLES:
            builder.add_heading(1, " ".join(_lines(shape.node, relations)))
            return
        for table in shape.node.iter(A + "tbl"):
            _add_table(builder, table)
        body = shape.node.find(P + "txBody")
        if body is not None:
            _add_paragraphs(builder, body, relations, may_be_list=shape.placeholder in {"body", "obj"})
        self._objects.add(builder, shape.node, relations)

    def _add_footer(self, shape: Shape) -> None:
        text = " ".join(_lines(shape.node, {}))
        if shape.placeholder in {"ftr", "hdr"} and LETTER.search(text):
            self._footers[text] = None

    def _add_notes(self, builder: ContentBuilder, part: str) -> None:
        for name in self._package.related(part, "notesSlide"):
            root = self._package.parse(name)
            tree = None if root is None else root.find(f"{P}cSld/{P}spTree")
            bodies = [each for each in shapes(tree, {}) if each.placeholder not in REPEATED | TITLES]
            lines = [line for shape in bodies for line in _lines(shape.node, {})]
            if lines:
                builder.add("\n".join([NOTES, *lines]))

    def _add_comments(self, builder: ContentBuilder, part: str) -> None:
        for name in self._package.related(part, "comments"):
            root = self._package.parse(name)
            for comment in () if root is None else root:
                old = " ".join("".join(comment.itertext(P + "text")).split())
                text = old or " ".join(" ".join(map(paragraph_text, comment.iter(A + "p"))).split())
                builder.add(f"[Comment: {text}]" if text else "", separator="\n")


def _add_paragraphs(
    builder: ContentBuilder, body: etree._Element, relations: Mapping[str, Relation], *, may_be_list: bool
) -> None:
    """Add a shape's paragraphs, indented and marked as the slide shows them."""
    paragraphs = [each for each in body.iter(A + "p") if paragraph_text(each).strip()]
    counts: dict[int, int] = {}
    separator = "\n\n"
    for paragraph in paragraphs:
        label = _label(paragraph, counts, is_list=may_be_list and len(paragraphs) > 1)
        builder.add(label + _text(paragraph, relations).strip(), separator=separator)
        separator = "\n"


def _label(paragraph: etree._Element, counts: dict[int, int], *, is_list: bool) -> str:
    """Return the indent and the bullet or number before a paragraph."""
    about = paragraph.find(A + "pPr")
    level = about.get("lvl", "0") if about is not None else "0"
    depth = min(int(level) if level.isdecimal() else 0, MAX_INDENT)
    for deeper in [each for each in counts if each > depth]:
        del counts[deeper]
    numbered = None if about is None else about.find(A + "buAutoNum")
    if numbered is not None:
        start = numbered.get("startAt", "1")
        counts[depth] = counts.get(depth, (int(start) if start.isdecimal() else 1) - 1) + 1
        return f"{'  ' * depth}{counts[depth]}. "
    bulleted = about is not None and about.find(A + "buChar") is not None
    plain = about is not None and about.find(A + "buNone") is not None
    return "  " * depth + ("- " if bulleted or (is_list and not plain) else "")


def _text(paragraph: etree._Element, relations: Mapping[str, Relation]) -> str:
    """Return a paragraph's text, and the addresses it links to where they are not written out."""
    text = paragraph_text(paragraph)
    for link in paragraph.iter(A + "hlinkClick"):
        relation = relations.get(link.get(R + "id", ""))
        if relation is not None and relation.external and relation.target not in text:
            text = f"{text.rstrip()} ({relation.target})"
    return text


def _lines(node: etree._Element, relations: Mapping[str, Relation]) -> list[str]:
    lines = (_text(paragraph, relations).strip() for paragraph in node.iter(A + "p"))
    return [line for line in lines if line]


def _add_table(builder: ContentBuilder, table: etree._Element) -> None:
    rows = [_row(row) for row in table.iterfind(A + "tr")]
    about = table.find(A + "tblPr")
    marked = about is not None and about.get("firstRow") in {"1", "true"}
    builder.add(whole_table_text(rows, header=(marked and len(rows) > 1) or looks_like_header(rows)))


def _row(row: etree._Element) -> list[str]:
    """Return a row's cells; one merged over several columns stands in each."""
    texts: list[str] = []
    for cell in row.iterfind(A + "tc"):
        if cell.get("hMerge") in {"1", "true"} and texts:
            texts.append(Covered(texts[-1]))
        else:
            texts.append(" ".join(paragraph_text(each) for each in cell.iter(A + "p")))
    return texts
