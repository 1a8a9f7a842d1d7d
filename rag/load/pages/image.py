"""Images: what is written in them, page by page, by OCR."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder
from rag.load.pages.layout import add_pieces
from rag.load.pages.pieces import Piece, moved
from rag.load.source import Source

MAX_PIXELS: Final = 100_000_000  # of one image; a scan of A3 at 600 dpi has 70 million
READ_PIXELS: Final = 16_000_000  # to which a larger one is reduced
SMALLEST: Final = 8  # pixels; in a lower image nothing can be written
MAX_FRAMES: Final = 500  # pages of a TIFF that are read
FORMATS: Final = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "MPO")
OFF: Final = (
    "it is a picture, and reading pictures is switched off: set `ocr = true` in rag.toml to have it read"
)


def read_image(source: Source) -> Content:
    """Read what is written in a PNG, JPEG, TIFF, WebP, BMP or GIF; boxes are in pixels from the lower left.

    Raises:
        LoadError: when it is damaged or too large, OCR is switched off, or nothing is written in it.
    """
    if not source.settings.ocr:
        raise LoadError(OFF)
    builder = ContentBuilder()
    for number, total, picture in _pictures(source.data, builder):
        if total > 1:
            source.advance(f"page {number} of {total}")
        add_pieces(builder, number, _pieces(picture), unit="page" if total > 1 else None)
    content = builder.build()
    if not content.text and not content.notes:
        raise LoadError("there is no text in it: OCR found none in the image")
    return content


def _pieces(picture: Image.Image) -> list[Piece]:
    from rag.load.pages.ocr import engine
    from rag.load.pages.picture_text import pieces_in

    scale = min(1.0, (READ_PIXELS / (picture.width * picture.height)) ** 0.5)
    if min(picture.size) * scale < SMALLEST:
        return []
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture if scale == 1 else picture.resize(size, Image.Resampling.LANCZOS)
    pieces = pieces_in(small, engine())
    return [moved(piece, 1 / scale) for piece in pieces]


def _pictures(data: bytes, builder: ContentBuilder) -> Iterator[tuple[int, int, Image.Image]]:
    """Yield the pages of an image: their number, how many there are, and each upright on white."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about odd metadata
        image = _open(data)
        total = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if total > MAX_FRAMES:
            builder.note(f"only the first {MAX_FRAMES} of its {total} pages were read")
        for at in islice(range(total), MAX_FRAMES):
            try:
                image.seek(at)
                _check_size(image)
                yield at + 1, min(total, MAX_FRAMES), _on_white(image)
            except (OSError, ValueError, SyntaxError, EOFError) as exc:
                if total == 1:
                    raise LoadError(f"the image is damaged: {exc}") from exc
                builder.note(f"page {at + 1} is damaged and was not read")


def picture(data: bytes, number: int) -> Image.Image:
    """Return one page of an image, counted from 1, upright on white.

    Raises:
        LoadError: when it is damaged or too large, or there is no such page.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _open(data)
        try:
            image.seek(number - 1)
            _check_size(image)
            return _on_white(image)
        except EOFError as exc:
            raise LoadError(f"it has no page {number}") from exc


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as exc:
        raise LoadError("the image is damaged, or of a kind that cannot be read") from exc
    except Image.DecompressionBombError as exc:
        raise LoadError(_too_large(0, 0)) from exc
    _check_size(image)
    return image


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise LoadError(_too_large(image.width, image.height))


def _too_large(width: int, height: int) -> str:
    size = f" ({width} x {height})" if width else ""
    return f"the image is too large{size}: at most {MAX_PIXELS // 1_000_000} million pixels are read"


def _on_white(image: Image.Image) -> Image.Image:
    """Return a page upright as its EXIF data says, what is transparent in white."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):  # 16 or 32 bits of grey
        values = np.asarray(upright, np.float32)
        low, high = float(values.min()), float(values.max())
        grey = (values - low) * (255 / max(high - low, 1e-9))
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return upright.convert("RGB")
