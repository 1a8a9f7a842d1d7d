"""Running titles: what stands at the edge of page after page is told from what is said on them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from rag.load.pages.pieces import Line

Place: TypeAlias = tuple[str, int]  # the text with its numbers masked, and how high it stands

NUMBERS: Final = re.compile(r"\d+")
ROMAN: Final = re.compile(r"[ivxlcdm]+", re.IGNORECASE)
EDGE: Final = 3  # lines at the top and at the bottom of a page that may be running titles
MARGIN: Final = 0.14  # part of a page's height in which they stand
REPEATED: Final = 0.6  # part of the pages, or of the odd or even ones, on which a running title stands
FEW_PAGES: Final = 3
RUN: Final = 4  # every second page in a row: the title of a chapter over its pages
MOST_DIGITS: Final = 18
UNSTEADY: Final = 0.3  # part of the pages on which a number may begin anew
LETTER: Final = re.compile(r"[^\W\d_]")
PAGE_WORDS: Final = re.compile(r"\b(?:page|pages|of|seite|von|pp?)\b|[第页頁共]", re.IGNORECASE)
COUNTED: Final = re.compile(  # what is counted itself
    r"\b(?:no|nr|number|invoice|lesson|unit|exercise|week|day|figure|table|question|problem|module|session"
    r"|lecture|case|order|receipt|certificate|test|task|step)\b\W{0,3}\d|第\s?\d+\s?[课单元讲周天号题次]",
    re.IGNORECASE,
)
STEP: Final = 6.0  # points by which its height may vary


def without_running_titles(pages: Sequence[Sequence[Line]], heights: Sequence[float]) -> list[list[Line]]:
    """Return the lines of each page without those that stand at its edge on most others too.

    A title that stands over the pages of one chapter alone is kept on the first of them. Lines alike but for
    their numbers are one title only where these run on with the pages: invoices and tables have others.
    """
    places = [_at_edges(lines, height) for lines, height in zip(pages, heights, strict=True)]
    found: dict[Place, list[int]] = defaultdict(list)
    for number, edge in enumerate(places):
        for place in set(edge.values()):
            found[place].append(number)
    texts = {
        (place, number): lines[at].text
        for number, (lines, edge) in enumerate(zip(pages, places, strict=True))
        for at, place in edge.items()
    }
    dropped = {
        place: _dropped(numbers, len(pages))
        for place, numbers in found.items()
        if _runs_on([(number, texts[place, number]) for number in numbers])
    }
    return [
        [line for at, line in enumerate(lines) if at not in edge or number not in dropped.get(edge[at], ())]
        for number, (lines, edge) in enumerate(zip(pages, places, strict=True))
    ]


def _at_edges(lines: Sequence[Line], height: float) -> dict[int, Place]:
    """Return the places of the lines at the edges, by their index."""
    heights = sorted({line.top for line in lines}, reverse=True)
    if len(heights) <= 1 and len(lines) <= 1 and not (lines and _is_number(lines[0].text)):
        return {}  # the only line of a page is what it says
    upper = {*heights[:EDGE]}
    lower = {*heights[-EDGE:]}
    return {
        at: (_masked(line.text), round(line.bottom / STEP))
        for at, line in enumerate(lines)
        if (line.top in upper and line.bottom > (1 - MARGIN) * height)
        or (line.top in lower and line.top < MARGIN * height)
    }


def _masked(text: str) -> str:
    return "#" if ROMAN.fullmatch(text.strip()) else NUMBERS.sub("#", text)


def _runs_on(title: Sequence[tuple[int, str]]) -> bool:
    """Tell whether the numbers in a line stay the same from page to page, or one at its edge grows with them.

    Now and then they may begin anew, as chapters do; "Lesson 1", "Lesson 2" are no page's number.
    """
    first = title[0][1].strip()
    if any(ROMAN.fullmatch(text.strip()) for _, text in title):
        return True
    may_grow = _may_be_pages(first)
    pages = [page for page, _ in title]
    columns = zip(
        *([int(found[:MOST_DIGITS]) for found in NUMBERS.findall(text)] for _, text in title), strict=True
    )
    return all(
        _is_steady(column) or (at in may_grow and _is_steady(_offsets(column, pages)))
        for at, column in enumerate(columns)
    )


def _may_be_pages(line: str) -> frozenset[int]:
    """Return which numbers of a line may be the page's: all of "Page 3 of 9", else one at its edge."""
    found = list(NUMBERS.finditer(line))
    if not LETTER.search(PAGE_WORDS.sub("", line)):
        return frozenset(range(len(found)))
    if COUNTED.search(line):
        return frozenset()
    edges = (
        (not LETTER.search(line[: found[0].start()]), not LETTER.search(line[found[-1].end() :]))
        if found
        else ()
    )
    return frozenset(at for at, is_edge in zip((0, len(found) - 1), edges, strict=False) if is_edge)


def _offsets(numbers: Sequence[int], pages: Sequence[int]) -> list[int]:
    return [number - page for number, page in zip(numbers, pages, strict=True)]


def _is_steady(numbers: Sequence[int]) -> bool:
    changes = sum(number != following for number, following in pairwise(numbers))
    return changes <= UNSTEADY * (len(numbers) - 1)


def _is_number(text: str) -> bool:
    return _masked(text).strip("-–— .") == "#"


def _dropped(numbers: Sequence[int], count: int) -> frozenset[int]:
    """Return the pages from which a line that stands on `numbers` of `count` pages is left out."""
    if len(numbers) < FEW_PAGES:
        return frozenset()
    odd = [number for number in numbers if number % 2]
    even = [number for number in numbers if not number % 2]
    if len(numbers) >= REPEATED * count:
        return frozenset(numbers)
    if any(len(side) >= max(FEW_PAGES, REPEATED * count / 2) for side in (odd, even)):
        return frozenset(numbers)
    return frozenset(number for run in _runs(numbers) if len(run) >= RUN for number in run[1:])


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Part the pages where more than one page lies between two."""
    runs = [[numbers[0]]]
    for number, following in pairwise(numbers):
        if following - number <= 2:  # noqa: PLR2004 - every second page
            runs[-1].append(following)
        else:
            runs.append([following])
    return runs
