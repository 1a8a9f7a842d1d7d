"""Where a text may be cut: after sentences of both languages, paragraphs and list items."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

CLOSERS: Final = "\"'”’»)\\]）】》」』〉〕"
CANDIDATE: Final = re.compile(rf"[。！？；…｡]+[{CLOSERS}]*|(?<![.!?])[.!?]++[{CLOSERS}]*+(?=\s)|\n\s*\n|\n")
ABBREVIATION: Final = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|cf|al|approx|Fig|Figs|Eq|No|Nos|Vol|pp?|Inc|Ltd|Co|Corp"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Sec|ca|resp|e\.g|i\.e|a\.m|p\.m|Ph\.D)"
    r"|\b(?:[A-Z]\.)*[A-Z]|^\s*\d{1,3}|^\s*[a-z])$",
    re.MULTILINE,
)
ITEM: Final = re.compile(
    r"[^\S\n]*(?:[-*+•·●○▪◦–—|>#]|\(?\w{1,3}[.)、]|[（(][一二三四五六七八九十\d]+[)）]|第.{1,4}[章节条])"
)
CELL_ENDS: Final = " | "  # between the cells of a row
LABEL: Final = re.compile(r"[^\n:：|;；]{1,40}[:：]\s")  # a row may name its columns
LOOK_BACK: Final = 12  # characters an abbreviation can take
WRAPPED: Final = range(50, 121)  # columns of a line that a program, not the author, has broken


def cut_points(text: str) -> Iterator[int]:
    """Yield, in order, the offsets at which a sentence, a line that stands alone or a paragraph has ended."""
    line_start = 0
    for match in CANDIDATE.finditer(text):
        mark = match.group()
        if mark[0] == "\n":
            if len(mark) > 1 or not _is_wrapped(text, line_start, match.start()):
                yield match.end()
            line_start = match.end()
        elif mark[0] not in ".!?" or _ends_sentence(text, match):
            yield match.end()


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 3].lstrip()
    if following[:1].islower():
        return False
    if match.group() != ".":
        return True
    return not ABBREVIATION.search(text, max(0, match.start() - LOOK_BACK), match.start())


def _is_wrapped(text: str, start: int, end: int) -> bool:
    """Say whether the newline at `end` only breaks a line of running text."""
    if end - start > WRAPPED.stop or _is_row(text, start, end):
        return False
    columns = sum(2 if char >= "\u2e80" else 1 for char in text[start:end])
    return columns in WRAPPED and not ITEM.match(text, end + 1)


def _is_row(text: str, start: int, end: int) -> bool:
    """Say whether a line is one of a table's, or names what it tells as the next line does."""
    label = LABEL.match(text, start, end)
    after = text.find("\n", end + 1)
    both = CELL_ENDS in text[start:end] and CELL_ENDS in text[end : after if after >= 0 else len(text)]
    many = text.count(CELL_ENDS, start, end) > 1
    return both or many or bool(label and text.startswith(label.group(), end + 1))


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each sentence, without the space around it, in order."""
    spans = []
    start = 0
    for end in [*cut_points(text), len(text)]:
        sentence = text[start:end]
        if body := sentence.strip():
            first = start + sentence.index(body)
            spans.append((first, first + len(body)))
        start = end
    return spans
