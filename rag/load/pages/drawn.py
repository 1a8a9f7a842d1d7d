"""Pages of a PDF or an image as a picture, some of their lines marked as with a pen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageChops, ImageDraw

from rag.datatypes import Box
from rag.errors import LoadError
from rag.load.archives.tarball import unpack
from rag.load.detect import detect
from rag.load.pages.image import picture
from rag.load.pages.pdf import open_pdf
from rag.load.source import Source

PIXELS: Final = 2_000_000  # of a page, at most
MOST_PAGES: Final = 3  # of a picture, one below the other
BETWEEN: Final = 12  # pixels
GREY: Final = (150, 150, 150)
SHARPEST: Final = 3.0  # pixels a point
PEN: Final = (255, 228, 110)
AROUND: Final = 0.15  # of a line's height, which the pen is wider


def draw(source: Source, boxes: Sequence[Box]) -> bytes:
    """Return the pages of the boxes as PNG, in order and at most three of them, the boxes marked.

    Raises:
        LoadError: when the file has no such page, is damaged, encrypted, or neither PDF nor image.
    """
    while (kind := detect(source.data, source.name)) == "packed":
        source, _ = unpack(source)
    if kind not in {"pdf", "image"}:
        raise LoadError("only pages of PDF files and images can be shown")
    pages: list[Image.Image] = []
    for number in sorted({box.page for box in boxes})[:MOST_PAGES]:
        page, scale = (_of_pdf if kind == "pdf" else _of_image)(source, number)
        pages.append(_marked(page, [box for box in boxes if box.page == number], scale))
    written = io.BytesIO()
    _below_one_another(pages).save(written, "PNG")
    return written.getvalue()


def _below_one_another(pages: Sequence[Image.Image]) -> Image.Image:
    if len(pages) == 1:
        return pages[0]
    height = sum(page.height for page in pages) + BETWEEN * (len(pages) - 1)
    whole, top = Image.new("RGB", (max(page.width for page in pages), height), GREY), 0
    for page in pages:
        whole.paste(page, (0, top))
        top += page.height + BETWEEN
    return whole


def _of_pdf(source: Source, number: int) -> tuple[Image.Image, float]:
    """Return a page and how many pixels a point is."""
    document = open_pdf(source)
    document.init_forms()
    if not 0 < number <= len(document):
        raise LoadError(f"it has no page {number}")
    page = document[number - 1]
    width, height = page.get_size()
    scale = min((PIXELS / max(width * height, 1)) ** 0.5, SHARPEST)
    return page.render(scale=scale).to_pil().convert("RGB"), scale


def _of_image(source: Source, number: int) -> tuple[Image.Image, float]:
    whole = picture(source.data, number)
    scale = min((PIXELS / (whole.width * whole.height)) ** 0.5, 1.0)
    size = (max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
    return whole.resize(size, Image.Resampling.LANCZOS), scale


def _marked(page: Image.Image, boxes: Sequence[Box], scale: float) -> Image.Image:
    """Darken the page by the pen: what is black stays so. Boxes are from the lower left."""
    pen = Image.new("RGB", page.size, "white")
    draws = ImageDraw.Draw(pen)
    for box in boxes:
        more = AROUND * (box.top - box.bottom)
        across = sorted(_on(page.width, each * scale) for each in (box.left - more, box.right + more))
        up = sorted(_on(page.height, each * scale) for each in (box.bottom - more, box.top + more))
        draws.rectangle((across[0], page.height - up[1], across[1], page.height - up[0]), fill=PEN)
    return ImageChops.multiply(page, pen)


def _on(size: int, place: float) -> float:
    return min(max(place, 0.0), float(size))
