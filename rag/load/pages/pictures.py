"""Pictures inside a document: what is written in them, by OCR."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import replace
from typing import Final

from rag.errors import LoadError
from rag.load.content import Content
from rag.load.source import Source

MAX_PICTURES: Final = 200  # of one document that are read; each takes about a second
SMALLEST_SIDE: Final = 24  # pixels; a lower line of text cannot be read
SMALLEST_AREA: Final = 100 * 50  # pixels; logos and bullets are smaller
NO_TEXT: Final = "there is no text in it"
NO_WORDS: Final = re.compile(  # an alt text that a program made
    r"\S*\.(?:png|jpe?g|gif|bmp|tiff?|[ew]mf|svg)|[A-Za-z]:\\.*|[\w-]*[_\d][\w-]*"
    r"|(?:picture|image|图[片像]) ?\d+",
    re.I | re.A,
)


class Pictures:
    """Reads the pictures of one document, each once however often it is shown."""

    def __init__(self, source: Source) -> None:
        self.notes: list[str] = []
        self._source = source
        self._seen: set[bytes] = set()
        self._left_out = 0

    def read(self, data: bytes, name: str) -> Content | None:
        """Return the text in a picture; None where there is none, or it is too small or already read."""
        digest = hashlib.sha256(data).digest()
        if not self._source.settings.ocr or digest in self._seen or not _may_hold_text(data):
            return None
        if len(self._seen) >= MAX_PICTURES:
            self._left_out += 1
            return None
        self._seen.add(digest)
        self._source.advance(f"picture {len(self._seen)}")
        return self._recognized(data, name)

    def all_notes(self) -> list[str]:
        """Return what is to be said of the pictures once the document has been read."""
        if not self._left_out:
            return self.notes
        were = "was" if self._left_out == 1 else "were"
        return [
            *self.notes,
            f"only {MAX_PICTURES} of its pictures were read, {self._left_out} more {were} not",
        ]

    def _recognized(self, data: bytes, name: str) -> Content | None:
        from rag.load import read

        try:
            content = read(self._source.member(data, name))
        except LoadError as exc:
            if NO_TEXT not in str(exc):
                self.notes.append(f"a picture could not be read: {name}: {exc}")
            return None
        regions = tuple(replace(region, box=None) for region in content.regions)  # boxes are of the picture
        return Content(text=content.text, regions=regions, notes=content.notes)


def _may_hold_text(data: bytes) -> bool:
    """Say whether `data` is a picture that can be read and is large enough for text."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"]) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return False  # a drawing in lines (EMF, WMF, SVG), or damaged
    return min(width, height) >= SMALLEST_SIDE and width * height >= SMALLEST_AREA


def alt_text(text: str) -> str:
    """Return what an author says that a picture shows; "" when it is but a file's name or a number."""
    text = " ".join(text.split())
    return "" if NO_WORDS.fullmatch(text) else text
