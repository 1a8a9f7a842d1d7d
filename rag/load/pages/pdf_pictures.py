"""Which parts of a PDF page are pictures of text: pages whose text layer is missing or means nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from rag.load.pages.pdf_frame import Frame
from rag.load.pages.pdf_text import PageText
from rag.load.pages.pieces import Piece, Rectangle, around, on_page

DPI: Final = 200  # of a page that is read as a picture
MAX_PIXELS: Final = 12_000_000  # of it: a page of A3
POINTS: Final = 72  # an inch
UNKNOWN: Final = 0.3  # part of the characters without a meaning from which on a text layer is not believed
LARGE: Final = 0.02  # part of a page that a picture covers which may hold text
WHOLE: Final = 0.8  # part of a page from which on it is all picture
SIDE: Final = 40.0  # points
COVERED: Final = 0.02  # part of a picture that its text layer covers at least: it was read before
DRAWN: Final = 30  # shapes on a page without text: letters may be drawn as outlines
MAX_OBJECTS: Final = 20_000
MAX_DEPTH: Final = 4  # forms within forms
SAME: Final = 0.5  # part of a recognized line that a line of the text layer covers: it is the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What of a page is to be read as a picture."""

    parts: tuple[Rectangle, ...] = ()  # in points, as displayed
    keeps_text: bool = True  # the text layer is read as well
    is_drawing: bool = False  # it shows lines and shapes alone


def need_of(page: pypdfium2.PdfPage, frame: Frame, text: PageText, *, is_doubtful: bool = False) -> Need:
    """Tell which parts of a page must be read as pictures; none of a page that its text layer tells whole."""
    whole = (0.0, 0.0, frame.width, frame.height)
    if text.characters and (is_doubtful or text.unknown > UNKNOWN * text.characters):
        return Need(parts=(whole,), keeps_text=False)
    pictures, shapes = _drawn(page, frame)
    if not text.pieces:
        read = pictures or shapes >= DRAWN
        return Need(parts=(whole,) if read else (), is_drawing=not read and shapes > 0)
    area = frame.width * frame.height
    large = [
        box
        for box in pictures
        if _area(box) > LARGE * area
        and min(box[2] - box[0], box[3] - box[1]) > SIDE
        and _covered(box, text.pieces) < COVERED
    ]
    if any(_area(box) > WHOLE * area for box in large):
        return Need(parts=(whole,))
    return Need(parts=tuple(_apart(large)))


def picture_of(page: pypdfium2.PdfPage, frame: Frame, part: Rectangle) -> tuple[Image.Image, float]:
    """Draw a part of a page; the second value is how many pixels a point takes."""
    left, bottom, right, top = part
    scale = DPI / POINTS
    scale = min(scale, math.sqrt(MAX_PIXELS / max(1.0, (right - left) * (top - bottom))))
    crop = (left, bottom, frame.width - right, frame.height - top)
    bitmap = page.render(scale=scale, crop=crop, may_draw_forms=False, rev_byteorder=True)
    try:
        return bitmap.to_pil().convert("RGB"), scale
    finally:
        bitmap.close()


def unknown_to(pieces: Sequence[Piece], known: Sequence[Piece]) -> list[Piece]:
    """Return the recognized pieces that do not repeat what stands at their place in the text layer."""
    boxes = [on_page(piece) for piece in known]
    return [
        piece
        for piece in pieces
        if sum(_overlap(on_page(piece), box) for box in boxes) < SAME * _area(on_page(piece))
    ]


def _drawn(page: pypdfium2.PdfPage, frame: Frame) -> tuple[list[Rectangle], int]:
    """Return the places of a page's pictures, and how many shapes are drawn on it."""
    boxes: list[Rectangle] = []
    shapes = 0
    for item in islice(page.get_objects(max_depth=1), MAX_OBJECTS):
        shapes += item.type == pdfium.FPDF_PAGEOBJ_PATH
        if item.type == pdfium.FPDF_PAGEOBJ_IMAGE or (
            item.type == pdfium.FPDF_PAGEOBJ_FORM and _holds_picture(item.raw, MAX_DEPTH)
        ):
            box = frame.inside(frame.shown(item.get_bounds()))
            if _area(box) > 0:
                boxes.append(box)
    return boxes, shapes


def _holds_picture(form: object, depth: int) -> bool:
    for at in range(min(pdfium.FPDFFormObj_CountObjects(form), MAX_OBJECTS)):
        item = pdfium.FPDFFormObj_GetObject(form, at)
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            return True
        if kind == pdfium.FPDF_PAGEOBJ_FORM and depth and _holds_picture(item, depth - 1):
            return True
    return False


def _apart(boxes: Sequence[Rectangle]) -> list[Rectangle]:
    """Return boxes that hold all these and do not overlap: a picture may be cut in strips."""
    apart: list[Rectangle] = []
    for box in boxes:
        whole = box
        while any(_overlap(whole, other) for other in apart):
            touched = [other for other in apart if _overlap(whole, other)]
            apart = [other for other in apart if other not in touched]
            whole = around([whole, *touched])
        apart.append(whole)
    return apart


def _covered(box: Rectangle, pieces: Sequence[Piece]) -> float:
    return sum(_overlap(on_page(piece), box) for piece in pieces) / max(1.0, _area(box))


def _overlap(box: Rectangle, other: Rectangle) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _area(box: Rectangle) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
