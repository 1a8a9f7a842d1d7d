"""Where a span of a document stands for a person: headings, page, member, cells, lines."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from rag.datatypes import Document, Heading, Page, Region

CORNER: Final = re.compile(r"([A-Z]+)(\d+)")
PLAIN_SHEET: Final = re.compile(r"[^\W\d]\w*")  # a name that needs no quotes before "!"
MAX_PATH_TITLE: Final = 80  # characters of one title in a heading path
MAX_PATH: Final = 200  # characters of all titles; they are embedded with the passage
DOUBTFUL_SHARE: Final = 0.1  # of a passage's characters may be read with less than its confidence


class Places:
    """Answers for the spans of one document."""

    def __init__(self, document: Document) -> None:
        self.pages = list(_with_their_headings(document))
        self.bounds = sorted(
            {0, len(document.text), *(page.start for page in self.pages)}.union(
                *((heading.start, heading.end) for heading in document.headings)
            )
        )
        self._document = document
        self._page_starts = [page.start for page in self.pages]
        self._heading_starts = [heading.start for heading in document.headings]
        self._region_starts = [region.start for region in document.regions]
        self._region_ends = [region.end for region in document.regions]
        self._paths = _heading_paths(document.headings)

    def page(self, offset: int) -> Page | None:
        above = bisect_right(self._page_starts, offset) - 1
        return self.pages[above] if above >= 0 and offset < self.pages[above].end else None

    def heading(self, offset: int) -> Heading | None:
        """Return the heading that `offset` stands below or in."""
        above = bisect_right(self._heading_starts, offset) - 1
        return self._document.headings[above] if above >= 0 else None

    def titles(self, offset: int) -> list[str]:
        """Return the titles above `offset`, outermost first."""
        above = bisect_right(self._heading_starts, offset) - 1
        return self._paths[above] if above >= 0 else []

    def fields(self, start: int, end: int) -> dict[str, Any]:
        """Return the fields of `Passage` that tell the place of a span."""
        page, regions = self.page(start), self._regions(start, end)
        later = self.pages[bisect_right(self._page_starts, start) : bisect_left(self._page_starts, end)]
        cells = _cell_range([region.cells for region in regions if region.cells])
        return {
            "page": page.number if page and page.number else None,
            "later_pages": tuple((each.number, each.start) for each in later if each.number),
            "unit": page.unit if page else "page",
            "part": page.part if page else "",
            "cells": f"{sheet}!{cells}" if cells and (sheet := self._sheet(page)) else cells,
            "regions": tuple(region for region in regions if region.box),
            "confidence": _confidence(regions),
        }

    def _regions(self, start: int, end: int) -> Sequence[Region]:
        first = bisect_right(self._region_ends, start)
        return self._document.regions[first : bisect_left(self._region_starts, end)]

    def _sheet(self, page: Page | None) -> str:
        """Return the name of a sheet, which is the first heading on it, as a formula writes it."""
        if page is None or page.unit != "sheet":
            return ""
        at = bisect_left(self._heading_starts, page.start)
        title = self._document.headings[at].title if at < len(self._heading_starts) else ""
        if not title or self._heading_starts[at] >= page.end:
            return ""
        return title if PLAIN_SHEET.fullmatch(title) else "'" + title.replace("'", "''") + "'"


def _with_their_headings(document: Document) -> Iterator[Page]:
    """Yield the pages, each from the heading right before it on: the name of a member or a sheet."""
    above = 0
    previous = Page(number=0, start=-1, end=0)
    for page in document.pages:
        while above < len(document.headings) and document.headings[above].end <= page.start:
            above += 1
        start = page.start
        for heading in reversed(document.headings[:above]):
            apart = heading.start >= previous.end or page.part != previous.part
            if not apart or heading.start <= previous.start or document.text[heading.end : start].strip():
                break
            start = heading.start
        previous = replace(page, start=start)
        yield previous


def _confidence(regions: Sequence[Region]) -> float | None:
    """Return what nine tenths of the characters were read with at least; None: none was read by OCR.

    One misread speck does not make a page doubtful, as the lowest would; a doubtful paragraph on a clear
    page is not hidden, as the mean would.
    """
    read = [each for each in regions if each.confidence is not None]
    lines = sorted((each.confidence or 0.0, each.end - each.start) for each in read)
    allowed = DOUBTFUL_SHARE * sum(size for _, size in lines)
    for confidence, size in lines:
        allowed -= size
        if allowed < 0:
            return confidence
    return None


def _cell_range(cells: Sequence[str]) -> str:
    """Return the cells from the first to the last of these ranges: "A2:C2", "A3:D3" -> "A2:D3"."""
    corners = [CORNER.fullmatch(corner) for each in cells for corner in each.split(":")]
    places = [(len(found[1]), found[1], int(found[2])) for found in corners if found]
    if not places:
        return ""
    columns, rows = [(size, letters) for size, letters, _ in places], [row for *_, row in places]
    first, last = f"{min(columns)[1]}{min(rows)}", f"{max(columns)[1]}{max(rows)}"
    return first if first == last else f"{first}:{last}"


def _heading_paths(headings: Sequence[Heading]) -> list[list[str]]:
    """Return for each heading the titles above it and its own, outermost first."""
    paths: list[list[str]] = []
    above: list[Heading] = []
    for heading in headings:
        while above and above[-1].level >= heading.level:
            above.pop()
        above.append(heading)
        paths.append(innermost([item.title[:MAX_PATH_TITLE] for item in above]))
    return paths


def innermost(titles: list[str]) -> list[str]:
    """Return as many of the titles, from the last one on, as make no longer a path than `MAX_PATH`."""
    while len(" > ".join(titles)) > MAX_PATH and len(titles) > 1:
        titles = titles[1:]
    return titles
