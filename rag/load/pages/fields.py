"""Which fields between the rules of a grid are one, since no rule parts them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Flags: TypeAlias = NDArray[np.bool_]
Labels: TypeAlias = NDArray[np.int_]  # (rows, columns)

OPEN: Final = 0  # the label of what no rule ends


def labelled(walls: Flags, lines: Flags) -> Labels:
    """Return the number of each field: the same where no rule parts them, `OPEN` where none ends them.

    Args:
        walls: whether a rule lies above each field; one row more than there are fields.
        lines: whether a rule stands left of each field; one column more.
    """
    rows, columns = walls.shape[0] - 1, walls.shape[1]
    labels = np.full((rows, columns), -1)
    areas: dict[int, _Area] = {}
    for row, column in product(range(rows), range(columns)):
        if labels[row, column] < 0:
            label = len(areas) + 1
            areas[label] = _flooded(labels, label, (row, column), walls, lines)
    _make_rectangles(labels, areas)
    labels[np.isin(labels, [label for label, area in areas.items() if area.is_open])] = OPEN
    return labels


@dataclass(slots=True)
class _Area:
    """Fields that no rule parts."""

    top: int
    left: int
    bottom: int  # the first row below
    right: int
    count: int = 0
    is_open: bool = False  # towards what lies around the grid

    @property
    def rows(self) -> int:
        return self.bottom - self.top

    @property
    def columns(self) -> int:
        return self.right - self.left

    def take(self, other: _Area) -> None:
        self.top, self.left = min(self.top, other.top), min(self.left, other.left)
        self.bottom, self.right = max(self.bottom, other.bottom), max(self.right, other.right)
        self.count += other.count
        self.is_open |= other.is_open


def _flooded(labels: Labels, label: int, start: tuple[int, int], walls: Flags, lines: Flags) -> _Area:
    area = _Area(*start, *start)
    labels[start] = label
    todo = [start]
    while todo:
        row, column = todo.pop()
        area.take(_Area(row, column, row + 1, column + 1, count=1))
        for free, field in (
            (not walls[row, column], (row - 1, column)),
            (not walls[row + 1, column], (row + 1, column)),
            (not lines[row, column], (row, column - 1)),
            (not lines[row, column + 1], (row, column + 1)),
        ):
            if not free:
                continue
            if not (0 <= field[0] < labels.shape[0] and 0 <= field[1] < labels.shape[1]):
                area.is_open = True
            elif labels[field] < 0:
                labels[field] = label
                todo.append(field)
    return area


def _make_rectangles(labels: Labels, areas: dict[int, _Area]) -> None:
    """Give each area what lies in its corners: the boxes to tick in a field of a form are its own."""
    for label in list(areas):
        area = areas.get(label)
        while area and not area.is_open and area.count < area.rows * area.columns:
            within = labels[area.top : area.bottom, area.left : area.right]
            for other in set(np.unique(within).tolist()) - {label}:
                area.take(areas.pop(other))
                labels[labels == other] = label
