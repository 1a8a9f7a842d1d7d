"""The blocks of OpenDocument text (OASIS ODF 1.3 part 3): headings, lists, tables, notes, frames."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from lxml import etree

from rag.load.content import ContentBuilder
from rag.load.office.numbered import BULLET
from rag.load.office.odf_numbering import OdfNumbering
from rag.load.office.odf_package import CHART, CONTENT, DC, DRAW, OFFICE, SVG, TABLE, TEXT, XLINK, OdfPackage
from rag.load.pages.pictures import Pictures, alt_text
from rag.load.tables import Covered, looks_like_header, whole_table_text

MAX_REPEATED: Final = 100  # columns that one cell stands for
MAX_SPACES: Final = 100
MAX_INDENT: Final = 8
SKIPPED: Final = frozenset(
    {
        TEXT + "tracked-changes",
        TEXT + "note",
        OFFICE + "annotation",
        OFFICE + "forms",
        TEXT + "sequence-decls",
        TEXT + "ruby-text",
    }
)
CONTAINERS: Final = frozenset(
    TEXT + name
    for name in (
        "section",
        "table-of-content",
        "index-body",
        "index-title",
        "illustration-index",
        "table-index",
        "user-index",
        "alphabetical-index",
        "bibliography",
        "numbered-paragraph",
    )
)


class OdfBlocks:
    """Adds blocks of OpenDocument text to a builder."""

    def __init__(self, package: OdfPackage, pictures: Pictures, numbering: OdfNumbering) -> None:
        self._package = package
        self._pictures = pictures
        self._numbering = numbering
        self._seen: set[str] = set()  # objects

    def add(self, builder: ContentBuilder, parent: Iterable[etree._Element]) -> None:
        """Add everything below `parent` in reading order."""
        for block in parent:
            if block.tag == TEXT + "h":
                self._add_heading(builder, block, self._numbering.heading(block))
            elif block.tag == TEXT + "p":
                builder.add(inline_text(block))
                self._add_below(builder, block)
            elif block.tag == TEXT + "list":
                self._add_list(builder, block)
            elif block.tag == TABLE + "table":
                self._add_table(builder, block)
            elif block.tag in CONTAINERS:
                self.add(builder, block)
            elif str(block.tag).startswith(DRAW):
                self._add_drawn(builder, block)

    def _add_below(self, builder: ContentBuilder, paragraph: etree._Element) -> None:
        """Add the notes, comments, text boxes and pictures that are anchored in a paragraph."""
        for note in paragraph.iter(TEXT + "note"):
            mark = note.findtext(TEXT + "note-citation") or ""
            builder.add(f"[{mark}] {_joined(note.find(TEXT + 'note-body'))}", separator="\n")
        for comment in paragraph.iter(OFFICE + "annotation"):
            who = comment.findtext(DC + "creator") or ""
            builder.add(f"[Comment{f' by {who}' if who else ''}: {_joined(comment)}]", separator="\n")
        for frame in _outermost(paragraph, DRAW):
            self._add_drawn(builder, frame)

    def _add_drawn(self, builder: ContentBuilder, node: etree._Element) -> None:
        for name in ("title", "desc"):
            for text in filter(None, (alt_text(each.text or "") for each in node.iterfind(SVG + name))):
                builder.add(f"[Picture: {text}]")
        is_told = False  # by an object, of which a picture follows
        for child in node:
            if child.tag == DRAW + "object":
                is_told = self._add_object(builder, child)
            elif child.tag == DRAW + "image" and not is_told:
                self._add_picture(builder, child.get(XLINK + "href", ""))
            elif child.tag == TABLE + "table":
                self._add_table(builder, child)
            elif str(child.tag).startswith(DRAW):
                self._add_drawn(builder, child)
        self.add(builder, [child for child in node if not str(child.tag).startswith((DRAW, TABLE))])

    def _add_object(self, builder: ContentBuilder, node: etree._Element) -> bool:
        """Add an embedded chart, formula or document; say whether there is one to be read."""
        part = posixpath.normpath(posixpath.join(node.get(XLINK + "href", ""), CONTENT))
        root = next(iter(node), None)  # a flat document holds it here
        if root is None and part not in self._seen:
            self._seen.add(part)
            root = self._package.parse(part)
        if root is None:
            return False
        body = root.find(OFFICE + "body")
        chart = root.find(f".//{CHART}chart")
        if chart is not None:
            builder.add(_chart_text(chart))
        elif body is None:
            builder.add(_formula_text(root))
        for each in () if chart is not None or body is None else body:
            self.add(builder, each)
        return True

    def _add_picture(self, builder: ContentBuilder, name: str) -> None:
        if name in self._package.names:
            content = self._pictures.read(self._package.read(name), posixpath.basename(name))
            if content is not None:
                builder.add_content(content)

    def _add_heading(self, builder: ContentBuilder, node: etree._Element, label: str) -> None:
        level = node.get(TEXT + "outline-level", "1")
        title = inline_text(node).strip()
        builder.add_heading(int(level) if level.isdecimal() else 1, _labelled(label, title))
        self._add_below(builder, node)

    def _add_list(self, builder: ContentBuilder, node: etree._Element) -> None:
        for block, label, depth in self._numbering.listed(node):
            if block.tag == TEXT + "h":
                self._add_heading(builder, block, _number(label))
                continue
            text = _labelled(label, inline_text(block).strip())
            indent = "  " * min(depth, MAX_INDENT)
            builder.add(f"{indent}{text}" if text else "", separator="\n")
            self._add_below(builder, block)

    def _add_table(self, builder: ContentBuilder, table: etree._Element) -> None:
        if _width(table) == 1:  # a frame around text
            for cell in table.iter(TABLE + "table-cell"):
                self.add(builder, cell)
            return
        rows = list(_rows(table, self._cell_text))
        marked = table.find(TABLE + "table-header-rows") is not None
        builder.add(whole_table_text(rows, header=marked or looks_like_header(rows)))
        for paragraph in _paragraphs(table):
            self._add_below(builder, paragraph)

    def _cell_text(self, cell: etree._Element) -> str:
        """Return a cell's paragraphs in one line, with the numbers that the word processor counts."""
        pieces = (
            (_labelled(label, inline_text(block).strip()), _joined(block))
            for block, label in self._inside(cell)
        )
        return " ".join(filter(None, chain.from_iterable(pieces)))

    def _inside(self, node: etree._Element) -> Iterator[tuple[etree._Element, str]]:
        """Yield the paragraphs and headings below `node`, each with its number."""
        for child in node:
            if child.tag == TEXT + "list":
                yield from ((block, _number(label)) for block, label, _ in self._numbering.listed(child))
            elif child.tag in {TEXT + "p", TEXT + "h"}:
                yield child, self._numbering.heading(child) if child.tag == TEXT + "h" else ""
            elif child.tag not in SKIPPED:
                yield from self._inside(child)


def _number(label: str) -> str:
    return "" if label == BULLET else label


def _labelled(label: str, text: str) -> str:
    return f"{label} {text}" if label and text else text


def _chart_text(chart: etree._Element) -> str:
    """Return a chart's titles, and its figures as a table."""
    titles = (_joined(title) for title in chart.iter(*(CHART + name for name in ("title", "subtitle"))))
    table = chart.find(TABLE + "table")
    figures = "" if table is None else whole_table_text(list(_rows(table, _joined)), header=True)
    return "\n".join(filter(None, [*titles, figures]))


def _formula_text(root: etree._Element) -> str:
    """Return a formula (MathML) as it was typed, or else its signs."""
    typed = next((node.text for node in root.iter("{*}annotation") if node.text), None)
    return typed or " ".join("".join(root.itertext()).split())


def inline_text(node: etree._Element) -> str:
    """Return a paragraph's text without what is anchored in it."""
    return "".join(_pieces(node))


def _pieces(node: etree._Element) -> Iterator[str]:
    yield node.text or ""
    for child in node:
        if child.tag == TEXT + "s":
            count = child.get(TEXT + "c", "1")
            yield " " * min(int(count) if count.isdecimal() else 1, MAX_SPACES)
        elif child.tag == TEXT + "tab":
            yield "\t"
        elif child.tag == TEXT + "line-break":
            yield "\n"
        elif child.tag == TEXT + "note":
            yield f"[{child.findtext(TEXT + 'note-citation') or ''}]"
        elif child.tag == DRAW + "a" or (child.tag not in SKIPPED and not str(child.tag).startswith(DRAW)):
            yield from _pieces(child)
        yield child.tail or ""


def _joined(node: etree._Element | None) -> str:
    """Return all paragraphs below `node` in one line, without its notes and comments."""
    paragraphs = () if node is None else _paragraphs(node)
    return " ".join(filter(None, (inline_text(each).strip() for each in paragraphs)))


def _paragraphs(node: etree._Element) -> Iterator[etree._Element]:
    for child in node:
        if child.tag in SKIPPED:
            continue
        if child.tag in {TEXT + "p", TEXT + "h"}:
            yield child
        yield from _paragraphs(child)


def _outermost(node: etree._Element, namespace: str) -> Iterator[etree._Element]:
    """Yield the drawings below `node` that stand in no other one."""
    for child in node:
        if child.tag in SKIPPED:
            continue
        if str(child.tag).startswith(namespace) and child.tag != DRAW + "a":
            yield child
        else:
            yield from _outermost(child, namespace)


def _own_rows(table: etree._Element) -> Iterator[etree._Element]:
    """Yield the rows of a table but those of tables within its cells."""
    for row in table.iter(TABLE + "table-row"):
        if next(row.iterancestors(TABLE + "table")) is table:
            yield row


def _width(table: etree._Element) -> int:
    """Return the cells of the longest row."""
    return max(
        (sum(_count(cell, "number-columns-repeated") for cell in row) for row in _own_rows(table)), default=0
    )


def _rows(table: etree._Element, text_of: Callable[[etree._Element], str]) -> Iterator[list[str]]:
    """Yield the rows of a table; a merged or repeated cell stands in each place it covers."""
    above: dict[int, str] = {}  # column -> the cell that may cover the rows below it
    for row in _own_rows(table):
        texts: list[str] = []
        across = 0  # places right of the cell at hand that it covers
        for cell in row:
            count = _count(cell, "number-columns-repeated")
            if cell.tag == TABLE + "table-cell":
                text, across = text_of(cell), _count(cell, "number-columns-spanned") - 1
                above |= dict.fromkeys(range(len(texts) + 1, len(texts) + 1 + across), Covered(text))
                above |= dict.fromkeys(range(len(texts), len(texts) + count), text)
                texts += [text] * count
            elif cell.tag == TABLE + "covered-table-cell":
                covered = [Covered(texts[-1])] * min(count, across) if texts else []
                across -= len(covered)
                texts += covered
                texts += [above.get(at, "") for at in range(len(texts), len(texts) + count - len(covered))]
        yield texts


def _count(cell: etree._Element, name: str) -> int:
    count = cell.get(TABLE + name, "1")
    return max(1, min(int(count), MAX_REPEATED)) if count.isdecimal() else 1
