"""The properties that an Outlook message keeps, each in a stream of a compound file (MS-OXMSG)."""

from __future__ import annotations

import io
import struct
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, TypeAlias

from rag.errors import LoadError
from rag.load.content import clean
from rag.load.plain.encoding import decode

Tree: TypeAlias = dict[tuple[str, ...], list[str]]  # what lies in each storage

HTML, TEXT_CODE, PAGE_CODE = 0x1013, 0x3FFD, 0x3FDE  # MS-OXPROPS
LONG, STRING8, UNICODE, TIME, BINARY = 0x0003, 0x001E, 0x001F, 0x0040, 0x0102  # MS-OXCDATA, 2.11.1
FIXED: Final = "__properties_version1.0"
ENTRY: Final = struct.Struct("<HHI8s")  # type, id, flags, value (2.4.2)
HEADER_SIZES: Final = {"": 32, "__attach": 8, "__recip_": 8}  # before the entries, by the storage's name
INNER_HEADER: Final = 24  # of a message within a message
EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
CODEPAGES: Final = {20127: "ascii", 28591: "iso8859-1", 54936: "gb18030", 65001: "utf-8"}
DAMAGED: Final = (OSError, ValueError, IndexError, TypeError, struct.error)


class Storage:
    """A message, a recipient or an attachment."""

    def __init__(self, compound: Any, tree: Tree, path: tuple[str, ...] = ()) -> None:
        self._compound = compound
        self._tree = tree
        self._path = path
        self._fixed = self._fixed_properties()

    @classmethod
    def open(cls, data: bytes) -> Self:
        """Raises LoadError when `data` is no compound file that can be read."""
        import olefile

        try:
            compound = olefile.OleFileIO(io.BytesIO(data))
            entries = compound.listdir(storages=True)
        except DAMAGED as exc:
            raise LoadError("the Outlook message is cut or damaged") from exc
        tree: Tree = defaultdict(list)
        for *path, name in entries:
            tree[tuple(path)].append(name)
        return cls(compound, tree)

    def text(self, tag: int) -> str:
        """Return a property's text, "" when there is none."""
        data = self._stream(tag, UNICODE)
        if data:
            return clean(data.decode("utf-16-le", "replace"))
        data = self._stream(tag, STRING8)
        return clean(decode(data.rstrip(b"\0"), declared=self._charset(TEXT_CODE, PAGE_CODE))) if data else ""

    def data(self, tag: int) -> bytes:
        return self._stream(tag, BINARY)

    def page(self) -> bytes:
        """Return the message's HTML, in UTF-8 where its charset is known."""
        text, data = self.text(HTML), self.data(HTML)
        charset = self._charset(PAGE_CODE)
        if not text and data and charset:
            text = decode(data, declared=charset)
        return BOM_UTF8 + text.encode("utf-8", "replace") if text else data

    def number(self, tag: int) -> int:
        return int.from_bytes(self._fixed.get((tag, LONG), b"")[:4], "little")

    def time(self, tag: int) -> str:
        """Return a moment as "2024-03-01 09:30 UTC", "" when there is none."""
        ticks = int.from_bytes(self._fixed.get((tag, TIME), b""), "little")
        try:
            moment = EPOCH + timedelta(microseconds=ticks // 10)
        except OverflowError:
            return ""
        return moment.strftime("%Y-%m-%d %H:%M UTC") if ticks else ""

    def within(self, prefix: str) -> Iterator[Storage]:
        """Yield the storages whose names begin with `prefix`, in order."""
        for name in sorted(self._tree.get(self._path, [])):
            if name.startswith(prefix) and (*self._path, name) in self._tree:
                yield Storage(self._compound, self._tree, (*self._path, name))

    def _charset(self, *tags: int) -> str | None:
        number = next((number for tag in tags if (number := self.number(tag))), 0)
        return CODEPAGES.get(number, f"cp{number}") if number else None

    def _stream(self, tag: int, kind: int) -> bytes:
        return self._read(f"__substg1.0_{tag:04X}{kind:04X}")

    def _read(self, name: str) -> bytes:
        if name not in self._tree.get(self._path, []):
            return b""
        try:
            return bytes(self._compound.openstream([*self._path, name]).read())
        except DAMAGED:
            return b""

    def _fixed_properties(self) -> dict[tuple[int, int], bytes]:
        data = self._read(FIXED)
        start = HEADER_SIZES.get(self._path[-1][:8] if self._path else "", INNER_HEADER)
        end = start + max(0, len(data) - start) // ENTRY.size * ENTRY.size
        return {(tag, kind): value for kind, tag, _, value in ENTRY.iter_unpack(data[start:end])}
