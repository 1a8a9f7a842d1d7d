"""reStructuredText as written, with its headings; no directive is carried out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from rag.datatypes import Heading
from rag.load.content import Content, title_of
from rag.load.plain.text import plain_text
from rag.load.source import Source

ADORNMENT: Final = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*$")
LEAST: Final = 0.6  # of the title's width that its underline has at least; docutils only warns of a short one
SHORT: Final = 3  # characters of an underline from which on it may be shorter than its title


def read_rst(source: Source) -> Content:
    """Read reStructuredText; the order in which adornments first appear gives the levels of headings."""
    text, notes = plain_text(source)
    return Content(text=text, headings=tuple(rst_headings(text)), notes=notes)


def rst_headings(text: str) -> Iterator[Heading]:
    """Yield the headings of reStructuredText, over- and underlined ones alike."""
    styles: list[str] = []
    offset = 0
    starts: list[tuple[int, str]] = []
    for line in text.splitlines(keepends=True):
        starts.append((offset, line.rstrip("\n")))
        offset += len(line)
    for at in range(1, len(starts)):
        (begin, title), (start, line) = starts[at - 1 : at + 1]
        style = _style(starts[at - 2][1] if at > 1 else "", title, line)
        if not style:
            continue
        if style not in styles:
            styles.append(style)
        first = starts[at - 2][0] if len(style) > 1 else begin
        yield Heading(
            level=styles.index(style) + 1, start=first, end=start + len(line), title=title_of(title)
        )


def _style(above: str, title: str, line: str) -> str:
    """Return the adornment of a title, doubled when it stands above, too; "" for what is no title."""
    mark = ADORNMENT.match(line)
    if not mark or not title.strip() or ADORNMENT.match(title):
        return ""
    width, length = _width(title), len(line.rstrip())
    if length < width and (length < SHORT or length < LEAST * width):
        return ""
    over = ADORNMENT.match(above)
    if over:
        return mark[1] * 2 if over[1] == mark[1] else ""
    return "" if above.strip() or title[0].isspace() else mark[1]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text.strip())
