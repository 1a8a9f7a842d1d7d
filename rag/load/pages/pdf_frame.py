"""A PDF page as it is displayed: its size, and where a place of the file's own coordinates stands on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import pypdfium2

from rag.load.pages.pieces import QUARTER, Rectangle, turned


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The part of a page that is shown (its CropBox within its MediaBox), turned as it is shown."""

    turn: int  # quarters clockwise
    left: float  # of the turned box, in points
    bottom: float
    width: float
    height: float

    @classmethod
    def of(cls, page: pypdfium2.PdfPage) -> Self:
        turn = page.get_rotation() // QUARTER % 4
        left, bottom, right, top = turned(page.get_bbox(), -turn % 4)
        return cls(turn=turn, left=left, bottom=bottom, width=right - left, height=top - bottom)

    def shown(self, box: Rectangle) -> Rectangle:
        """Return a box of the file's coordinates in points from the lower left of the page as displayed."""
        left, bottom, right, top = turned(box, -self.turn % 4) if self.turn else box
        return left - self.left, bottom - self.bottom, right - self.left, top - self.bottom

    def inside(self, box: Rectangle) -> Rectangle:
        """Return the part of a displayed box that lies on the page; it may be empty."""
        left, bottom, right, top = box
        left, right = max(0.0, left), min(self.width, right)
        bottom, top = max(0.0, bottom), min(self.height, top)
        return left, bottom, max(left, right), max(bottom, top)
