"""A picture -> the lines written in it with their places: turned, upside down, crooked or very long too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from PIL import Image

from rag.load.pages.crops import crop_of, is_tall, laid_out, parted, size_of, turned_crop
from rag.load.pages.ocr import Engine, Pixels, Quad, Recognized
from rag.load.pages.pieces import Piece, Rectangle

MARGIN: Final = 16  # pixels of plain border: letters at the very edge are not found
SAMPLE: Final = 3  # of the longest lines that show which way is up
MOSTLY: Final = 0.6
SURE: Final = 0.85  # confidence from which on a line is read the right way round
CERTAIN: Final = 0.93  # mean confidence from which on no other way is tried
NOISE: Final = 0.35  # confidence below which a line is no text
DOUBTFUL: Final = 0.6  # confidence below which a line without a word is no text
LONG: Final = 2.2  # times longer than wide: a picture that is read in parts
PART: Final = 1.4  # widths a part is high
TALLEST: Final = 2000  # pixels up to which a picture is read at once
INSET: Final = 0.1  # of a line's height: the margin is an eighth
FONT_HEIGHT: Final = 1.2  # times the height of what is drawn of a line
CROOKED: Final = 0.005  # radians, 0.3 degrees


@dataclass(frozen=True, slots=True)
class _Way:
    """How the lines of a picture run."""

    turn: int  # quarters clockwise
    is_downwards: bool = False  # upright characters, one below the other


def pieces_in(picture: Image.Image, engine: Engine) -> list[Piece]:
    """Return the lines in a picture in pixels from its lower left, in no order."""
    pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
    return [
        piece
        for top, bottom in _parts(pixels)
        for piece in _read(pixels[top:bottom], engine, len(pixels) - bottom)
    ]


def _parts(pixels: Pixels) -> Iterator[tuple[int, int]]:
    """Yield the rows of the parts of a very long picture, cut where the rows are plainest."""
    height, width = pixels.shape[:2]
    step = max(round(PART * width), TALLEST // 2)
    start = 0
    if height > LONG * width and height > TALLEST:
        while height - start > 1.3 * step:
            first = start + step * 3 // 4
            cut = first + int(pixels[first : start + step, :, 1].std(axis=1).argmin())
            yield start, cut
            start = cut
    yield start, height


def _read(pixels: Pixels, engine: Engine, lift: int) -> list[Piece]:
    padded = np.pad(pixels, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
    quads = engine.find(padded)
    if not quads:
        return []
    way = _way(padded, quads, engine)
    whole = [_upright(quad, way.turn) for quad in quads]
    upright = [part for quad in whole for part in parted(quad, crop_of(padded, quad))]
    said = _recognized([crop_of(padded, quad) for quad in upright], way, engine)
    origin = np.array([MARGIN, len(padded) - MARGIN + lift], np.float32)
    places = [(quad - origin) * np.array([1, -1], np.float32) for quad in upright]
    slope = _slope([_turned(place, way.turn) for place in places])
    return [
        _piece(place, each, (way.turn + extra) % 4, slope if extra == 0 else 0.0)
        for place, (each, extra) in zip(places, said, strict=True)
        if _is_text(each)
    ]


def _way(pixels: Pixels, quads: Sequence[Quad], engine: Engine) -> _Way:
    sizes = [size_of(quad) for quad in quads]
    tall = sum(height for width, height in sizes if is_tall(width, height))
    longest = sorted(quads, key=lambda quad: -max(size_of(quad)))[:SAMPLE]
    crops = [crop_of(pixels, quad) for quad in longest]
    ways = (1, 3) if tall > MOSTLY * sum(max(size) for size in sizes) else (0, 2)
    surest, best = 0.0, ways[0]
    for turn in ways:
        confidence = _confidence(crops, turn, engine)
        if confidence > surest:
            surest, best = confidence, turn
        if surest >= CERTAIN * len(crops):
            return _Way(best)
    if ways == (1, 3) and surest < SURE * len(crops):
        downwards = sum(each.confidence for each in engine.recognize([laid_out(crop) for crop in crops]))
        if downwards > surest:
            return _Way(0, is_downwards=True)
    return _Way(best)


def _confidence(crops: Sequence[Pixels], turn: int, engine: Engine) -> float:
    said = engine.recognize([turned_crop(crop, turn) for crop in crops])
    return sum(each.confidence * bool(each.text) for each in said)


def _upright(quad: Quad, turn: int) -> Quad:
    """Return a quad whose first corner is where the upper left of its text is."""
    read = _turned(quad * np.array([1, -1], np.float32), turn)
    return np.roll(quad, -int((read[:, 0] - read[:, 1]).argmin()), axis=0)


def _turned(points: Quad, turn: int) -> Quad:
    """Return points, their origin at the lower left, in the frame of text that is turned clockwise."""
    x, y = points[:, 0], points[:, 1]
    return np.stack(((x, y), (-y, x), (-x, -y), (y, -x))[turn], axis=1).astype(np.float32)


def _recognized(crops: list[Pixels], way: _Way, engine: Engine) -> list[tuple[Recognized, int]]:
    """Return what each line says, and by how many quarters more than the others it is turned."""
    if way.is_downwards:
        down = [_stands(crop) for crop in crops]
        laid = [laid_out(crop) if stands else crop for crop, stands in zip(crops, down, strict=True)]
        return [(each, int(stands)) for each, stands in zip(engine.recognize(laid), down, strict=True)]
    said = [(each, 0) for each in engine.recognize(crops)]
    for turn in (1, 2, 3):
        again = [
            at
            for at, (each, _) in enumerate(said)
            if each.confidence < SURE and _stands(crops[at]) == (turn % 2 == 1)
        ]
        read = engine.recognize([turned_crop(crops[at], turn) for at in again])
        said = _better(said, again, read, turn)
    tall = [at for at, (each, _) in enumerate(said) if each.confidence < SURE and _stands(crops[at])]
    return _better(said, tall, engine.recognize([laid_out(crops[at]) for at in tall]), 1)


def _better(
    said: list[tuple[Recognized, int]], again: Sequence[int], read: Sequence[Recognized], turn: int
) -> list[tuple[Recognized, int]]:
    """Return what the lines say with those lines of which a second reading is surer."""
    better = list(said)
    for at, each in zip(again, read, strict=True):
        if each.confidence > said[at][0].confidence and len(each.text) > 1:
            better[at] = (each, turn)
    return better


def _stands(crop: Pixels) -> bool:
    return is_tall(crop.shape[1], crop.shape[0])


def _slope(places: Sequence[Quad]) -> float:
    """Return by how much the lines rise to the right, in radians; 0 for a straight picture."""
    long = [place for place in places if size_of(place)[0] > 5 * size_of(place)[1]]
    if not long:
        return 0.0
    slope = median(math.atan2(place[1][1] - place[0][1], place[1][0] - place[0][0]) for place in long)
    return slope if abs(slope) > CROOKED else 0.0


def _is_text(said: Recognized) -> bool:
    if not said.text or said.confidence < NOISE:
        return False
    return said.confidence >= DOUBTFUL or sum(char.isalnum() for char in said.text) > len(said.text) / 2


def _piece(place: Quad, said: Recognized, turn: int, slope: float) -> Piece:
    """Return a line with its box as if the picture were straight, and the one that it truly takes."""
    read = _turned(place, turn)
    if slope:
        cosine, sine = math.cos(slope), math.sin(slope)
        read = read @ np.array([[cosine, -sine], [sine, cosine]], np.float32)
    left, bottom, right, top = _tight(_bounds(read))
    return Piece(
        text=said.text,
        left=left,
        bottom=bottom,
        right=right,
        top=top,
        size=max(1.0, FONT_HEIGHT * (top - bottom)),
        confidence=said.confidence,
        turn=turn,
        place=_tight(_bounds(place)) if slope else None,
    )


def _tight(box: Rectangle) -> Rectangle:
    """Return a box without the margin that the engine lays around each line."""
    left, bottom, right, top = box
    inset = INSET * min(right - left, top - bottom)
    return left + inset, bottom + inset, right - inset, top - inset


def _bounds(points: Quad) -> Rectangle:
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    return float(left), float(bottom), float(right), float(top)
