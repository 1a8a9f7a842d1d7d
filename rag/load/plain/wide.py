"""UTF-16 and UTF-32 without a byte-order mark, and the encodings that use seven bits."""

from __future__ import annotations

import re
from typing import Final

from rag.load.plain.charsets import CHINESE

ESCAPES: Final = (  # what begins other characters in a 7-bit encoding
    (re.compile(rb"\x1b\$[@B(]"), "iso2022_jp_ext"),
    (re.compile(rb"\x1b\$\)C"), "iso2022_kr"),
    (re.compile(rb"~\{(?:[\x21-\x7d][\x21-\x7e])+~\}"), "hz"),
)
SAMPLE: Final = 65_536  # bytes looked at
HALF: Final = 0.45  # of the bytes of UTF-32 are NUL, at least
WRITTEN: Final = 0.25  # least part of the characters that are frequent Chinese or of an alphabet
AT_LEAST: Final = 3  # such characters, where no NUL tells that each takes two bytes
ASCII: Final = frozenset(map(chr, range(0x80)))
ALPHABETS: Final = frozenset(map(chr, (*range(0x09, 0x0E), *range(0x20, 0x0600), *range(0x0600, 0x0780))))
THAI: Final = frozenset(map(chr, range(0x0E01, 0x0E5C)))
SIGNS: Final = frozenset(map(chr, (*range(0x2010, 0x2027), *range(0x3000, 0x3018), *range(0xFF01, 0xFF5F))))
KANA: Final = frozenset(map(chr, range(0x3041, 0x30FF)))
HANGUL: Final = frozenset(map(chr, range(0xAC00, 0xD7A4)))
COMMON: Final = ALPHABETS | THAI | SIGNS | KANA | CHINESE


def seven_bit(data: bytes) -> str | None:
    """Return the text of ISO-2022-JP, ISO-2022-KR or HZ; None for plain ASCII."""
    for mark, encoding in ESCAPES:
        if not mark.search(data):
            continue
        try:
            text = data.decode(encoding)
        except UnicodeError:
            continue
        if encoding != "hz" or any(char in CHINESE for char in text):
            return text
    return None


def wide_encoding(data: bytes) -> str:
    """Return the UTF-16 or UTF-32 that `data` is in, "" when it is in neither."""
    head = data[: min(len(data), SAMPLE) & ~3] or data[: len(data) & ~1]
    nuls = head.count(0)
    if nuls >= HALF * len(head):
        for encoding in ("utf-32-le", "utf-32-be"):
            if _written(head, encoding, COMMON | HANGUL) >= WRITTEN:
                return encoding
    common = COMMON | HANGUL if nuls else COMMON - ASCII
    scores = {encoding: _written(head, encoding, common) for encoding in ("utf-16-le", "utf-16-be")}
    best = max(scores, key=lambda encoding: scores[encoding])
    is_told = nuls or (len(data) % 2 == 0 and scores[best] * len(head) >= 2 * AT_LEAST)
    return best if is_told and scores[best] >= WRITTEN else ""


def _written(head: bytes, encoding: str, common: frozenset[str]) -> float:
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as exc:
        if exc.start < len(head) - 4:
            return 0.0
        text = head[: exc.start].decode(encoding)
    return sum(char in common for char in text) / len(text) if text else 0.0
