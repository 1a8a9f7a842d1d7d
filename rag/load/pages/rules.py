"""Straight lines drawn on a page -> the grids of cells that they rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from rag.load.pages.fields import OPEN, Flags, Labels, labelled
from rag.load.pages.pieces import Rectangle, turned

Owners: TypeAlias = "tuple[tuple[Cell | None, ...], ...]"  # by row and column

NEAR: Final = 2.5  # points by which lines that belong together may miss each other
SHORTEST: Final = 5.0  # points; shorter lines are dots and corners
FEWEST: Final = 2  # columns of a grid, and rules in each direction
MOST_OPEN: Final = 0.3  # part of a grid that lies in no field: more shows boxes and what links them
MAX_RULES: Final = 1_000  # in each direction; a page of more is a drawing
MAX_CELLS: Final = 20_000


class Rule(NamedTuple):
    """A line across the page at a height, or up the page at a distance from its left edge."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A field between rules; it may take several rows and columns of its grid."""

    row: int  # of its upper left, 0 is the uppermost
    column: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Grid:
    """Fields between rules; their sides, from left to right and from top to bottom."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    owners: Owners

    @cached_property
    def _heights(self) -> list[float]:
        return [-y for y in self.ys]

    def cell_at(self, x: float, y: float) -> Cell | None:
        row, column = bisect_right(self._heights, -y) - 1, bisect_right(self.xs, x) - 1
        if 0 <= row < len(self.owners) and 0 <= column < len(self.owners[0]):
            return self.owners[row][column]
        return None


class Ruling:
    """The grids of one page, for text that is turned as it may be."""

    def __init__(self, edges: Sequence[Rectangle]) -> None:
        """`edges` are the lines drawn on the page, each as the box of its ends."""
        self._edges = edges
        self._grids: dict[int, list[Grid]] = {}

    def grids(self, turn: int) -> list[Grid]:
        """Return the grids in the frame of text that is turned clockwise by `turn` quarters."""
        if turn not in self._grids:
            self._grids[turn] = list(_grids([turned(edge, turn) for edge in self._edges]))
        return self._grids[turn]

    def parts(self, turn: int, box: Rectangle, other: Rectangle) -> bool:
        """Say whether a rule stands between two boxes."""
        grids = self.grids(turn)
        if not grids:
            return False
        (x, y), (next_x, next_y) = _middle(box), _middle(other)
        return any(grid.cell_at(x, y) is not grid.cell_at(next_x, next_y) for grid in grids)


def _middle(box: Rectangle) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _grids(edges: Sequence[Rectangle]) -> Iterator[Grid]:
    across = _whole(
        Rule((bottom + top) / 2, left, right)
        for left, bottom, right, top in edges
        if _lies(left, bottom, right, top)
    )
    upright = _whole(
        Rule((left + right) / 2, bottom, top)
        for left, bottom, right, top in edges
        if _stands(left, bottom, right, top)
    )
    if not (FEWEST <= len(across) <= MAX_RULES and 1 <= len(upright) <= MAX_RULES):
        return
    for rows, columns in _touching(across, upright):
        grid = _grid(rows, _with_sides(rows, columns))
        if grid is not None:
            yield grid


def _lies(left: float, bottom: float, right: float, top: float) -> bool:
    return top - bottom < 1 <= right - left


def _stands(left: float, bottom: float, right: float, top: float) -> bool:
    return right - left < 1 <= top - bottom


def _whole(rules: Iterator[Rule]) -> list[Rule]:
    """Put the parts of each line together, and lines that all but lie on each other."""
    ordered = sorted(rules)
    whole: list[Rule] = []
    first = 0
    for at in range(1, len(ordered) + 1):
        if at == len(ordered) or ordered[at].at - ordered[at - 1].at > NEAR:
            group = ordered[first:at]
            middle = (group[0].at + group[-1].at) / 2
            whole += (Rule(middle, start, end) for start, end in _joined(group))
            first = at
    return [rule for rule in whole if rule.end - rule.start >= SHORTEST]


def _joined(rules: Sequence[Rule]) -> Iterator[tuple[float, float]]:
    start, end = float("inf"), float("-inf")
    for rule in sorted(rules, key=lambda rule: rule.start):
        if rule.start > end + NEAR:
            if start <= end:
                yield start, end
            start = rule.start
        end = max(end, rule.end)
    yield start, end


def _touching(across: Sequence[Rule], upright: Sequence[Rule]) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Yield the sets of rules that meet each other."""
    rows, columns = np.array(across), np.array(upright).T[:, None]
    y, left, right = rows[:, :1], rows[:, 1:2] - NEAR, rows[:, 2:] + NEAR
    x, bottom, top = columns[0], columns[1] - NEAR, columns[2] + NEAR
    meets = (left <= x) & (x <= right) & (bottom <= y) & (y <= top)
    todo = meets.any(axis=1)
    while todo.any():
        chosen = np.zeros(len(across), bool)
        chosen[int(todo.argmax())] = True
        met = meets[chosen].any(axis=0)
        while (more := meets[:, met].any(axis=1)).sum() > chosen.sum():
            chosen, met = more, meets[more].any(axis=0)
        todo &= ~chosen
        yield (
            [across[at] for at in np.flatnonzero(chosen).tolist()],
            [upright[at] for at in np.flatnonzero(met).tolist()],
        )


def _with_sides(across: Sequence[Rule], upright: Sequence[Rule]) -> list[Rule]:
    """Return the upright rules with those that a table open at its sides leaves out."""
    lowest, highest = across[0], across[-1]
    sides = []
    for end in ("start", "end"):
        side, other = getattr(lowest, end), getattr(highest, end)
        if abs(side - other) <= NEAR and all(abs(rule.at - side) > NEAR for rule in upright):
            sides.append(Rule(side, lowest.at, highest.at))
    return [*upright, *sides]


def _grid(across: Sequence[Rule], upright: Sequence[Rule]) -> Grid | None:
    """Return the grid that rules make; None when it has but one column, or shows a drawing."""
    ys = sorted({rule.at for rule in across}, reverse=True)
    xs = sorted({rule.at for rule in upright})
    if min(len(ys), len(xs)) < FEWEST or len(ys) * len(xs) > MAX_CELLS:
        return None
    lines = _covered([Rule(rule.at, -rule.end, -rule.start) for rule in upright], xs, [-y for y in ys])
    walls = _covered(across, ys, xs)
    labels = labelled(walls, lines.T)
    fields = np.outer(-np.diff(ys), np.diff(xs))
    if fields[labels == OPEN].sum() > MOST_OPEN * fields.sum():
        return None
    rows, columns = _changes(labels), _changes(labels.T)
    if len(columns) < FEWEST:
        return None
    return Grid(
        xs=(*(xs[at] for at in columns), xs[-1]),
        ys=(*(ys[at] for at in rows), ys[-1]),
        owners=_owners(labels[np.ix_(rows, columns)]),
    )


def _changes(labels: Labels) -> list[int]:
    """Return the rows that are not as the one above: a box within a field parts none."""
    return [0, *(at for at in range(1, len(labels)) if (labels[at] != labels[at - 1]).any())]


def _owners(labels: Labels) -> Owners:
    cells: dict[int, Cell | None] = {OPEN: None}
    for label in set(labels.ravel().tolist()) - {OPEN}:
        rows, columns = np.nonzero(labels == label)
        top, left = int(rows[0]), int(columns.min())
        cells[label] = Cell(
            row=top, column=left, rows=int(rows[-1]) - top + 1, columns=int(columns.max()) - left + 1
        )
    return tuple(tuple(cells[int(label)] for label in row) for row in labels)


def _covered(rules: Sequence[Rule], places: Sequence[float], steps: Sequence[float]) -> Flags:
    """Return for each place of a rule, and each step along it, whether a rule runs there."""
    index = {place: at for at, place in enumerate(places)}
    starts, ends = np.array(steps[:-1]), np.array(steps[1:])
    covered = np.zeros((len(places), len(steps) - 1), bool)
    for rule in rules:
        covered[index[rule.at]] |= (rule.start <= starts + NEAR) & (ends - NEAR <= rule.end)
    return covered
