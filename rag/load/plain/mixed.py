"""Bytes that are not quite UTF-8: cut, damaged, or in part of another encoding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from rag.load.plain.charsets import HIGH, guess, telling

ASCII: Final = bytes(range(0x80))
SEQUENCE: Final = re.compile(  # one character beyond ASCII (RFC 3629, 4)
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}"
    rb"|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
RUN: Final = re.compile(rb"[\x80-\xff]+")
TAIL: Final = re.compile(rb"\A[\x80-\xbf]{1,3}(?![\x80-\xbf])")  # of a character whose beginning is cut off
MIXED: Final = 0.2  # part of the bytes beyond ASCII that are UTF-8 when a file mixes encodings
DAMAGED: Final = 0.6  # part of a line's bytes beyond ASCII from which on it is damaged UTF-8
RARE: Final = re.compile("(?![\xa0-\u024fͰ-ϿЀ-џҐґא-תװ-״،-٩پچژکگی])[\x80-\u07ff]")  # written in UTF-8 by few
MOSTLY: Final = 0.8
THREE_BYTES: Final = re.compile("[\u0800-\uffff]")
WORD: Final = re.compile(rb"[A-Za-z\x80-\xff]*+")
LETTER: Final = re.compile(rb"[A-Za-z]")


def decode_mixed(data: bytes) -> tuple[str, list[str]] | None:
    """Return the text of bytes that are mostly or partly UTF-8, and what is wrong; None when they are not."""
    if _valid(data) < MIXED * (len(data) - _ascii(data)):
        return None
    lines = list(_lines_beyond_ascii(data))
    others = [data[start:end] for start, end in lines if not _is_utf8(data[start:end])]
    foreign = [line for line in others if not _is_damaged(line)]
    strict = sum(end - start for start, end in lines) - sum(map(len, others))
    if foreign and strict + sum(map(len, others)) - sum(map(len, foreign)) < MIXED * sum(map(len, foreign)):
        return None
    encoding = guess(b"".join(foreign) or b" ".join(_foreign_words(others)))
    notes = [f"its lines mix two encodings: UTF-8 and {encoding}"] if foreign else []
    return _joined(data, lines, encoding), notes


def is_mostly_utf8(data: bytes) -> bool:
    """Say whether nearly all that is beyond ASCII is whole UTF-8 characters."""
    sample = telling(data)
    return _valid(sample) >= MOSTLY * (len(sample) - _ascii(sample))


def decode_cut(data: bytes) -> tuple[str, list[str]] | None:
    """Return the text of UTF-8 that was cut within its first or last character; None for anything else."""
    tail = TAIL.match(data)
    rest = data[tail.end() :] if tail else data
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(rest)
    except UnicodeDecodeError:
        return None
    if not THREE_BYTES.search(text) and (text.isascii() or tail):
        return None
    ends = [*(["first"] if tail else []), *(["last"] if decoder.getstate()[0] else [])]
    return text, [f"its {each} character is cut" for each in ends]


def _lines_beyond_ascii(data: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while high := HIGH.search(data, at):
        start = max(data.rfind(b"\n", at, high.start()) + 1, at)
        end = data.find(b"\n", high.start())
        at = len(data) if end < 0 else end + 1
        yield start, at


def _is_utf8(line: bytes) -> bool:
    """Say whether a line is UTF-8, and not a few letters of another encoding that happen to look so."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not RARE.search(text)


def _valid(data: bytes) -> int:
    """Return how many bytes belong to whole UTF-8 characters beyond ASCII."""
    return sum(found.end() - found.start() for found in SEQUENCE.finditer(data))


def _ascii(data: bytes) -> int:
    return len(data) - len(data.translate(None, ASCII))


def _is_damaged(line: bytes) -> bool:
    return _valid(line) >= DAMAGED * (len(line) - _ascii(line))


def _foreign_words(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the words beyond ASCII in which no character is UTF-8."""
    for line in lines:
        yield from (word[0] for word in WORD.finditer(line) if not _valid(word[0]))


def _joined(data: bytes, lines: list[tuple[int, int]], encoding: str) -> str:
    pieces: list[str] = []
    done = 0
    for start, end in lines:
        line = data[start:end]
        pieces.append(data[done:start].decode("ascii"))
        if _is_damaged(line):
            pieces.append(_by_runs(line, encoding))
        else:
            pieces.append(line.decode("utf-8" if _is_utf8(line) else encoding, "replace"))
        done = end
    pieces.append(data[done:].decode("ascii"))
    return "".join(pieces)


def _by_runs(line: bytes, encoding: str) -> str:
    """Return a line of UTF-8 in which single words may be of another encoding."""
    if _is_utf8(line):
        return line.decode("utf-8")
    pieces: list[str] = []
    done = 0
    for run in RUN.finditer(line):
        pieces.append(line[done : run.start()].decode("ascii"))
        before, after = line[run.start() - 1 : run.start()], line[run.end() : run.end() + 1]
        is_word = LETTER.match(before) or LETTER.match(after)
        is_foreign = not _valid(run[0]) and is_word
        pieces.append(run[0].decode(encoding if is_foreign else "utf-8", "replace"))
        done = run.end()
    pieces.append(line[done:].decode("ascii"))
    return "".join(pieces)
