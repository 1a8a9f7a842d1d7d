"""What the members of a zip are called: many archivers write names in the encoding of their own system."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from rag.load.content import clean
from rag.load.plain.alphabets import CENTRAL, CYRILLIC, WESTERN, coherence

IS_UTF8: Final = 0x800  # bit of a member's flags (APPNOTE 6.3.10, 4.4.4)
UNICODE_PATH: Final = 0x7075  # extra field of Info-ZIP (4.6.9)
EVERYDAY: Final = {  # encoding -> lead bytes of its everyday characters, least trail byte
    "gb18030": ((0xA1, 0xA3), (0xB0, 0xD7), 0xA1),
    "big5": ((0xA1, 0xA3), (0xA4, 0xC6), 0x40),
    "cp932": ((0x81, 0x81), (0x88, 0x97), 0x40),
    "cp949": ((0xA1, 0xA3), (0xB0, 0xC8), 0xA1),
}
ALPHABETS: Final = {  # of DOS before those of Windows, as most archivers write the former
    "cp437": WESTERN,
    "cp866": CYRILLIC,
    "cp852": CENTRAL,
    "cp1252": WESTERN,
    "cp1251": CYRILLIC,
    "cp1250": CENTRAL,
}
BOTH_SCRIPTS: Final = re.compile("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
KANA: Final = range(0x829F, 0x8397)  # in Shift-JIS
PAIR: Final = re.compile(rb"[\x80-\xff]{2}")
MOST: Final = 0.75  # part of the characters that must be everyday ones
# Syllables frequent in Korean names; the bytes of Hangul are those of everyday Chinese characters.
HANGUL: Final = frozenset(
    "이다는을를의에가은한고하지로기사도서리어나대시인자수정있그아해것세일원부전제보장주스상과들안요공계획"
)


def member_names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the members' paths: forward slashes, nothing that points out of the archive."""
    foreign = [_raw(info) for info in infos if not info.flag_bits & IS_UTF8]
    encoding = encoding_of(b"\n".join(raw for raw in foreign if not raw.isascii()))
    return [_path(_name(info, encoding)) for info in infos]


def encoding_of(names: bytes) -> str:
    """Return the encoding of `names`, one a line, that do not say theirs."""
    if not PAIR.search(names):
        return _single_byte_encoding(names)  # accented letters between others
    for encoding in ("utf-8", "cp949"):
        text = _decoded(names, encoding)
        if text and (encoding == "utf-8" or _is_korean(names, text)):
            return encoding
    shares = {encoding: _everyday(names, encoding) for encoding in EVERYDAY if encoding != "cp949"}
    best = max(shares, key=lambda encoding: shares[encoding])
    return best if shares[best] >= MOST else _single_byte_encoding(names)


def _single_byte_encoding(names: bytes) -> str:
    """Return the encoding in which all letters belong to one language; that of DOS where none does."""

    def fit(encoding: str) -> float:
        text = names.decode(encoding, "replace")
        return 0.0 if BOTH_SCRIPTS.search(text) else coherence(text, ALPHABETS[encoding])

    return max(ALPHABETS, key=fit)


def path_of(raw: bytes) -> str:
    """Return the path of one member whose name is the bytes `raw`."""
    return _path(raw.decode(encoding_of(raw), "replace"))


def _name(info: zipfile.ZipInfo, encoding: str) -> str:
    if info.flag_bits & IS_UTF8:
        return info.orig_filename
    raw = _raw(info)
    for kind, value in _extra_fields(info.extra):
        if kind == UNICODE_PATH and value[1:5] == struct.pack("<L", zlib.crc32(raw)):
            return value[5:].decode("utf-8", "replace")
    return raw.decode(encoding, "replace")


def _raw(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("cp437", "replace")  # as `zipfile` decoded it


def _path(name: str) -> str:
    parts = clean(name.partition("\0")[0].replace("\\", "/").replace("\n", " ")).split("/")
    return (
        "/".join(part for part in parts if part.strip() not in {"", ".", ".."}) or "a member without a name"
    )


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:  # noqa: PLR2004 - kind and size
        kind, size = struct.unpack_from("<2H", extra)
        yield kind, extra[4 : 4 + size]
        extra = extra[4 + size :]


def _decoded(names: bytes, encoding: str) -> str:
    try:
        return names.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _is_korean(names: bytes, text: str) -> bool:
    others = [char for char in text if not char.isascii()]
    frequent = sum(char in HANGUL for char in others)
    return _everyday(names, "cp949") >= MOST and 3 * frequent >= len(others)


def _everyday(names: bytes, encoding: str) -> float:
    """Return which part of the characters beyond ASCII are everyday ones, 0 when the bytes do not fit."""
    text = _decoded(names, encoding)
    others = [char.encode(encoding) for char in text if not char.isascii()]
    return sum(_is_everyday(code, encoding) for code in others) / len(others) if others else 0.0


def _is_everyday(code: bytes, encoding: str) -> bool:
    *leads, least = EVERYDAY[encoding]
    if len(code) != 2:  # noqa: PLR2004 - lead and trail byte
        return False
    is_kana = encoding == "cp932" and int.from_bytes(code) in KANA
    return is_kana or (any(first <= code[0] <= last for first, last in leads) and code[1] >= least)
