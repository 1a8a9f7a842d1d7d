"""The text of a Word 97-2003 document from its piece table (MS-DOC 2.4.1), without a word processor."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import olefile

from rag.errors import LoadError
from rag.load.content import Content, ContentBuilder

MAGIC: Final = 0xA5EC
WORD_97: Final = 0xC1  # nFib; older files have no piece table of this kind
SECOND_TABLE: Final = 0x0200  # flag of the FIB: the table stream is 1Table
COMPRESSED: Final = 0x4000_0000  # flag of a piece: a byte a character
COUNTS: Final = 0x4C  # where the FIB tells the lengths of the parts, in characters
CLX: Final = 0x01A2  # where it tells place and size of the piece table
FIELD: Final = re.compile("\x13[^\x13\x14\x15]*(?:\x14([^\x13\x14\x15]*))?\x15")
MAX_FIELDS: Final = 8  # fields within fields
ROW_END: Final = "\x07\x07"
UNSEEN: Final = str.maketrans(dict.fromkeys("\x01\x02\x03\x04\x05\x08\x13\x14\x15\x1f", ""))
DAMAGED: Final = "the Word document is damaged: its text cannot be found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The stretches of a document's text, in characters, in the order in which they are stored."""

    body: int
    footnotes: int
    margins: int  # headers and footers
    macros: int
    comments: int
    endnotes: int
    boxes: int


def read_word_binary(data: bytes) -> Content:
    """Read the paragraphs, table rows and notes of a document; what is a heading or a list isn't told.

    Raises:
        LoadError: when the file is damaged or older than Word 97.
    """
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            text, parts = _text(file)
    except (OSError, struct.error, IndexError, ValueError, AttributeError, TypeError) as exc:
        raise LoadError(DAMAGED) from exc
    builder = ContentBuilder()
    at = 0
    seen: set[str] = set()
    for name in Parts.__slots__:
        end = at + getattr(parts, name)
        for block in _blocks(text[at:end]):
            if name != "margins" or (block not in seen and sum(map(str.isalpha, block)) > 1):
                seen.add(block)
                builder.add(block)
        at = end
    return builder.build()


def _text(file: olefile.OleFileIO) -> tuple[str, Parts]:
    main = file.openstream("WordDocument").read()
    magic, version = struct.unpack_from("<HH", main, 0)
    if magic != MAGIC or version < WORD_97:
        raise LoadError("the document is older than Word 97")
    (flags,) = struct.unpack_from("<H", main, 0x0A)
    table = file.openstream("1Table" if flags & SECOND_TABLE else "0Table").read()
    start, size = struct.unpack_from("<II", main, CLX)
    counts = struct.unpack_from("<7i", main, COUNTS)
    parts = Parts(**dict(zip(Parts.__slots__, (max(0, each) for each in counts), strict=True)))
    return "".join(_pieces(main, table[start : start + size])), parts


def _pieces(main: bytes, clx: bytes) -> Iterator[str]:
    at = 0
    while clx[at] == 1:  # properties, before the table
        at += 3 + struct.unpack_from("<H", clx, at + 1)[0]
    (size,) = struct.unpack_from("<I", clx, at + 1)
    plc = clx[at + 5 : at + 5 + size]
    count = (len(plc) - 4) // 12
    ends = struct.unpack_from(f"<{count + 1}I", plc, 0)
    left = len(main)  # a hostile table may name the same bytes again and again
    for index in range(count):
        length = max(0, ends[index + 1] - ends[index])
        (place,) = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * index + 2)
        is_narrow = bool(place & COMPRESSED)
        start = (place & ~COMPRESSED) // 2 if is_narrow else place
        piece = main[start : start + length * (1 if is_narrow else 2)]
        left -= len(piece)
        if left < 0:
            raise LoadError(DAMAGED)
        yield piece.decode("cp1252" if is_narrow else "utf-16-le", "replace")


def _blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs, and the rows of tables with a bar between their cells."""
    for _ in range(MAX_FIELDS):
        text, found = FIELD.subn(lambda field: field[1] or "", text)
        if not found:
            break
    text = text.translate(UNSEEN).replace("\x1e", "-").replace("\x0c", "\r").replace("\x0b", "\n")
    for block in text.split(ROW_END):
        *paragraphs, last = block.split("\r") if "\x07" not in block else _before_row(block)
        yield from (paragraph for paragraph in paragraphs if paragraph.strip())
        if last.strip("\x07 \n"):
            yield " | ".join(" ".join(cell.split()) for cell in last.split("\x07") if cell.strip())


def _before_row(block: str) -> list[str]:
    """Return the paragraphs before a row's first cell, and the row with its cells' paragraphs joined."""
    first, mark, rest = block.partition("\x07")
    *paragraphs, cell = first.split("\r")
    return [*paragraphs, cell + mark + rest.replace("\r", " ")]
