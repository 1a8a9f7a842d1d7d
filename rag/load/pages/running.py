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
STEP: Final = 6.0  # points by which its height may vary


def without_running_titles(pages: Sequence[Sequence[Line]], heights: Sequence[float]) -> list[list[Line]]:
    """Return the lines of each page without those that stand at its edge on most others too.

    A title that stands over the pages of one chapter alone is kept on the first of them.
    """
    places = [_at_edges(lines, height) for lines, height in zip(pages, heights, strict=True)]
    found: dict[Place, list[int]] = defaultdict(list)
    for number, edge in enumerate(places):
        for place in set(edge.values()):
            found[place].append(number)
    dropped = {place: _dropped(numbers, len(pages)) for place, numbers in found.items()}
    return [
        [line for at, line in enumerate(lines) if at not in edge or number not in dropped[edge[at]]]
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
