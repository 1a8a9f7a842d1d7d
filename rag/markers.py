"""The markers in an answer, told from other numbers in brackets: of code and of the documents' own text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from rag.datatypes import Hit
from rag.sentences import sentence_spans

Pointing: TypeAlias = Callable[[re.Match[str]], bool]  # whether a number in brackets is a marker

MARKER: Final = re.compile(r"[\[［【]\s*(\d+(?:\s*[,，、]\s*\d+)*)\s*[\]］】]")
TRAILING_MARKERS: Final = re.compile(rf"(?:\s*{MARKER.pattern})*[.。]?")
CODE: Final = re.compile(r"`[^`]*`")
FENCE: Final = re.compile(r"\s*(?:[-*+]\s+|\d+[.)]\s+)?(`{3,}|~{3,})[^`]*")  # begins a block of code
YEAR: Final = 1000  # a number in brackets from here on is never a marker: [2015], 〔2023〕
WORD: Final = re.compile(r"\w")


def points_to(hits: Sequence[Hit], found: re.Match[str]) -> bool:
    """Tell whether a number in brackets points to a passage, or at least is none of a passage's own text.

    A document's own are years, as in Smith [2015] UKSC 12, and lists that are not all markers, as in [0, 1];
    its footnotes have no place in an answer.
    """
    numbers = [int(number) for number in re.findall(r"\d+", found[1])]
    unknown = set(numbers) - {hit.marker for hit in hits}
    may_be_text = bool(unknown) and (len(numbers) > 1 or numbers[0] >= YEAR)
    return not (may_be_text and any(found.group() in hit.passage.text for hit in hits))


def unmarked(text: str, points: Pointing) -> str:
    """Return the text without its markers."""
    said, start = "", 0
    for found in filter(points, MARKER.finditer(_without_code(text))):
        said, start = said + text[start : found.start()], found.end()
    return said + text[start:]


def markers(sentence: str, points: Pointing) -> set[int]:
    """Return the numbers of all markers."""
    return {number for _, marked in clauses(sentence, points) for number in marked}


def clauses(sentence: str, points: Pointing) -> Iterator[tuple[str, set[int]]]:
    """Yield each piece of a sentence that ends at a marker, and last the rest, with the markers that follow.

    Where nothing is said between two markers, both follow the same piece.
    """
    clause, marked, start = "", set[int](), 0
    for found in filter(points, MARKER.finditer(_without_code(sentence))):
        if WORD.search(piece := sentence[start : found.start()]):
            if marked:
                yield clause, marked
            clause, marked = piece, set()
        marked.add(int(re.findall(r"\d+", found[1])[0]))
        start = found.end()
    if WORD.search(rest := sentence[start:]):
        if marked:
            yield clause, marked
        clause, marked = rest, set()
    yield clause, marked


def _without_code(text: str) -> str:
    """Return the text with blanks for what stands in backquotes, where [0] is an index."""
    return CODE.sub(lambda found: " " * len(found.group()), text)


def marked_sentences(text: str) -> list[str]:
    """Cut the text into sentences, space included; a marker belongs to the sentence it follows."""
    sentences, start = [], 0
    for _, end in sentence_spans(text):
        if end > start:
            following = TRAILING_MARKERS.match(text, end)
            end = following.end() if following else end
            sentences.append(text[start:end])
            start = end
    return sentences


class Fence:
    """Follows the lines of an answer through blocks of code, which a marker would break."""

    def __init__(self) -> None:
        self._mark = ""  # that ends the block which is open
        self._line = self._block = ""

    @property
    def is_open(self) -> bool:
        return bool(self._mark)

    def feed(self, character: str) -> None:
        if character != "\n":
            self._line += character
            return
        line, self._line = self._line, ""
        opening = FENCE.fullmatch(line)
        if not self._mark:
            self._mark = opening[1] if opening else ""
        elif line.strip().startswith(self._mark) and not line.strip(f"{self._mark[0]} \t"):
            self._mark = ""
        else:
            self._block += f"{line}\n"

    def flush(self) -> str:
        """End the last line; return what would close the block that is left open."""
        self.feed("\n")
        return self._mark

    def take(self) -> str:
        """Return the code of the block that has ended, once."""
        block, self._block = self._block, ""
        return block
