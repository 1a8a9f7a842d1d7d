"""Tables, lists and fenced code in a text: what is read as one thing, and what names its middle."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from rag.sentences import WRAPPED

Line: TypeAlias = tuple[int, int]  # start, end without the newline

LINE: Final = re.compile(r"[^\n]+")
FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
RULE_ROW: Final = re.compile(r"[^\S\n]*\|?[^\S\n]*:?-+:?[^\S\n]*(?:\|[^\S\n]*:?-+:?[^\S\n]*)*+\|?[^\S\n]*$")
CELLS: Final = re.compile(r"[^\S\n]*\||[^\n]*?\S(?: \| |\t+)\S")
NAMED_CELL: Final = re.compile(r"([^:：;；\n]{1,60}[:：])[^;；\n]*[;；][^:：;；\n]{1,60}[:：]")
ITEM: Final = re.compile(
    r"[^\S\n]*(?:[-*+•·●○▪◦–][^\S\n]|\(?(?:\d{1,3}|[a-z])[.)][^\S\n]|\d{1,3}、"
    r"|[（(][一二三四五六七八九十\d]{1,3}[)）]|[一二三四五六七八九十]{1,3}、|[①-⑳])"
)
LEAD: Final = re.compile(r"[^\n。！？；.!?]{1,80}[:：]\s*\Z")
ENDS: Final = ".!?;:。！？；："
LOOK_BACK: Final = 120  # characters in which a lead-in is looked for
MAX_TITLE: Final = 160  # characters of a header row that are repeated
MAX_ITEM: Final = 80  # characters of an item that are repeated above its subordinate ones
OUTLINE: Final = 16_384  # characters in which the items above are looked for
INDENT: Final = re.compile(r"[^\S\n]*")
CLOSING: Final = re.compile(r"[)\]}]|end\b|else\b|elif\b|except\b|finally\b|`{3}|~{3}")


@dataclass(frozen=True, slots=True)
class Block:
    """A table, list or code fence; from `body` on its text needs `title` to be understood."""

    start: int
    end: int
    kind: Literal["table", "list", "code"]
    body: int
    title: str = ""  # the header row, or what leads in to the list


def find_blocks(
    text: str, bounds: Sequence[int], rows: Sequence[Line], is_code: Callable[[int], bool]
) -> list[Block]:
    """Return the blocks of `text` in order; none crosses a bound.

    Args:
        text: what is searched.
        bounds: sorted offsets of headings and pages, with those of the beginning and the end.
        rows: spans known to be rows of a sheet, sorted.
        is_code: whether what follows an offset is the text of a program.
    """
    known = {match.start() for row in rows for match in LINE.finditer(text, *row)}
    blocks: list[Block] = []
    for start, end in pairwise(bounds):
        lines = [match.span() for match in LINE.finditer(text, start, end)]
        if lines and is_code(start):
            blocks.append(Block(lines[0][0], lines[-1][1], "code", lines[0][0]))
        else:
            blocks += _Scan(text, lines, known).blocks()
    return blocks


def outline(text: str, block: Block, offset: int) -> list[str]:
    """Return the items of a list that `offset` stands below or within, outermost first."""
    line = text.rfind("\n", 0, offset) + 1
    above = [match.span() for match in LINE.finditer(text, max(block.start, line - OUTLINE), offset)]
    within = bool(text[line:offset].strip())
    indent = _indent(text, line) + within
    titles: list[str] = []
    for start, end in reversed(above if within else [span for span in above if span[0] < line]):
        item = ITEM.match(text, start, end)
        if item and _indent(text, start) < indent:
            indent = _indent(text, start)
            titles.append(text[item.end() : end].strip()[:MAX_ITEM])
    return titles[::-1]


def _indent(text: str, line: int) -> int:
    blank = INDENT.match(text, line)
    return blank.end() - line if blank else 0


def code_groups(text: str, block: Block) -> Iterator[tuple[int, int, int]]:
    """Yield for each line of a code block its start, and the numbers of its definition and paragraph."""
    definition = paragraph = 0
    previous_end, indented = block.start, False
    for match in LINE.finditer(text, block.start, block.end):
        start, end = match.span()
        if text[start:end].isspace():
            continue
        after_blank = text.count("\n", previous_end, start) > 1
        top = not text[start].isspace() and not CLOSING.match(text, start)
        definition += top and (after_blank or indented)
        paragraph += after_blank
        yield start, definition, paragraph
        previous_end, indented = end, text[start].isspace()


class _Scan:
    """One pass over the lines between two bounds."""

    def __init__(self, text: str, lines: Sequence[Line], rows: set[int]) -> None:
        self._text = text
        self._lines = lines
        self._rows = rows
        self._fences = True  # whether a fence may still be closed

    def blocks(self) -> Iterator[Block]:
        at = 0
        while at < len(self._lines):
            block, after = self._code(at) or self._list(at) or self._table(at) or (None, at + 1)
            if block:
                yield block
            at = after

    def _code(self, at: int) -> tuple[Block, int] | None:
        opening = self._match(FENCE, at) if self._fences else None
        if not opening:
            return None
        for after in range(at + 1, len(self._lines)):
            line = self._line(after).strip()
            if line.startswith(opening[1]) and not line.strip(opening[1][0]):
                return self._block("code", at, after + 1), after + 1
        self._fences = False  # it is no fence, and no later one of its kind is closed either
        return None

    def _table(self, at: int) -> tuple[Block, int] | None:
        if not self._is_row(at):
            return None
        after = at + 1
        while after < len(self._lines) and self._is_adjacent(after) and self._is_row(after):
            after += 1
        if after - at > 1 and self._match(RULE_ROW, at + 1) and "|" in self._line(at):
            return self._block("table", at, after, header=self._line(at)), after
        return self._block("table", at, after), after

    def _list(self, at: int) -> tuple[Block, int] | None:
        if not self._is_item(at):
            return None
        after = at + 1
        while after < len(self._lines) and (self._is_item(after) or self._continues(after)):
            after += 1
        return (self._block("list", at, after), after) if after > at + 1 else None

    def _is_item(self, at: int) -> bool:
        known = self._lines[at][0] in self._rows or " | " in self._line(at)
        return not known and self._match(ITEM, at) is not None

    def _is_row(self, at: int) -> bool:
        start, _ = self._lines[at]
        if start in self._rows or self._match(CELLS, at):
            return True
        named = self._match(NAMED_CELL, at)
        return named is not None and (self._begins(at - 1, named[1]) or self._begins(at + 1, named[1]))

    def _begins(self, at: int, name: str) -> bool:
        return 0 <= at < len(self._lines) and self._text.startswith(name, self._lines[at][0])

    def _continues(self, at: int) -> bool:
        """Say whether a line goes on with the list item above it."""
        above = self._line(at - 1)
        wrapped = len(above) >= WRAPPED.start and above[-1] not in ENDS and self._is_adjacent(at)
        return not self._is_row(at) and (wrapped or self._text[self._lines[at][0]].isspace())

    def _is_adjacent(self, at: int) -> bool:
        return "\n\n" not in self._text[self._lines[at - 1][1] : self._lines[at][0]]

    def _block(
        self, kind: Literal["table", "list", "code"], first: int, after: int, header: str = ""
    ) -> Block:
        start, end = self._lines[first][0], self._lines[after - 1][1]
        if header:
            cells = [" ".join(cell.split()) for cell in header.strip().strip("|").split("|")]
            return Block(start, end, kind, self._lines[first + 1][1], " | ".join(cells)[:MAX_TITLE])
        lead = LEAD.search(self._text, max(0, start - LOOK_BACK, self._lines[0][0]), start)
        return Block(start, end, kind, start, " ".join(lead[0].split()) if lead else "")

    def _match(self, pattern: re.Pattern[str], at: int) -> re.Match[str] | None:
        return pattern.match(self._text, *self._lines[at])

    def _line(self, at: int) -> str:
        return self._text[slice(*self._lines[at])]
