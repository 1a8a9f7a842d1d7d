"""An Outlook message in a file of its own: each property is a stream of a compound file (MS-OXMSG)."""

from __future__ import annotations

import io
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final, Self, TypeAlias

from rag.errors import LoadError
from rag.load.mail.outlook_properties import BINARY, STRING8, UNICODE

Tree: TypeAlias = dict[tuple[str, ...], list[str]]  # what lies in each storage

FIXED: Final = "__properties_version1.0"
EMBEDDED: Final = "__substg1.0_3701000D"
ATTACHMENTS: Final = "__attach_version1.0_#"
RECIPIENTS: Final = "__recip_version1.0_#"
ENTRY: Final = struct.Struct("<HHI8s")  # type, id, flags, value (2.4.2)
HEADER_SIZES: Final = {"": 32, "__attach": 8, "__recip_": 8}  # before the entries, by the storage's name
INNER_HEADER: Final = 24  # of a message within a message
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

    def value(self, tag: int, kind: int) -> bytes:
        if kind in {STRING8, UNICODE, BINARY}:
            return self._read(f"__substg1.0_{tag:04X}{kind:04X}")
        return self._fixed.get((tag, kind), b"")

    def recipients(self) -> Iterator[Storage]:
        return self._within(RECIPIENTS)

    def attachments(self) -> Iterator[Storage]:
        return self._within(ATTACHMENTS)

    def embedded(self) -> Storage | None:
        inner = next(self._within(EMBEDDED), None)
        return inner if inner is not None and inner.has_properties() else None

    def has_properties(self) -> bool:
        """Tell a message from an object of another program."""
        return FIXED in self._tree.get(self._path, [])

    def _within(self, prefix: str) -> Iterator[Storage]:
        """Yield the storages whose names begin with `prefix`, in order."""
        for name in sorted(self._tree.get(self._path, [])):
            if name.startswith(prefix) and (*self._path, name) in self._tree:
                yield Storage(self._compound, self._tree, (*self._path, name))

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
