"""What a signed S/MIME mail holds, without checking who signed it (RFC 5652, 5.2)."""

from __future__ import annotations

from typing import Final

SIGNED: Final = bytes.fromhex("06092a864886f70d010702")  # the object identifiers, in DER
DATA: Final = bytes.fromhex("06092a864886f70d010701")
WITHIN: Final = 64  # bytes in which the first of them stands
EXPLICIT: Final = 0xA0
OCTETS: Final = 0x04
PIECES: Final = 0x24  # octets in pieces
LONG: Final = 0x80
MAX_LENGTH: Final = 5  # bytes of a length


def signed_content(data: bytes) -> bytes | None:
    """Return the message within `data`; None when it is encrypted or unreadable."""
    at = data.find(DATA)
    if SIGNED not in data[:WITHIN] or at < 0:
        return None
    try:
        start, _ = _header(data, at + len(DATA), EXPLICIT)
        return _octets(data, start)
    except (IndexError, ValueError):
        return None


def _octets(data: bytes, at: int) -> bytes:
    if data[at] == OCTETS:
        start, size = _header(data, at, OCTETS)
        return data[start : start + (size or 0)]
    at, size = _header(data, at, PIECES)
    end = len(data) if size is None else at + size
    pieces = []
    while at < end and data[at] == OCTETS:
        start, length = _header(data, at, OCTETS)
        at = start + (length or 0)
        pieces.append(data[start:at])
    return b"".join(pieces)


def _header(data: bytes, at: int, tag: int) -> tuple[int, int | None]:
    """Return where the content of the element at `at` starts, and its length, None when that is open."""
    if data[at] != tag:
        raise ValueError
    length = data[at + 1]
    if length < LONG:
        return at + 2, length
    count = length - LONG
    if count > MAX_LENGTH:
        raise ValueError
    return at + 2 + count, int.from_bytes(data[at + 2 : at + 2 + count]) if count else None
