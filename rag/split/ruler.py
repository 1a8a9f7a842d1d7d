"""Spans measured in the embedder's tokens; those that are too long cut at their softest places."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Final, TypeAlias

TokenOffsets: TypeAlias = Callable[[str], list[tuple[int, int]]]
Span: TypeAlias = tuple[int, int, int]  # start, end, tokens

WINDOW: Final = 16_384  # characters given to the tokenizer at once
CHARS_PER_TOKEN: Final = 4  # width of the window in which a text without sentence ends is cut
MAX_CHARS_PER_TOKEN: Final = 8  # a tokenizer that calls a long word one unknown token is not believed
SOFT_CUTS: Final = tuple(  # a line, a cell or sentence, a clause, a word: the last one in the second half
    re.compile(f".*(?:{end})", re.DOTALL)
    for end in (r"\n", r" \| |[;；。！？…]\s?|[.!?]\s|\t", r"[，、：）)\]}]|[,:]\s", r"\s")
)


class Ruler:
    """Measures and cuts one text."""

    def __init__(self, text: str, token_offsets: TokenOffsets, limit: int) -> None:
        self.limit = limit  # tokens of a piece
        self.room = max(1, limit - 2)  # a tokenizer may count a span's edges differently on its own
        self._text = text
        self._token_offsets = token_offsets

    def count(self, start: int, end: int) -> int:
        return len(self._token_offsets(self._text[start:end]))

    def measured(self, spans: Iterator[tuple[int, int]]) -> Iterator[Span]:
        """Count the tokens of each span, calling the tokenizer on windows of many; cut the long ones.

        The tokens of a gap of at most `limit` characters, if the tokenizer counts white space, are those of
        the span before it.
        """
        batch: list[tuple[int, int]] = []
        for (start, end), (following, _) in pairwise(chain(spans, [(len(self._text),) * 2])):
            reach = min(following, end + self.limit)
            if batch and reach - batch[0][0] > WINDOW:
                yield from self._measure(batch)
                batch = []
            if reach - start > WINDOW:
                yield from self.chop(start, reach)
            else:
                batch.append((start, reach))
        yield from self._measure(batch)

    def _measure(self, batch: Sequence[tuple[int, int]]) -> Iterator[Span]:
        if not batch:
            return
        base = batch[0][0]
        ends = [base + end for _, end in self._token_offsets(self._text[base : batch[-1][1]])]
        for start, reach in batch:
            end = start + len(self._text[start:reach].rstrip())
            before, within, after = (bisect_right(ends, offset) for offset in (start, end, reach))
            if max(within - before, (end - start) // MAX_CHARS_PER_TOKEN) > self.room:
                yield from self.chop(start, reach)
            else:
                yield start, end, min(after - before, self.room)

    def chop(self, start: int, end: int) -> Iterator[Span]:
        """Cut a span that is too long at its softest places, reading a few hundred characters at a time."""
        while start < end:
            cut, tokens = self._cut(start, end)
            piece = self._text[start:cut]
            left, right = cut - len(piece.lstrip()), start + len(piece.rstrip())
            if left < right:
                yield left, right, tokens
            start = cut

    def _cut(self, start: int, end: int) -> tuple[int, int]:
        """Return the end of the piece that begins at `start`, and its tokens."""
        window = self._text[start : min(end, start + self.limit * CHARS_PER_TOKEN)]
        offsets = self._token_offsets(window)
        size = offsets[self.room][0] if len(offsets) > self.room else len(window)
        if start + size < end:
            cuts = (cut.match(window, size // 2, size) for cut in SOFT_CUTS)
            size = next((cut.end() for cut in cuts if cut), size)
        size = max(1, size)
        while (tokens := self.count(start, start + size)) > self.limit and size > 1:
            size = max(1, size * 3 // 4)
        return start + size, tokens
