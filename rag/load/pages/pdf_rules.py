"""The straight lines that a PDF page draws: the rules of its tables, and the edges of its boxes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import pypdfium2
import pypdfium2.raw as pdfium

from rag.load.pages.pdf_frame import Frame
from rag.load.pages.pieces import Rectangle

Point: TypeAlias = tuple[float, float]
Matrix: TypeAlias = tuple[float, float, float, float, float, float]

MAX_OBJECTS: Final = 20_000  # of one page
MAX_SEGMENTS: Final = 40_000  # of one page; reading them takes a tenth of a second
MAX_DEPTH: Final = 4  # forms within forms
STRAIGHT: Final = 0.5  # points by which a line may lean
IDENTITY: Final = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def edges_of(page: pypdfium2.PdfPage, frame: Frame) -> list[Rectangle]:
    """Return the lines of a page that run along its sides, each as the box of its ends, as displayed."""
    edges: list[Rectangle] = []
    segments = 0
    for path, matrix in _paths(page):
        segments += pdfium.FPDFPath_CountSegments(path)
        if segments > MAX_SEGMENTS:
            break
        for start, end in _lines(path):
            (x, y), (other_x, other_y) = _applied(matrix, start), _applied(matrix, end)
            if abs(x - other_x) < STRAIGHT or abs(y - other_y) < STRAIGHT:
                box = (min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y))
                edges.append(frame.shown(box))
    return edges


def _paths(page: pypdfium2.PdfPage) -> Iterator[tuple[Any, Matrix]]:
    """Yield the paths that are drawn, with what brings their points onto the page."""
    count = min(pdfium.FPDFPage_CountObjects(page.raw), MAX_OBJECTS)
    for at in range(count):
        yield from _within(pdfium.FPDFPage_GetObject(page.raw, at), IDENTITY, MAX_DEPTH)


def _within(item: Any, outer: Matrix, depth: int) -> Iterator[tuple[Any, Matrix]]:
    kind = pdfium.FPDFPageObj_GetType(item)
    if kind == pdfium.FPDF_PAGEOBJ_PATH and _is_drawn(item):
        yield item, _after(_matrix(item), outer)
    elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth:
        matrix = _after(_matrix(item), outer)
        for at in range(min(pdfium.FPDFFormObj_CountObjects(item), MAX_OBJECTS)):
            yield from _within(pdfium.FPDFFormObj_GetObject(item, at), matrix, depth - 1)


def _is_drawn(path: Any) -> bool:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(path, fill, stroke)
    return bool(fill.value or stroke.value)


def _matrix(item: Any) -> Matrix:
    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, matrix):
        return IDENTITY
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _after(matrix: Matrix, outer: Matrix) -> Matrix:
    """Return what `matrix` and then `outer` do."""
    (a, b), (c, d) = _applied(outer, matrix[:2], moves=0), _applied(outer, matrix[2:4], moves=0)
    return a, b, c, d, *_applied(outer, matrix[4:])


def _applied(matrix: Matrix, point: tuple[float, ...], moves: int = 1) -> Point:
    a, b, c, d, e, f = matrix
    x, y = point
    return a * x + c * y + e * moves, b * x + d * y + f * moves


def _lines(path: Any) -> Iterator[tuple[Point, Point]]:
    x, y = ctypes.c_float(), ctypes.c_float()
    start = last = (0.0, 0.0)
    for at in range(pdfium.FPDFPath_CountSegments(path)):
        segment = pdfium.FPDFPath_GetPathSegment(path, at)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = (x.value, y.value)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            yield last, point
        if pdfium.FPDFPathSegment_GetClose(segment):
            yield point, start
        last = point
