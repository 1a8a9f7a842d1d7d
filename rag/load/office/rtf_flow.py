"""A stream of an RTF file's text: the body, a note or a header; its paragraphs and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rag.load.content import ContentBuilder
from rag.load.tables import Covered, looks_like_header, whole_table_text


@dataclass(slots=True, kw_only=True)
class Cells:
    """How the cells of one row are merged, as its definition says."""

    merges: list[str] = field(default_factory=list)  # "", "left" or "above" for each cell
    coming: str = ""  # of the cell that is being defined
    is_header: bool = False

    def define(self) -> None:
        self.merges.append(self.coming)
        self.coming = ""


class Flow:
    """Collects characters into paragraphs, cells and rows."""

    def __init__(self) -> None:
        self._builder = ContentBuilder()
        self._pieces: list[str] = []
        self._cells: list[str] = []
        self._cell: list[str] = []  # the paragraphs of the cell at hand
        self._rows: list[list[str]] = []
        self._has_header = False
        self._below: list[str] = []  # notes that wait for the end of their paragraph
        self._in_list = False
        self.label = ""  # the number or bullet printed before the paragraph at hand

    def add(self, text: str) -> None:
        self._pieces.append(text)

    def add_below(self, text: str) -> None:
        """Add a note after the paragraph at hand."""
        self._below.append(text)

    def end_paragraph(self, *, level: int | None, in_table: bool) -> None:
        """End a paragraph; `level` is that of a heading, from 1."""
        text = self._taken()
        if in_table:
            if text.strip():
                self._cell.append(text)
            self.label = ""
            return
        self._end_table()
        if level is not None and text.strip():
            self._builder.add_heading(level, text.strip())
        else:
            is_item = bool(self.label)
            separator = "\n" if is_item and self._in_list else "\n\n"
            self._builder.add(text if is_item else text.strip("\n"), separator=separator)
            self._in_list = is_item if text.strip() else self._in_list
        self.label = ""
        self._add_waiting()

    def end_cell(self) -> None:
        text = self._taken()
        self._cells.append(" ".join([*self._cell, text]).strip())
        self._cell = []
        self.label = ""

    def end_row(self, cells: Cells) -> None:
        """End a row; a merged cell stands in each place it covers."""
        above = self._rows[-1] if self._rows else []
        row: list[str] = []
        for at, own in enumerate(self._cells):
            merge = cells.merges[at] if at < len(cells.merges) else ""
            if merge == "left" and row:
                row.append(Covered(row[-1]))
            else:
                row.append(above[at] if merge == "above" and at < len(above) else own)
        self._has_header = self._has_header or (cells.is_header and not self._rows)
        self._rows.append(row)
        self._cells = []

    def builder(self) -> ContentBuilder:
        """Return what was collected, the last paragraph ended."""
        if self._cells or self._cell:
            self.end_cell()
            self.end_row(Cells())
        self.end_paragraph(level=None, in_table=False)
        return self._builder

    def lines(self) -> Iterator[str]:
        """Yield the lines of a note or a header."""
        yield from filter(None, (" ".join(line.split()) for line in self.builder().build().text.split("\n")))

    def _taken(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return f"{self.label} {text.strip()}" if self.label and text.strip() else text

    def _end_table(self) -> None:
        rows, self._rows = self._rows, []
        if max(map(len, rows), default=0) == 1:  # a frame around text
            for row in rows:
                self._builder.add(row[0])
        elif rows:
            self._builder.add(whole_table_text(rows, header=self._has_header or looks_like_header(rows)))
        if rows:
            self._has_header = False
            self._add_waiting()

    def _add_waiting(self) -> None:
        for note in self._below:
            self._builder.add(note, separator="\n")
        self._below.clear()
