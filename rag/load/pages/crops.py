"""Lines cut out of a picture and set upright for recognition."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from rag.load.pages.ocr import Pixels, Quad

TALL: Final = 1.5  # times higher than wide: a line that is turned, or written downwards
BREATH: Final = 0.06  # of a line's height, kept around it
LONG: Final = 4  # heights: a shorter line holds no gap
PLAIN: Final = 0.25  # part of a line's contrast that paper shows at most
GAP: Final = 0.8  # of a line's height; spaces of justified text are narrower
MARGIN: Final = 0.1  # of a line's height that is left around each part
SMALL_CUT: Final = 0.25  # of a character's height by which the cut below it may move


def size_of(quad: Quad) -> tuple[float, float]:
    """Return the width and height of a quad, seen from its first corner."""
    width = max(math.dist(quad[0], quad[1]), math.dist(quad[3], quad[2]))
    return max(1.0, width), max(1.0, math.dist(quad[0], quad[3]), math.dist(quad[1], quad[2]))


def is_tall(width: float, height: float) -> bool:
    return height > TALL * width


def crop_of(pixels: Pixels, quad: Quad) -> Pixels:
    """Return the picture of one line, set straight, its first corner at the upper left."""
    import cv2

    width, height = size_of(quad)
    breath = BREATH * min(width, height)
    straight = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) + breath
    size = (math.ceil(width + 2 * breath), math.ceil(height + 2 * breath))
    matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(quad, np.float32), straight)
    crop: Pixels = cv2.warpPerspective(
        pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return crop


def parted(quad: Quad, crop: Pixels) -> list[Quad]:
    """Cut a line where nothing is written for as wide as it is high: columns and cells found as one."""
    height, width = crop.shape[:2]
    if width < LONG * height:
        return [quad]
    grey = crop[:, :, 1].astype(np.int16)
    contrast = int(grey.max()) - int(grey.min())
    blank = np.ptp(grey, axis=0) < PLAIN * contrast
    edges = np.flatnonzero(np.diff(np.concatenate(([0], blank.view(np.int8), [0]))))
    gaps = [
        (int(start), int(end))
        for start, end in edges.reshape(-1, 2)
        if end - start > GAP * height and start > 0 and end < width
    ]
    margin = MARGIN * height
    cuts = [0.0, *(side for start, end in gaps for side in (start + margin, end - margin)), float(width)]
    sides = zip(cuts[::2], cuts[1::2], strict=True)
    return [_part(quad, left / width, right / width) for left, right in sides]


def _part(quad: Quad, left: float, right: float) -> Quad:
    upper, lower = quad[1] - quad[0], quad[2] - quad[3]
    ends = ((quad[0], left, upper), (quad[0], right, upper), (quad[3], right, lower), (quad[3], left, lower))
    corners = [corner + part * side for corner, part, side in ends]
    return np.stack(corners).astype(np.float32)


def turned_crop(crop: Pixels, turn: int) -> Pixels:
    """Set a crop upright whose text is turned clockwise by `turn` quarters."""
    return np.ascontiguousarray(np.rot90(crop, turn))


def laid_out(crop: Pixels) -> Pixels:
    """Return a column of upright characters as a line from left to right, cut where its rows are plainest."""
    height, width = crop.shape[:2]
    count = max(1, round(height / width))
    step, slack = height / count, max(1, round(SMALL_CUT * height / count))
    ink = crop.std(axis=(1, 2))
    cuts = [0]
    for at in range(1, count):
        first = max(cuts[-1] + 1, round(at * step) - slack)
        window = ink[first : round(at * step) + slack]
        cuts.append(first + int(window.argmin()) if len(window) else first)
    cells = [crop[top:bottom] for top, bottom in zip(cuts, [*cuts[1:], height], strict=True)]
    tallest = max(len(cell) for cell in cells)
    padded = [np.pad(cell, ((0, tallest - len(cell)), (0, 0), (0, 0)), mode="edge") for cell in cells]
    return np.ascontiguousarray(np.concatenate(padded, axis=1))
