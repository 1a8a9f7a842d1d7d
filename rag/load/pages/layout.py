"""Pieces of text with their places on a page -> the page's lines in reading order, and these as content."""

from __future__ import annotations

from collections.abc import Sequence

from rag.datatypes import Box, PageUnit
from rag.load.content import ContentBuilder
from rag.load.pages.columns import in_order
from rag.load.pages.grid import with_tables
from rag.load.pages.lines import as_paragraphs
from rag.load.pages.pieces import Line, Piece, Rectangle, on_page


def lines_of(pieces: Sequence[Piece]) -> list[Line]:
    """Return the lines of a page in reading order: those that run like most first, turned ones after them."""
    weights = [sum(len(piece.text) for piece in pieces if piece.turn == turn) for turn in range(4)]
    turns = sorted((turn for turn in range(4) if weights[turn]), key=lambda turn: -weights[turn])
    return [
        line
        for turn in turns
        for block in in_order([piece for piece in pieces if piece.turn == turn])
        for line in with_tables(block)
    ]


def add_pieces(
    builder: ContentBuilder, number: int, pieces: Sequence[Piece], *, unit: PageUnit | None
) -> None:
    """Append a page; `unit` is None for what has no pages."""
    page = ContentBuilder()
    add_lines(page, number, lines_of(pieces))
    if unit is None:
        builder.add_content(page.build())
    else:
        builder.add_page(number, page.build(), unit=unit)


def add_lines(
    builder: ContentBuilder, number: int, lines: Sequence[Line], compounds: frozenset[str] = frozenset()
) -> None:
    """Append the lines of page `number` as paragraphs, each a region with its box."""
    for separator, line in as_paragraphs(lines, compounds):
        box = _box(number, on_page(line))
        if line.level:
            builder.add_heading(line.level, line.text, box=box)
        else:
            builder.add_region(line.text, separator=separator, box=box, confidence=line.confidence)


def _box(number: int, box: Rectangle) -> Box:
    left, bottom, right, top = (round(side, 1) for side in box)
    return Box(page=number, left=left, bottom=bottom, right=right, top=top)
