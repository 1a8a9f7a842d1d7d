"""Bytes -> text: byte-order mark, UTF-8, declaration, then what fits; what is damaged is said."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Final

from rag.errors import LoadError
from rag.load.plain.alphabets import CYRILLIC_ENCODINGS, LATIN_ENCODINGS, coherence
from rag.load.plain.charsets import BELIEVABLE, FREQUENT, fits, guess, is_short_chinese, python_name, telling
from rag.load.plain.mixed import RARE, decode_cut, decode_mixed, is_mostly_utf8
from rag.load.plain.mojibake import repaired
from rag.load.plain.wide import seven_bit, wide_encoding

MARKS: Final = (  # UTF-32 before UTF-16: its mark begins with the other's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
EMPTY: Final = re.compile(rb"\0{16,}")  # what a crash leaves of blocks that were never written
GREEK: Final = re.compile("[Α-Ωα-ω]")  # names quantities in text of every language: λ, δ, γδ T cells
SAMPLE: Final = 65_536  # characters looked at, at each of three places
FEW_UNREADABLE: Final = 4  # characters, in a short text
MAX_UNREADABLE: Final = 0.03  # part of the characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The text of some bytes, and a sentence on whatever could not be decoded or was repaired."""

    text: str
    notes: tuple[str, ...] = ()


def decode(data: bytes, *, declared: str | None = None) -> str:
    """Return the text of `data` as `decode_noted` does, without what is said of it."""
    return decode_noted(data, declared=declared).text


def decode_noted(data: bytes, *, declared: str | None = None, mend: bool = True) -> Decoded:
    """Return the text of `data`, and what could not be decoded or was repaired.

    Args:
        data: the bytes of a text in any encoding.
        declared: the charset that the file itself names; not believed when the bytes contradict it.
        mend: whether text that was encoded twice ("donâ€™t") is repaired.

    Raises:
        LoadError: when it is not text in any encoding.
    """
    whole = EMPTY.sub(b"", data) if b"\0" in data else data
    text, notes = _decode(whole, declared)
    if len(whole) < len(data):
        notes.append(f"{len(data) - len(whole):,} bytes of it are empty, as if it was not written to its end")
    if mend and not text.isascii():
        text, said = repaired(text)
        notes += [said] if said else []
    _refuse_binary(text)
    lost = text.count("\ufffd") - whole.count("\ufffd".encode())
    if lost > 0:
        notes.append(f"{lost:,} {'character' if lost == 1 else 'characters'} could not be decoded")
    return Decoded(text=text, notes=tuple(notes))


def _decode(data: bytes, declared: str | None) -> tuple[str, list[str]]:
    for mark, encoding in MARKS:
        if data.startswith(mark):
            bare = data.removeprefix(mark)
            strict = _strictly(bare, encoding)
            if strict is not None:
                return strict, []
            return (encoding == "utf-8" and decode_mixed(bare)) or (bare.decode(encoding, "replace"), [])
    if b"\0" in data and (wide := wide_encoding(data)):
        return data.decode(wide, "replace"), []
    if data.isascii():
        return seven_bit(data) or data.decode("ascii"), []
    text = _strictly(data, "utf-8")
    if text is not None:
        return (text if _is_surely_utf8(text, data) else data.decode("gb18030")), []
    return _as_declared(data, declared) or _guessed(data)


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (LookupError, UnicodeError):
        return None


def _is_surely_utf8(text: str, data: bytes) -> bool:
    """Say whether valid UTF-8 is no short Chinese in GBK that happens to look like it ("目录")."""
    if not is_short_chinese(telling(data)):
        return True
    rest = GREEK.sub("", text)
    alphabets = (*LATIN_ENCODINGS.values(), *CYRILLIC_ENCODINGS.values())
    return not RARE.search(rest) and all(
        any(coherence(word, each) >= BELIEVABLE for each in alphabets)
        for word in set(rest.split())  # each by itself: Jesús and Søren
        if not word.isascii()
    )


def _as_declared(data: bytes, declared: str | None) -> tuple[str, list[str]] | None:
    """Return the text in the declared charset, None where the bytes speak against it."""
    name = python_name(declared)
    text = _strictly(data, name) if name and not name.startswith(("utf", "cp65001")) else None
    if text is None:
        return None
    if not fits(data, name):
        found = guess(data)
        if found != name and fits(data, found) and (found in FREQUENT or name in FREQUENT):
            return None
    return text, []


def _guessed(data: bytes) -> tuple[str, list[str]]:
    cut = None if is_short_chinese(telling(data)) else decode_cut(data)
    if cut:
        return cut
    encoding = wide_encoding(data) or guess(data)
    if is_mostly_utf8(data) and (found := decode_mixed(data)):
        return found
    text = _strictly(data, encoding)
    if text is not None and (encoding.startswith("utf") or fits(data, encoding)):
        return text, []
    return decode_mixed(data) or (data.decode(encoding, "replace"), [])


def _refuse_binary(text: str) -> None:
    middle = max(0, len(text) // 2 - SAMPLE // 2)
    for start in {0, middle, max(0, len(text) - SAMPLE)}:
        if not _is_readable(text[start : start + SAMPLE]):
            raise LoadError("it holds binary data, not text in any known encoding")


def _is_readable(sample: str) -> bool:
    bad = sum(
        times
        for char, times in Counter(sample).items()
        if char not in "\b\t\n\r\f\x1b"
        and (char == "\ufffd" or unicodedata.category(char) in {"Cc", "Cn", "Co", "Cs"})
    )
    return bad <= max(FEW_UNREADABLE, MAX_UNREADABLE * len(sample))
