"""The sheets of an OpenDocument spreadsheet, read row by row, every value as it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

from rag.load.content import Content, ContentBuilder
from rag.load.office.odf_cell import shown_cell, unsolved
from rag.load.office.odf_package import CONTENT, DRAW, OFFICE, STYLE, TABLE, TEXT, OdfPackage
from rag.load.office.odf_text import OdfBlocks, inline_text
from rag.load.office.ooxml import DAMAGES
from rag.load.office.sheet_tables import Cell, Merge, Row, Sheet
from rag.load.office.sheets import (
    MAX_COLUMNS,
    Allowance,
    column_letters,
    hidden_note,
    sheet_content,
    unsolved_notes,
)

MAX_ROW: Final = 1_048_576
EVENTS: Final = ("start", "end")


class OdfSheets:
    """Reads the content of a spreadsheet as a stream."""

    def __init__(self, package: OdfPackage, blocks: OdfBlocks) -> None:
        self._package = package
        self._blocks = blocks
        self._allowance = Allowance()
        self._hidden: set[str] = set()  # table styles
        self._unsolved = 0  # formulas without a stored result

    def read(self) -> Content:
        """Return every sheet as a page below its name."""
        builder = ContentBuilder()
        number = 0
        walk = self._walk()
        for event, node in walk:
            if event == "end" and node.tag == STYLE + "style":
                self._keep_style(node)
            elif event == "start" and node.tag == TABLE + "table":
                number += 1
                self._add_sheet(builder, number, node, walk)
        for sentence in (*self._allowance.notes, *unsolved_notes(self._unsolved)):
            builder.note(sentence)
        return builder.build()

    def _walk(self) -> Iterator[tuple[str, etree._Element]]:
        """Yield the starts and ends of the content's elements, as far as it is whole."""
        try:
            with self._package.open(CONTENT) as stream:
                walk = etree.iterparse(
                    stream, events=EVENTS, resolve_entities=False, no_network=True, recover=True
                )
                yield from walk
                is_whole = all(entry.level != etree.ErrorLevels.FATAL for entry in walk.error_log)
        except DAMAGES:
            is_whole = False
        if not is_whole:
            self._package.notes.append("its content is damaged: what follows the damage may be missing")

    def _keep_style(self, style: etree._Element) -> None:
        properties = style.find(STYLE + "table-properties")
        if properties is not None and properties.get(TABLE + "display") == "false":
            self._hidden.add(style.get(STYLE + "name", ""))

    def _add_sheet(
        self,
        builder: ContentBuilder,
        number: int,
        table: etree._Element,
        walk: Iterator[tuple[str, etree._Element]],
    ) -> None:
        name = table.get(TABLE + "name", "")
        grid = _Grid(name, self._allowance, self._blocks)
        is_foreign = False  # a copy of another file's sheet, which nobody is shown
        for event, node in walk:
            if event == "end" and node is table:
                break
            is_foreign = is_foreign or node.tag == TABLE + "table-source"
            if event == "end" and node.tag == TABLE + "shapes":
                self._blocks.add(grid.drawings, node)
            elif event == "end" and node.tag == TABLE + "table-row" and not is_foreign:
                grid.add_row(node)
                node.clear(keep_tail=False)
        self._unsolved += grid.unsolved
        sheet = Sheet(name=name, rows=grid.rows, merges=grid.merges)
        content = sheet_content(sheet, below=(grid.comments.build(), grid.drawings.build()))
        builder.add_page(number, content, unit="sheet")
        if table.get(TABLE + "style-name", "") in self._hidden and content.text:
            builder.note(hidden_note(name))


class _Grid:
    def __init__(self, name: str, allowance: Allowance, blocks: OdfBlocks) -> None:
        self.rows: list[Row] = []
        self.merges: list[Merge] = []
        self.comments = ContentBuilder()
        self.drawings = ContentBuilder()
        self.unsolved = 0  # formulas without a stored result
        self._blocks = blocks
        self._name = name
        self._allowance = allowance
        self._next = 1  # row
        self._is_cut = False

    def add_row(self, node: etree._Element) -> None:
        count = _count(node, TABLE + "number-rows-repeated")
        if self._is_cut:
            return
        cells = dict(self._cells(node))
        for number in range(self._next, min(self._next + (count if cells else 0), MAX_ROW + 1)):
            if not self._allowance.take(len(cells)):
                self._allowance.cut(self._name, number - 1)
                self._is_cut = True
                return
            self.rows.append(Row(number, cells))
        self._next += count

    def _cells(self, row: etree._Element) -> Iterator[tuple[int, Cell]]:
        column = 0
        for node in row:
            count = _count(node, TABLE + "number-columns-repeated")
            if node.tag == TABLE + "table-cell":
                cell = self._cell(node)
                self._keep_span(node, column)
                self._keep_comment(node, column)
                self._blocks.add(self.drawings, (each for each in node if str(each.tag).startswith(DRAW)))
                if cell.text.strip():
                    yield from ((at, cell) for at in range(column, min(column + count, MAX_COLUMNS)))
            column += count

    def _cell(self, node: etree._Element) -> Cell:
        cell = shown_cell(node)
        formula = "" if cell.text else unsolved(node)
        self.unsolved += bool(formula)
        return Cell(formula, is_value=True) if formula else cell

    def _keep_span(self, node: etree._Element, column: int) -> None:
        across = _count(node, TABLE + "number-columns-spanned")
        down = _count(node, TABLE + "number-rows-spanned")
        if across > 1 or down > 1:
            self.merges.append((self._next, column, self._next + down - 1, column + across - 1))

    def _keep_comment(self, node: etree._Element, column: int) -> None:
        for comment in node.iterfind(OFFICE + "annotation"):
            text = " ".join(inline_text(each) for each in comment.iter(TEXT + "p"))
            place = f"{column_letters(column)}{self._next}"
            self.comments.add_region(f"{place}: Comment: {text}", cells=place)


def _count(node: etree._Element, name: str) -> int:
    text = node.get(name, "1")
    return max(1, min(int(text), MAX_ROW)) if text.isdecimal() else 1
