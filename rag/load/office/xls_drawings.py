"""What is written in the text boxes and charts of an Excel sheet of before 2007 (MS-XLS)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

BEGIN, END, CONTINUE, BOX, CHART_TEXT = 0x809, 0x0A, 0x3C, 0x1B6, 0x100D  # records by number (2.3.2)
HEAD: Final = struct.Struct("<HH")  # of a record: number and size
BOX_LENGTH: Final = 10  # where a box tells how many characters it holds (2.4.329)
SHORT: Final = 4  # bytes before a text of a chart: a number, its length and its flags (2.4.254)
WIDE: Final = 1  # flag of a text: two bytes a character


def drawn_texts(stream: bytes, start: int) -> Iterator[str]:
    """Yield the texts of the sheet whose records begin at `start`; those of its comments are among them."""
    left, text = 0, ""  # of the box at hand
    for kind, data in _records(stream, start):
        if kind == BOX and len(data) >= BOX_LENGTH + 2:
            left, text = struct.unpack_from("<H", data, BOX_LENGTH)[0], ""
        elif kind == CONTINUE and left and data:
            piece = _decoded(data[0], data[1:])[:left]
            left, text = left - len(piece), text + piece
            if not left:
                yield text
        elif kind == CHART_TEXT and len(data) > SHORT:
            yield _decoded(data[3], data[4:])[: data[2]]


def _records(stream: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the records of one sheet, with those of the charts within it."""
    depth, at = 0, start
    while at + HEAD.size <= len(stream):
        kind, size = HEAD.unpack_from(stream, at)
        at += HEAD.size
        depth += (kind == BEGIN) - (kind == END)
        if depth <= 0:
            return
        yield kind, bytes(stream[at : at + size])
        at += size


def _decoded(flags: int, data: bytes) -> str:
    return data.decode("utf-16-le" if flags & WIDE else "latin-1", "replace")
