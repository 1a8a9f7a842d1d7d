"""What is laid over a PDF page: values of its forms and notes in boxes at their place, and comments."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pypdfium2
import pypdfium2.raw as pdfium

from rag.load.content import clean
from rag.load.pages.pdf_frame import Frame
from rag.load.pages.pieces import Piece, Rectangle

MAX_MARKS: Final = 5_000  # of one page
MAX_BYTES: Final = 200_000  # of one value
HEIGHT: Final = 12.0  # points; what is written into a taller box is taken for lines from its top
COMMENTS: Final = frozenset(  # annotations whose contents a person wrote about what stands below them
    (
        pdfium.FPDF_ANNOT_TEXT,
        pdfium.FPDF_ANNOT_HIGHLIGHT,
        pdfium.FPDF_ANNOT_UNDERLINE,
        pdfium.FPDF_ANNOT_SQUIGGLY,
        pdfium.FPDF_ANNOT_STRIKEOUT,
        pdfium.FPDF_ANNOT_CARET,
        pdfium.FPDF_ANNOT_SQUARE,
        pdfium.FPDF_ANNOT_CIRCLE,
        pdfium.FPDF_ANNOT_POLYGON,
        pdfium.FPDF_ANNOT_POLYLINE,
        pdfium.FPDF_ANNOT_LINE,
        pdfium.FPDF_ANNOT_INK,
        pdfium.FPDF_ANNOT_STAMP,
        pdfium.FPDF_ANNOT_FILEATTACHMENT,
    )
)
BOXES: Final = {pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON}
WRITTEN: Final = {
    pdfium.FPDF_FORMFIELD_TEXTFIELD,
    pdfium.FPDF_FORMFIELD_COMBOBOX,
    pdfium.FPDF_FORMFIELD_LISTBOX,
}
PASSWORD: Final = 1 << 13  # flag of a text field whose value is not shown (ISO 32000-1, table 228)


@dataclass(slots=True)
class Marks:
    """What is laid over one page."""

    pieces: list[Piece] = field(default_factory=list)
    comments: list[tuple[str, Rectangle]] = field(default_factory=list)


def marks_of(page: pypdfium2.PdfPage, frame: Frame) -> Marks:
    """Read the annotations of a page; hidden ones are left out."""
    marks = Marks()
    for at in range(min(pdfium.FPDFPage_GetAnnotCount(page.raw), MAX_MARKS)):
        with _annotation(page, at) as annotation:
            if not annotation or pdfium.FPDFAnnot_GetFlags(annotation) & pdfium.FPDF_ANNOT_FLAG_HIDDEN:
                continue
            box = _box(annotation, frame)
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            if kind == pdfium.FPDF_ANNOT_WIDGET and page.formenv:
                marks.pieces += _written(_value(page.formenv.raw, annotation), box)
            elif kind == pdfium.FPDF_ANNOT_FREETEXT:
                marks.pieces += _written(_string(annotation, b"Contents"), box)
            elif kind in COMMENTS and (comment := _comment(annotation)):
                marks.comments.append((comment, box))
    return marks


@contextmanager
def _annotation(page: pypdfium2.PdfPage, at: int) -> Iterator[Any]:
    annotation = pdfium.FPDFPage_GetAnnot(page.raw, at)
    try:
        yield annotation
    finally:
        if annotation:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _box(annotation: Any, frame: Frame) -> Rectangle:
    box = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(annotation, box)
    return frame.shown((box.left, box.bottom, box.right, box.top))


def _comment(annotation: Any) -> str:
    text = " ".join(_string(annotation, b"Contents").split())
    author = " ".join(_string(annotation, b"T").split())
    return f"[Comment{f' by {author}' if author else ''}: {text}]" if text else ""


def _value(form: Any, annotation: Any) -> str:
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in BOXES:
        return "☑" if pdfium.FPDFAnnot_IsChecked(form, annotation) else "☐"
    if kind not in WRITTEN or pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation) & PASSWORD:
        return ""
    return _read(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size))


def _string(annotation: Any, key: bytes) -> str:
    return _read(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(annotation, key, buffer, size))


def _read(call: Any) -> str:
    size = call(None, 0)
    if not 2 < size <= MAX_BYTES:  # noqa: PLR2004 - two bytes are the end of an empty string
        return ""
    buffer = ctypes.create_string_buffer(size)
    call(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return clean(buffer.raw[: size - 2].decode("utf-16-le", "replace")).strip()


def _written(text: str, box: Rectangle) -> Iterator[Piece]:
    """Yield the lines of a text that fills a box from its top."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    left, bottom, right, top = box
    height = (
        min((top - bottom) / max(1, len(lines)), HEIGHT) if len(lines) > 1 else min(top - bottom, 2 * HEIGHT)
    )
    middle = (top + bottom + height) / 2 if len(lines) == 1 else top
    for at, line in enumerate(lines):
        upper = middle - at * height
        yield Piece(
            text=line,
            left=left,
            bottom=upper - height,
            right=right,
            top=upper,
            size=max(1.0, min(height, HEIGHT)),
        )
