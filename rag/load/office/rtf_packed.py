"""RTF as Outlook packs it into a message (MS-OXRTFCP)."""

from __future__ import annotations

import struct
from typing import Final

HEADER: Final = struct.Struct("<3I4s")  # size of what follows, size unpacked, kind; and a checksum
PACKED: Final = 0x75465A4C
PLAIN: Final = 0x414C454D
BUFFER: Final = 4096  # bytes that may be referred to
SHORTEST: Final = 2  # bytes referred to, less those that the reference takes as none
START: Final = (  # what the buffer holds before the first byte (2.1.2.1)
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def unpacked_rtf(data: bytes) -> bytes:
    """Return the RTF in `data`, as far as it is whole.

    Raises:
        ValueError: when it is none.
    """
    if len(data) < HEADER.size:
        raise ValueError("the RTF of the message is cut")
    _, size, kind, _ = HEADER.unpack_from(data)
    if kind == PLAIN:
        return data[HEADER.size : HEADER.size + size]
    if kind != PACKED:
        raise ValueError("the RTF of the message is packed in an unknown way")
    return _unpacked(data)[:size]


def _unpacked(data: bytes) -> bytes:
    out, at = bytearray(START), HEADER.size
    while at < len(data):
        flags, at = data[at], at + 1
        for bit in range(8):
            if not flags >> bit & 1:
                out += data[at : at + 1]
                at += 1
                continue
            reference = int.from_bytes(data[at : at + 2])
            at += 2
            back = (len(out) - (reference >> 4)) % BUFFER
            if not back:  # a reference to the place to be written next ends it
                return bytes(out[len(START) :])
            _repeat(out, back, (reference & 0xF) + SHORTEST)
    return bytes(out[len(START) :])


def _repeat(out: bytearray, back: int, size: int) -> None:
    """Append `size` bytes that stand `back` before the end; they may run into themselves."""
    for _ in range(size):
        out.append(out[-back] if back <= len(out) else 0x20)
