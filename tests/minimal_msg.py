"""A writer of Outlook messages, by MS-CFB (version 3) and MS-OXMSG."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Tree: TypeAlias = "dict[str, bytes | Tree]"

SECTOR: Final = 512
SMALL: Final = 64
CUTOFF: Final = 4096  # bytes from which on a stream has sectors of its own
FREE, END, FAT, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
STRING8, UNICODE, BINARY, LONG, TIME = 0x001E, 0x001F, 0x0102, 0x0003, 0x0040


@dataclass
class Entry:
    name: str
    kind: int  # 5 root, 1 storage, 2 stream
    data: bytes = b""
    start: int = END
    left: int = NONE
    right: int = NONE
    child: int = NONE
    size: int = 0


@dataclass
class Chains:
    """Streams cut into sectors, and what follows each."""

    sector: int
    data: bytearray = field(default_factory=bytearray)
    following: list[int] = field(default_factory=list)

    def add(self, data: bytes) -> int:
        count = -(-len(data) // self.sector)
        if not count:
            return END
        first = len(self.following)
        self.following += [*range(first + 1, first + count), END]
        self.data += data.ljust(count * self.sector, b"\0")
        return first


def compound(tree: Tree) -> bytes:
    """Return a compound file whose storages are dicts and whose streams are bytes."""
    entries = [Entry("Root Entry", 5)]
    entries[0].child = _add_all(entries, tree)
    small, large = Chains(SMALL), Chains(SECTOR)
    for entry in entries:
        if entry.kind == 2:
            entry.size = len(entry.data)
            entry.start = (small if entry.size < CUTOFF else large).add(entry.data)
    entries[0].size = len(small.data)
    entries[0].start = large.add(bytes(small.data))
    small_fat = large.add(_table(small.following))
    directory = large.add(b"".join(map(_packed, entries)))
    fat_sectors = next(n for n in range(1, 200) if n * 128 >= len(large.following) + n)
    first_fat = len(large.following)
    fat = _table([*large.following, *[FAT] * fat_sectors])
    heads = [first_fat + n for n in range(fat_sectors)]
    header = struct.pack("<8s16s5H6x10I", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 62, 3, 0xFFFE, 9, 6,
                         0, fat_sectors, directory, 0, CUTOFF, small_fat,
                         -(-len(small.following) // 128), END, 0, heads[0])  # fmt: skip
    header += struct.pack(f"<{len(heads) - 1}I", *heads[1:])
    return header.ljust(SECTOR, b"\xff") + bytes(large.data) + fat.ljust(fat_sectors * SECTOR, b"\xff")


def _table(following: list[int]) -> bytes:
    table = struct.pack(f"<{len(following)}I", *following)
    return table.ljust(-(-len(table) // SECTOR) * SECTOR, b"\xff")


def _add_all(entries: list[Entry], tree: Tree) -> int:
    """Add a storage's entries as a balanced tree and return its root."""
    names = sorted(tree, key=lambda name: (len(name), name.upper()))
    return _add_some(entries, tree, names)


def _add_some(entries: list[Entry], tree: Tree, names: list[str]) -> int:
    if not names:
        return NONE
    middle = len(names) // 2
    value = tree[names[middle]]
    at = len(entries)
    entry = Entry(names[middle], 2 if isinstance(value, bytes) else 1)
    entries.append(entry)
    if isinstance(value, bytes):
        entry.data = value
    else:
        entry.child = _add_all(entries, value)
    entry.left = _add_some(entries, tree, names[:middle])
    entry.right = _add_some(entries, tree, names[middle + 1 :])
    return at


def _packed(entry: Entry) -> bytes:
    name = entry.name.encode("utf-16-le")
    return struct.pack(
        "<64sHBB3I16xI16xIQ", name, len(name) + 2, entry.kind, 1, entry.left, entry.right, entry.child,
        0, entry.start, entry.size,
    )  # fmt: skip


def properties(values: dict[tuple[int, int], bytes | int | str], *, header: int) -> Tree:
    """Return the streams of properties, by tag and type; `header` bytes come before the fixed ones."""
    tree: Tree = {}
    fixed = b""
    for (tag, kind), value in values.items():
        if isinstance(value, int):
            fixed += struct.pack("<HHIQ", kind, tag, 6, value)
            continue
        data = value.encode("utf-16-le" if kind == UNICODE else "utf-8") if isinstance(value, str) else value
        tree[f"__substg1.0_{tag:04X}{kind:04X}"] = data
        fixed += struct.pack("<HHIII", kind, tag, 6, len(data), 0)
    tree["__properties_version1.0"] = bytes(header) + fixed
    return tree


def message(
    values: dict[tuple[int, int], bytes | int | str],
    *,
    recipients: list[dict[tuple[int, int], bytes | int | str]] | None = None,
    attachments: list[Tree] | None = None,
    header: int = 32,
) -> Tree:
    """Return the storage of a message; `header` is 24 for one within another."""
    tree = properties(values, header=header)
    tree |= {
        f"__recip_version1.0_#{n:08X}": properties(each, header=8) for n, each in enumerate(recipients or [])
    }
    return tree | {f"__attach_version1.0_#{n:08X}": each for n, each in enumerate(attachments or [])}


def attachment(values: dict[tuple[int, int], bytes | int | str], embedded: Tree | None = None) -> Tree:
    tree = properties(values, header=8)
    return tree | {"__substg1.0_3701000D": embedded} if embedded else tree
