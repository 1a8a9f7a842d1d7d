"""Numbers of an answer as its passages write them: a model makes 27 of 二十七, and no search finds that.

It also makes 1268-1273 of "between 1268 and 1273".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rag.prompt import Language
from rag.quantities import TOO_COMMON, spelt_numbers

RUN: Final = frozenset("0123456789.,:/-")
BELONGS_BEFORE: Final = re.compile(r"[\w$€£¥№#.,:/-]", re.ASCII)
BELONGS_AFTER: Final = re.compile(r"[A-Za-z%％°‰]")
SPAN: Final = re.compile(r"(\d+)-(\d+)")
SPAN_WRITTEN: Final[dict[Language, str]] = {
    "en": r"(?<![\d.,])(?:between\s+{first}\s+and|(?:from\s+)?{first}\s+(?:to|until|till|through))"
    r"\s+{last}(?!\d|[.,]\d)",
    "zh": r"(?<![\d.,])[自从由]?\s*{first}\s*(?P<unit>[年月日点号]?)\s*[至到]\s*{last}(?P=unit)(?!\d|[.,]\d)",
}
SHORTENED: Final = re.compile(  # 一千二 takes no 元 after it, and "a hundred" no article before it
    r"[百千万亿][一二三四五六七八九]\Z|\Aan?\b", re.IGNORECASE
)
LISTS: Final = frozenset(")）、")  # after the number of an entry


class AsWritten:
    """Passes an answer on as it is written; a number that its passages only spell out is spelt as they do.

    So is a span of numbers that they write in words. Text comes out the same however it is cut into pieces.
    """

    def __init__(self, passages: Sequence[str], language: Language) -> None:
        """`language` is the answer's: of a passage in the other one, nothing is taken over."""
        self._passages = passages
        self._language = language
        self._run = ""  # perhaps a number
        self._line = ""  # what has been passed on of this line
        self._marker = False  # inside the brackets of one

    def feed(self, piece: str) -> str:
        return "".join(map(self._feed, piece))

    def flush(self) -> str:
        """Return what is left when the answer has ended."""
        return self._ended("")

    def _feed(self, character: str) -> str:
        if character in RUN:
            self._run += character
            return ""
        text = self._ended(character) + character
        self._line = (self._line + text).rpartition("\n")[2]
        self._marker = character in "[［【" or (self._marker and character not in "]］】")
        return text

    def _ended(self, following: str) -> str:
        run, self._run = self._run, ""
        number = run.rstrip(".,:/-")
        if not number or self._marker or self._belongs(run, following):
            return run
        if span := SPAN.fullmatch(number):
            return self._span_as_written(span[1], span[2], following) + run[len(number) :]
        return self._as_written(number) + run[len(number) :] if number.isdigit() else run

    def _belongs(self, run: str, following: str) -> bool:
        """Tell whether the number is a part of something, as in a date, a name or a list."""
        if BELONGS_BEFORE.search(self._line[-1:]) or BELONGS_AFTER.match(following):
            return True
        begins = not self._line.strip()
        return begins and (following in LISTS or (run[-1] in ".:" and following.isspace()))

    def _as_written(self, number: str) -> str:
        stands = re.compile(rf"(?<!\d){number}(?!\d)")
        if number in TOO_COMMON or any(map(stands.search, self._passages)):
            return number
        spelt = (each for text in self._passages for each in spelt_numbers(text, self._language))
        whole = ((value, written) for value, written in spelt if not SHORTENED.search(written))
        return next((written for value, written in whole if value == number), number)

    def _span_as_written(self, first: str, last: str, following: str) -> str:
        """Return how the passages write the span, where the answer begins with it and none has it so."""
        span = f"{first}-{last}"
        so = re.compile(rf"(?<!\d){first}\s*[-‐-―~～]\s*{last}(?!\d)")
        if self._line.strip() or any(map(so.search, self._passages)):
            return span
        written = re.compile(SPAN_WRITTEN[self._language].format(first=first, last=last), re.IGNORECASE)
        found = next(filter(None, map(written.search, self._passages)), None)
        if found is None:
            return span
        unit = found["unit"] if self._language == "zh" else ""
        return found[0].removesuffix(unit if unit == following else "")
