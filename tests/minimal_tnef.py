"""A writer of winmail.dat, by MS-OXTNEF."""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

Values: TypeAlias = "dict[tuple[int, int], bytes | int | str]"

STRING8, UNICODE, OBJECT, MANY = 0x001E, 0x001F, 0x000D, 0x1000
SUBJECT, TEXT, MESSAGE_PROPERTIES, RECIPIENTS = 0x00018004, 0x0002800C, 0x00069003, 0x00069004
START, TITLE, DATA, ATTACHMENT_PROPERTIES = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
CODEPAGE: Final = 0x00069007
EMBEDDED: Final = bytes.fromhex("0703020000000000c000000000000046")


def tnef(*attributes: tuple[int, bytes], codepage: int = 1252) -> bytes:
    """Return a winmail.dat of `attributes`; those after a `START` are of an attachment."""
    written = [(CODEPAGE, struct.pack("<2I", codepage, 0)), *attributes]
    return struct.pack("<IH", 0x223E9F78, 1) + b"".join(
        struct.pack("<BII", 1 + (number in {START, TITLE, DATA, ATTACHMENT_PROPERTIES}), number, len(data))
        + data
        + struct.pack("<H", sum(data) & 0xFFFF)
        for number, data in written
    )


def properties(values: Values) -> bytes:
    """Return a list of properties, by number and type; those from 0x8000 on get a name."""
    listed = [_property(number, kind, value) for (number, kind), value in values.items()]
    return struct.pack("<I", len(listed)) + b"".join(listed)


def recipients(*people: Values) -> bytes:
    return struct.pack("<I", len(people)) + b"".join(map(properties, people))


def _property(number: int, kind: int, value: bytes | int | str) -> bytes:
    tag = struct.pack("<HH", kind, number)
    if number >= 0x8000:
        name = "名称".encode("utf-16-le") + b"\0\0"
        tag += bytes(16) + struct.pack("<II", 1, len(name)) + _padded(name)
    if isinstance(value, int):
        return tag + _padded(value.to_bytes(8 if kind == 0x0040 else 4, "little"))
    data = value.encode("utf-16-le" if kind == UNICODE else "utf-8") if isinstance(value, str) else value
    count = 2 if kind & MANY else 1
    return tag + struct.pack("<I", count) + count * (struct.pack("<I", len(data)) + _padded(data))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
