"""winmail.dat, in which Exchange sends what it cannot say as mail: an Outlook item of its own (MS-OXTNEF)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from rag.load.mail.outlook_properties import BINARY, LONG, OBJECT, STRING8, TEXT_CODE, UNICODE

Properties: TypeAlias = dict[tuple[int, int], bytes]  # by number and type

SIGNATURE: Final = 6  # bytes, with a key
ATTRIBUTE: Final = struct.Struct("<BHHI")  # of message or attachment, number, type, bytes (2.1.3.3)
CHECKSUM: Final = 2
PROPERTIES: Final = frozenset({0x9003, 0x9005})  # attributes that hold properties: message's, attachment's
NEW_ATTACHMENT, RECIPIENTS, CODEPAGE, SENDER = 0x9002, 0x9004, 0x9007, 0x8000
OLDER: Final = {  # other attributes, and the property that means the same
    0x8004: (0x0037, STRING8),  # subject
    0x8008: (0x001A, STRING8),  # class
    0x800C: (0x1000, STRING8),  # text
    0x800F: (0x3701, BINARY),  # what is attached
    0x8010: (0x3704, STRING8),  # its name
}
SENDER_NAME, SENDER_ADDRESS = (0x0C1A, STRING8), (0x0C1F, STRING8)
TRIPLE: Final = struct.Struct("<4H")  # two that are always the same, sizes of a name and its address
NUMBER: Final = struct.Struct("<I")
TAG: Final = struct.Struct("<HH")  # type, number
NAMED: Final = 0x8000  # the least number of a property with a name
NAME: Final = struct.Struct("<16sII")  # set, whether it is a text, its number or size
MULTIPLE: Final = 0x1000  # added to the type where there are several values
FIXED: Final = {0x2: 2, LONG: 4, 0x4: 4, 0x5: 8, 0x6: 8, 0x7: 8, 0xA: 4, 0xB: 2, 0x14: 8, 0x40: 8, 0x48: 16}
VARIABLE: Final = frozenset({0, OBJECT, STRING8, UNICODE, BINARY})
DATA: Final = 0x3701
INTERFACE: Final = 16  # bytes before an attached object, that say what it is
MESSAGE: Final = bytes.fromhex("0703020000000000c000000000000046")


@dataclass(frozen=True, slots=True)
class Tnef:
    """A message, a recipient or an attachment."""

    properties: Properties
    people: tuple[Tnef, ...] = ()
    attached: tuple[Tnef, ...] = ()

    def value(self, tag: int, kind: int) -> bytes:
        """Return a property; the data of an attached object are those of its compound file."""
        found = self.properties.get((tag, kind), b"")
        return self.value(DATA, OBJECT)[INTERFACE:] if not found and (tag, kind) == (DATA, BINARY) else found

    def recipients(self) -> Iterator[Tnef]:
        return iter(self.people)

    def attachments(self) -> Iterator[Tnef]:
        return iter(self.attached)

    def embedded(self) -> Tnef | None:
        data = self.value(DATA, OBJECT)
        return opened(data[INTERFACE:]) if data.startswith(MESSAGE) else None


def opened(data: bytes) -> Tnef:
    """Return the message in `data`, as far as it is whole."""
    message: Properties = {}
    attached: list[Properties] = []
    people: list[Properties] = []
    for number, value in _attributes(data):
        item = attached[-1] if attached else message
        if number == NEW_ATTACHMENT:
            attached.append({})
        elif number in PROPERTIES:
            item |= next(_lists(value, 1), {})
        elif number == RECIPIENTS:
            people += _lists(value[NUMBER.size :], int.from_bytes(value[: NUMBER.size], "little"))
        elif number == CODEPAGE:
            message[TEXT_CODE, LONG] = value[: NUMBER.size]
        elif number == SENDER:
            message = _sender(value) | message
        elif number in OLDER:
            item.setdefault(OLDER[number], value)
    code = {(TEXT_CODE, LONG): message.get((TEXT_CODE, LONG), b"")}
    inner = [tuple(Tnef(code | each) for each in items) for items in (people, attached)]
    return Tnef(message, *inner)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = SIGNATURE
    while at + ATTRIBUTE.size <= len(data):
        _, number, _, size = ATTRIBUTE.unpack_from(data, at)
        at += ATTRIBUTE.size
        yield number, data[at : at + size]
        at += size + CHECKSUM


def _sender(data: bytes) -> Properties:
    if len(data) < TRIPLE.size:
        return {}
    _, _, name, address = TRIPLE.unpack_from(data)
    end = TRIPLE.size + name
    found = data[end : end + address].rstrip(b"\0").rpartition(b":")[2]  # after "SMTP:"
    return {SENDER_NAME: data[TRIPLE.size : end], SENDER_ADDRESS: found}


def _lists(data: bytes, count: int) -> Iterator[Properties]:
    """Yield the lists of properties that are not empty, as far as they are whole (2.1.3.4)."""
    at, is_whole = 0, True
    for _ in range(count):
        found: Properties = {}
        try:
            (number,) = NUMBER.unpack_from(data, at)
            at += NUMBER.size
            for _ in range(number):
                kind, tag = TAG.unpack_from(data, at)
                at = _after_name(data, at + TAG.size) if tag >= NAMED else at + TAG.size
                value, at = _value(data, at, kind)
                found.setdefault((tag, kind), value)
        except (struct.error, ValueError):
            is_whole = False
        if found:
            yield found
        if not is_whole:
            return


def _after_name(data: bytes, at: int) -> int:
    _, is_text, size = NAME.unpack_from(data, at)
    return at + NAME.size + (_padded(size) if is_text else 0)


def _value(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    """Return the first value of a property, and where the next property stands."""
    bare, count = kind & ~MULTIPLE, 1
    if kind & MULTIPLE or bare in VARIABLE:
        (count,) = NUMBER.unpack_from(data, at)
        at += NUMBER.size
    if bare in FIXED:
        return data[at : at + FIXED[bare]], at + _padded(FIXED[bare] * count)
    if bare not in VARIABLE:
        raise ValueError(f"properties of the type {kind:#x} are unknown")
    first = b""
    for index in range(count):
        (size,) = NUMBER.unpack_from(data, at)
        at += NUMBER.size
        first = first if index else data[at : at + size]
        at += _padded(size)
    return first, at


def _padded(size: int) -> int:
    return -(-size // 4) * 4
