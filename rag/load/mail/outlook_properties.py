"""The properties of an Outlook item by number and type, whatever file keeps them (MS-OXPROPS, MS-OXCDATA)."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from rag.load.content import clean
from rag.load.plain.encoding import Decoded, decode_noted

HTML, TEXT_CODE, PAGE_CODE = 0x1013, 0x3FFD, 0x3FDE
LONG, OBJECT, STRING8, UNICODE, TIME, BINARY = (
    0x0003,
    0x000D,
    0x001E,
    0x001F,
    0x0040,
    0x0102,
)  # types (2.11.1)
EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
CODEPAGES: Final = {20127: "ascii", 28591: "iso8859-1", 54936: "gb18030", 65001: "utf-8"}


class Item(Protocol):
    """A message, a recipient or an attachment."""

    def value(self, tag: int, kind: int) -> bytes:
        """Return the bytes of a property, none when there is none."""
        ...

    def recipients(self) -> Iterator[Item]: ...

    def attachments(self) -> Iterator[Item]: ...

    def embedded(self) -> Item | None:
        """Return the message that is attached here, None for a file."""
        ...


def text_of(item: Item, tag: int) -> str:
    """Return a property's text, "" when there is none."""
    return noted(item, tag).text


def noted(item: Item, tag: int) -> Decoded:
    """Return a property's text, and what could not be decoded."""
    wide = item.value(tag, UNICODE)
    if wide:
        return Decoded(text=clean(wide.decode("utf-16-le", "replace")))
    data = item.value(tag, STRING8).rstrip(b"\0")
    if not data:
        return Decoded(text="")
    found = decode_noted(data, declared=_charset(item, TEXT_CODE, PAGE_CODE))
    return Decoded(text=clean(found.text), notes=found.notes)


def page_of(item: Item) -> tuple[bytes, tuple[str, ...]]:
    """Return an item's HTML, in UTF-8 where its charset is known, and what could not be decoded."""
    found, data = noted(item, HTML), item.value(HTML, BINARY)
    charset = _charset(item, PAGE_CODE)
    if not found.text and data and charset:
        found = decode_noted(data, declared=charset)
    return (BOM_UTF8 + found.text.encode("utf-8", "replace") if found.text else data), found.notes


def number_of(item: Item, tag: int) -> int:
    return int.from_bytes(item.value(tag, LONG)[:4], "little")


def time_of(item: Item, tag: int) -> str:
    """Return a moment as "2024-03-01 09:30 UTC", "" when there is none."""
    ticks = int.from_bytes(item.value(tag, TIME), "little")
    try:
        moment = EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return ""
    return moment.strftime("%Y-%m-%d %H:%M UTC") if ticks else ""


def _charset(item: Item, *tags: int) -> str | None:
    number = next((number for tag in tags if (number := number_of(item, tag))), 0)
    return CODEPAGES.get(number, f"cp{number}") if number else None
