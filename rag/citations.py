"""From the true markers of an answer to the places that they point to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.claims import is_yes_or_no
from rag.datatypes import Box, Citation, Passage
from rag.evidence import Held
from rag.markers import clauses, marked_sentences, unmarked


def citations_of(
    text: str, by_marker: dict[int, Passage], held: dict[int, Held], question: str = ""
) -> Iterator[Citation]:
    """Yield where each true marker points: to what holds its clause, or else the sentence.

    A marker of a bare yes or no points to what holds most of the question.
    """

    def points(found: re.Match[str]) -> bool:
        return found[1].isdigit() and int(found[1]) in by_marker

    seen: set[tuple[int, int]] = set()
    sentences = marked_sentences(text)
    for sentence in sentences:
        bare = len(sentences) == 1 and is_yes_or_no(unmarked(sentence, points), question)
        pieces = [(clause, marked) for clause, marked in clauses(sentence, points) if marked]
        for clause, marked in pieces:
            said = question if bare else clause if len(pieces) > 1 else unmarked(sentence, points)
            for number in sorted(marked):
                span = held[number].best_span(said)
                if not span.score and span.nearness is None:
                    span = held[number].best_span(unmarked(sentence, points))
                if (number, span.start) not in seen:
                    seen.add((number, span.start))
                    yield citation_of(number, by_marker[number], span.start, span.end)


def citation_of(marker: int, passage: Passage, start: int, end: int) -> Citation:
    return Citation(
        marker=marker,
        document=passage.source,
        page=_page(passage, passage.start + start),
        quote=passage.text[start:end],
        start=passage.start + start,
        end=passage.start + end,
        unit=passage.unit,
        part=passage.part,
        cells=passage.cells,
        boxes=boxes_of(passage, passage.start + start, passage.start + end),
        confidence=passage.confidence,
        also=passage.also,
    )


def boxes_of(passage: Passage, start: int, end: int) -> tuple[Box, ...]:
    """Return the boxes of a passage's lines that `document.text[start:end]` touches."""
    lines = [line for line in passage.regions if line.start < end and start < line.end]
    return tuple(line.box for line in lines if line.box)


def _page(passage: Passage, offset: int) -> int | None:
    """Return the page of an offset into the document."""
    begun = [number for number, start in passage.later_pages if start <= offset]
    return begun[-1] if begun else passage.page
