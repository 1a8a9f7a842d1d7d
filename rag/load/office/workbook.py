"""What Excel workbooks share, written as XML (.xlsx) or as binary records (.xlsb): sheets and all on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rag.load.content import Content, ContentBuilder
from rag.load.office.drawings import drawn_text
from rag.load.office.objects import SHEET_DRAWING, Objects
from rag.load.office.ooxml import Package
from rag.load.office.sheet_tables import Cell, Merge, Row, Sheet
from rag.load.office.sheets import Allowance, hidden_note, sheet_content, unsolved_notes
from rag.load.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetEntry:
    """What the workbook says of a sheet; `relation` is the id of its part."""

    name: str
    relation: str
    is_hidden: bool


class Workbook(ABC):
    """Reads the sheets of a workbook, each as a page below its name."""

    def __init__(self, source: Source, package: Package, main: str) -> None:
        self._package = package
        self._relations = package.relations(main)
        self._allowance = Allowance()
        self._objects = Objects(source, package)
        self._unsolved = 0  # formulas without a stored result

    def read(self) -> Content:
        """Return the rows of every sheet with their cells; then its comments, charts and pictures."""
        builder = ContentBuilder()
        for number, entry in enumerate(self._entries(), start=1):
            relation = self._relations.get(entry.relation)
            if relation is None or relation.target not in self._package:
                builder.note(f'the sheet "{entry.name}" is missing from the file')
                continue
            content = self._sheet(entry.name, relation.target)
            builder.add_page(number, content, unit="sheet")
            if entry.is_hidden and content.text:
                builder.note(hidden_note(entry.name))
        for sentence in self._notes():
            builder.note(sentence)
        return builder.build()

    @abstractmethod
    def _entries(self) -> Iterable[SheetEntry]:
        """Return the workbook's sheets in order."""

    @abstractmethod
    def _fill(self, grid: Grid, part: str) -> None:
        """Read a sheet's rows and ranges, until `grid` takes no more; note it when the part is damaged."""

    @abstractmethod
    def _comments(self, part: str) -> Iterable[tuple[str, str]]:
        """Return the cell of each comment and its text, "" for an empty one."""

    @abstractmethod
    def _header_row(self, part: str) -> int | None:
        """Return the row in which a table names its columns, None where it does not."""

    def _damaged(self, what: str) -> None:
        self._package.notes.append(f"{what} is damaged: what follows the damage is missing")

    def _notes(self) -> Iterator[str]:
        yield from (*self._package.notes, *self._allowance.notes, *self._objects.notes())
        yield from unsolved_notes(self._unsolved)

    def _sheet(self, name: str, part: str) -> Content:
        grid = Grid(name, self._allowance)
        self._fill(grid, part)
        tables = (self._header_row(table) for table in self._package.related(part, "table"))
        grid.header_rows.update(row for row in tables if row is not None)
        sheet = Sheet(name=name, rows=grid.rows, merges=grid.merges, header_rows=grid.header_rows)
        return sheet_content(sheet, below=(self._remarks(part), self._drawings(part)))

    def _remarks(self, part: str) -> Content:
        builder = ContentBuilder()
        for name in self._package.related(part, "comments"):
            for cell, text in self._comments(name):
                builder.add_region(f"{cell}: {text}" if text else "", cells=cell)
        return builder.build()

    def _drawings(self, part: str) -> Content:
        builder = ContentBuilder()
        for name in self._package.related(part, "drawing"):
            root = self._package.parse(name)
            if root is not None:
                for shape in root.iter(SHEET_DRAWING + "sp"):
                    builder.add(drawn_text(shape))
                self._objects.add(builder, root, self._package.relations(name))
        return builder.build()


class Grid:
    """The cells of one sheet, and what the file says of their ranges."""

    def __init__(self, name: str, allowance: Allowance) -> None:
        self.name = name
        self.rows: list[Row] = []
        self.merges: list[Merge] = []
        self.header_rows: set[int] = set()
        self._allowance = allowance
        self._last = 0  # row

    def add_row(self, cells: dict[int, Cell], number: int | None) -> bool:
        """Add a row, the next where it has no `number`; False when the workbook has given all its cells."""
        if not self._allowance.take(len(cells)):
            self._allowance.cut(self.name, self._last)
            return False
        # rows never go back, though they be out of order
        self._last = self._last + 1 if number is None else max(number, self._last + 1)
        if cells:
            in_order = list(cells) == sorted(cells)
            self.rows.append(Row(self._last, cells if in_order else dict(sorted(cells.items()))))
        return True
