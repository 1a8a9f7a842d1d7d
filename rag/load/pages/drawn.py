"""A page of a PDF or an image as a picture, some of its lines marked as with a pen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageChops, ImageDraw

from rag.datatypes import Box
from rag.errors import LoadError
from rag.load.content import ContentBuilder
from rag.load.detect import detect
from rag.load.source import Source

PIXELS: Final = 2_000_000  # of a picture, at most
SHARPEST: Final = 3.0  # pixels a point
PEN: Final = (255, 228, 110)
AROUND: Final = 0.15  # of a line's height, which the pen is wider


def draw(source: Source, boxes: Sequence[Box]) -> bytes:
    """Return the page of the first box as PNG, the boxes that are on it marked.

    Raises:
        LoadError: when the file has no such page, is damaged, encrypted, or neither PDF nor image.
    """
    number = boxes[0].page
    kind = detect(source.data, source.name)
    if kind not in {"pdf", "image"}:
        raise LoadError("only pages of PDF files and images can be shown")
    picture, scale = (_of_pdf if kind == "pdf" else _of_image)(source, number)
    marked = _marked(picture, [box for box in boxes if box.page == number], scale)
    written = io.BytesIO()
    marked.save(written, "PNG")
    return written.getvalue()


def _of_pdf(source: Source, number: int) -> tuple[Image.Image, float]:
    """Return a page and how many pixels a point is."""
    from rag.load.pages.pdf import open_pdf

    document = open_pdf(source)
    document.init_forms()
    if not 0 < number <= len(document):
        raise LoadError(f"it has no page {number}")
    page = document[number - 1]
    width, height = page.get_size()
    scale = min((PIXELS / max(width * height, 1)) ** 0.5, SHARPEST)
    return page.render(scale=scale).to_pil().convert("RGB"), scale


def _of_image(source: Source, number: int) -> tuple[Image.Image, float]:
    from rag.load.pages.image import pictures

    found = (picture for at, _, picture in pictures(source.data, ContentBuilder()) if at == number)
    picture = next(found, None)
    if picture is None:
        raise LoadError(f"it has no page {number}")
    scale = min((PIXELS / (picture.width * picture.height)) ** 0.5, 1.0)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS), scale


def _marked(picture: Image.Image, boxes: Sequence[Box], scale: float) -> Image.Image:
    """Darken the picture by the pen: what is black stays so. Boxes are from the lower left."""
    pen = Image.new("RGB", picture.size, "white")
    draws = ImageDraw.Draw(pen)
    for box in boxes:
        more = AROUND * (box.top - box.bottom)
        left, right = (box.left - more) * scale, (box.right + more) * scale
        top, bottom = (picture.height - (each * scale) for each in (box.top + more, box.bottom - more))
        draws.rectangle((left, top, max(left, right), max(top, bottom)), fill=PEN)
    return ImageChops.multiply(picture, pen)
