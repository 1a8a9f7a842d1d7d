"""One page of a PDF: its text layer, what is laid over it, and its pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final

import pypdfium2

from rag.datatypes import Box
from rag.load.pages.pdf_frame import Frame
from rag.load.pages.pdf_marks import marks_of
from rag.load.pages.pdf_pictures import Need, need_of, picture_of, unknown_to
from rag.load.pages.pdf_rules import edges_of
from rag.load.pages.pdf_text import PageText, text_of
from rag.load.pages.pieces import Piece, Rectangle, moved
from rag.load.pages.plausible import is_plausible
from rag.load.pages.ruled import with_ruled_tables
from rag.load.pages.rules import Ruling
from rag.load.source import Source

GAPS: Final = 0.02  # part of the characters without a meaning from which on it is told
ALIKE: Final = 0.5  # of the text layer and what OCR reads: below this they say different things
SURE: Final = 0.8  # mean confidence of an OCR that is believed against the text layer
COMPARED: Final = 2_000  # characters
XYZ, FIT_H, FIT_BH = 1, 3, 7  # kinds of destinations that say how high they are (PDFDEST_VIEW_*)


@dataclass(slots=True)
class Sheet:
    """What stands on one page, and what is to be said of it."""

    frame: Frame
    pieces: list[Piece] = field(default_factory=list)
    comments: list[tuple[str, Rectangle]] = field(default_factory=list)
    is_damaged: bool = False
    is_cut: bool = False
    is_unread: bool = False  # it needs OCR, which is switched off
    is_drawing: bool = False
    has_gaps: bool = False
    was_garbage: bool = False
    was_read_as_picture: bool = False

    @property
    def height(self) -> float:
        return self.frame.height

    def box(self, number: int, box: Rectangle) -> Box:
        left, bottom, right, top = (round(side, 1) for side in box)
        return Box(page=number, left=left, bottom=bottom, right=right, top=top)

    def top_of(self, view: tuple[int, Sequence[float]]) -> float | None:
        """Return how high on the page a destination points, in points; None where it doesn't say."""
        kind, values = view
        at = {XYZ: 1, FIT_H: 0, FIT_BH: 0}.get(kind)
        if at is None or len(values) <= at or self.frame.turn:
            return None
        return values[at] - self.frame.bottom


EMPTY: Final = Frame(turn=0, left=0.0, bottom=0.0, width=0.0, height=0.0)


class PageReader:
    """Reads the pages of one document; the same picture on many pages is read once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen: set[bytes] = set()

    def read(self, document: pypdfium2.PdfDocument, index: int, total: int) -> Sheet:
        """Read one page; a damaged one does not cost the others."""
        try:
            page = document[index]
        except pypdfium2.PdfiumError:
            return Sheet(frame=EMPTY, is_damaged=True)
        try:
            return self._read(page, index + 1, total)
        except pypdfium2.PdfiumError:
            return Sheet(frame=EMPTY, is_damaged=True)
        finally:
            page.close()

    def _read(self, page: pypdfium2.PdfPage, number: int, total: int) -> Sheet:
        frame = Frame.of(page)
        ruling = Ruling(edges_of(page, frame))
        text = text_of(page, frame, ruling)
        marks = marks_of(page, frame)
        doubtful = not is_plausible(" ".join(piece.text for piece in text.pieces))
        need = need_of(page, frame, text, is_doubtful=doubtful)
        sheet = Sheet(frame=frame, comments=marks.comments, is_cut=text.cut, is_drawing=need.is_drawing)
        sheet.pieces = text.pieces if need.keeps_text or doubtful else []
        sheet.has_gaps = need.keeps_text and text.unknown > GAPS * text.characters
        if need.parts and self._source.settings.ocr:
            self._source.advance(f"page {number} of {total}")
            self._read_pictures(sheet, page, need, text)
        sheet.is_unread = bool(need.parts) and not self._source.settings.ocr
        sheet.pieces = with_ruled_tables([*sheet.pieces, *marks.pieces], ruling)
        return sheet

    def _read_pictures(self, sheet: Sheet, page: pypdfium2.PdfPage, need: Need, text: PageText) -> None:
        found = [piece for part in need.parts for piece in self._recognized(page, sheet.frame, part)]
        sheet.was_read_as_picture = True
        if need.keeps_text:
            sheet.pieces = [*text.pieces, *unknown_to(found, text.pieces)]
        elif not sheet.pieces or _contradicts(found, text.pieces):
            sheet.pieces, sheet.was_garbage = found, True

    def _recognized(self, page: pypdfium2.PdfPage, frame: Frame, part: Rectangle) -> list[Piece]:
        from rag.load.pages.ocr import engine
        from rag.load.pages.picture_text import pieces_in

        picture, scale = picture_of(page, frame, part)
        digest = hashlib.sha256(picture.tobytes()).digest()
        if digest in self._seen:  # a letterhead, or a slide's background
            return []
        self._seen.add(digest)
        return [moved(piece, 1 / scale, part[0], part[1]) for piece in pieces_in(picture, engine())]


def _contradicts(found: Sequence[Piece], pieces: Sequence[Piece]) -> bool:
    """Say whether a picture surely shows something else than its text layer says."""
    confidences: list[Any] = [piece.confidence for piece in found]
    if not found or sum(confidences) < SURE * len(found):
        return False
    read = "".join(piece.text for piece in found).lower()[:COMPARED]
    layer = "".join(piece.text for piece in pieces).lower()[:COMPARED]
    return SequenceMatcher(None, read, layer, autojunk=False).ratio() < ALIKE
