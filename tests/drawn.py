"""Pages of text drawn for real: as PDF with a standard font, and as pictures as a scanner makes them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tests.minimal_pdf import Placed

CHINESE_FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
A4 = (595.0, 842.0)


def drawn_pdf(
    lines: Sequence[Placed],
    *,
    size: float = 12.0,
    turn: int = 0,
    crop: tuple[float, float, float, float] | None = None,
    picture: tuple[Image.Image, float, float, float] | None = None,
) -> bytes:
    """Return a page of lines in Helvetica; `picture` is an image, where its lower left is, and its width."""
    document = pypdfium2.PdfDocument.new()
    page = document.new_page(*A4)
    for x, y, text, *_ in lines:
        item = pdfium.FPDFPageObj_NewTextObj(document.raw, b"Helvetica", size)
        encoded = (text + "\0").encode("utf-16-le")
        pdfium.FPDFText_SetText(item, (pdfium.c_ushort * (len(encoded) // 2)).from_buffer_copy(encoded))
        pdfium.FPDFPageObj_Transform(item, 1, 0, 0, 1, x, y)
        pdfium.FPDFPage_InsertObject(page.raw, item)
    if picture is not None:
        _insert(document, page, picture)
    page.gen_content()
    if crop is not None:
        page.set_cropbox(*crop)
    page.set_rotation(90 * turn)
    return saved(document)


def _insert(
    document: pypdfium2.PdfDocument,
    page: pypdfium2.PdfPage,
    picture: tuple[Image.Image, float, float, float],
) -> None:
    image, left, bottom, width = picture
    item = pypdfium2.PdfImage.new(document)
    item.set_bitmap(pypdfium2.PdfBitmap.from_pil(image))
    height = width * image.height / image.width
    item.set_matrix(pypdfium2.PdfMatrix().scale(width, height).translate(left, bottom))
    page.insert_obj(item)


def saved(document: pypdfium2.PdfDocument) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def scanned_pdf(pictures: Sequence[Image.Image], *, dpi: int = 150) -> bytes:
    """Return a PDF of which every page is a picture."""
    buffer = io.BytesIO()
    first, *others = pictures
    first.save(buffer, "PDF", resolution=dpi, save_all=True, append_images=others)
    return buffer.getvalue()


def picture_of_text(
    lines: Sequence[str], *, size: int = 28, width: int = 1000, font: Path | None = None
) -> Image.Image:
    """Return lines of black text on white, `size` pixels high."""
    picture = Image.new("RGB", (width, round(size * 1.6 * len(lines)) + 2 * size), "white")
    draw = ImageDraw.Draw(picture)
    letters = ImageFont.truetype(str(font), size) if font else ImageFont.load_default(size)
    for at, line in enumerate(lines):
        draw.text((size, size + at * size * 1.6), line, font=letters, fill="black")
    return picture


def ink(data: bytes, *, scale: float = 2.0) -> NDArray[np.bool_]:
    """Return where the first page of a PDF is dark, as displayed; shape (height, width), from the top."""
    with pypdfium2.PdfDocument(data) as document:
        picture = document[0].render(scale=scale).to_pil().convert("L")
    return np.asarray(picture) < 128
