"""From the model's text to checked citations: markers that point nowhere go, the quoted sentence is found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rag.datatypes import Citation, Hit, Passage
from rag.prompt import NO_ANSWER
from rag.sentences import sentence_spans

MARKER: Final = re.compile(r"[\[［【]\s*(\d+(?:\s*[,，、]\s*\d+)*)\s*[\]］】]")
UNFINISHED: Final = re.compile(r"[\[［【][\d\s,，、]{0,20}\Z")
FEATURE: Final = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+", re.UNICODE)
HAN_RUN: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
ENOUGH_SUPPORT: Final = 0.6  # share of a sentence's words found in the span that a marker is added for


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """An answer's text with true markers only, and where each points."""

    text: str
    citations: tuple[Citation, ...]
    refused: bool


class MarkerFilter:
    """Passes streamed text on, holding back an unfinished marker, dropping those that point nowhere."""

    def __init__(self, allowed: frozenset[int]) -> None:
        self.allowed = allowed
        self._held = ""
        self._code = False  # inside backquotes, where [0] is an index

    def feed(self, piece: str) -> str:
        text = self._held + piece
        cut = found.start() if (found := UNFINISHED.search(text)) else len(text)
        self._held = text[cut:]
        return self._clean(text[:cut])

    def flush(self) -> str:
        text, self._held = self._held, ""
        return self._clean(text)

    def _clean(self, text: str) -> str:
        pieces: list[str] = []
        for index, run in enumerate(text.split("`")):
            if index:
                self._code = not self._code
            pieces.append(run if self._code else MARKER.sub(self._keep, run))
        return "`".join(pieces)

    def _keep(self, found: re.Match[str]) -> str:
        numbers = dict.fromkeys(int(number) for number in re.findall(r"\d+", found[1]))
        return "".join(f"[{number}]" for number in numbers if number in self.allowed)


def cite(text: str, hits: Sequence[Hit]) -> Cited:
    """Check `text` against the passages it may cite: `hits`, each with its marker.

    A sentence without a marker gets that of the passage which holds nearly all its words.
    """
    by_marker = {hit.marker: hit.passage for hit in hits}
    markers = MarkerFilter(frozenset(by_marker))
    text = (markers.feed(text) + markers.flush()).strip()
    if refuses(text):
        return Cited(text=MARKER.sub("", text).strip(), citations=(), refused=True)
    text = "".join(_with_marker(sentence, by_marker) for sentence in _sentences(text))
    return Cited(text=text, citations=tuple(_citations(text, by_marker)), refused=False)


def refuses(text: str) -> bool:
    """Tell whether the model said that the passages hold no answer."""
    said = _letters(MARKER.sub("", text))
    return not said or any(said.startswith(_letters(sentence)) for sentence in NO_ANSWER.values())


def support(sentence: str, span: str) -> float:
    """Return the share, 0 to 1, of the sentence's words and Chinese character pairs that the span holds."""
    wanted = _features(MARKER.sub("", sentence))
    return len(wanted & _features(span)) / len(wanted) if wanted else 0.0


def _citations(text: str, by_marker: dict[int, Passage]) -> Iterator[Citation]:
    seen: set[tuple[int, int]] = set()
    for sentence in _sentences(text):
        for found in MARKER.finditer(sentence):
            passage = by_marker.get(int(found[1]))
            if passage is None:
                continue  # an index in code
            start, end = _quote(sentence, passage)
            if (int(found[1]), start) not in seen:
                seen.add((int(found[1]), start))
                yield _citation(int(found[1]), passage, start, end)


def _citation(marker: int, passage: Passage, start: int, end: int) -> Citation:
    return Citation(
        marker=marker,
        document=passage.source,
        page=passage.page,
        quote=passage.text[start:end],
        start=passage.start + start,
        end=passage.start + end,
    )


def _quote(sentence: str, passage: Passage) -> tuple[int, int]:
    """Return the span, one or two sentences, that supports best; the whole passage where none does."""
    spans = sentence_spans(passage.text)
    pairs = [(start, end) for (start, _), (_, end) in pairwise(spans)]
    best, score = (0, len(passage.text)), 0.0
    for start, end in spans + pairs:
        found = support(sentence, passage.text[start:end])
        if found > score + (0.15 if (start, end) in pairs else 0.0):
            best, score = (start, end), found
    return best


def _with_marker(sentence: str, by_marker: dict[int, Passage]) -> str:
    body = sentence.rstrip()
    if MARKER.search(body) or len(_features(body)) < 3:  # noqa: PLR2004 (a greeting claims nothing)
        return sentence
    scores = {marker: support(body, passage.text) for marker, passage in by_marker.items()}
    best = max(scores, key=scores.__getitem__, default=0)
    if scores.get(best, 0.0) < ENOUGH_SUPPORT:
        return sentence
    return f"{body} [{best}]{sentence[len(body) :]}"


def _sentences(text: str) -> Iterator[str]:
    """Cut the text into sentences, space included; a marker belongs to the sentence it follows."""
    ends = [end for _, end in sentence_spans(text)]
    start = 0
    for end in ends:
        if end <= start:
            continue
        while following := re.compile(r"\s*" + MARKER.pattern + r"[.。]?").match(text, end):
            end = following.end()
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _features(text: str) -> frozenset[str]:
    words = (word.casefold() for word in FEATURE.findall(HAN_RUN.sub(" ", text)))
    pairs = (run[i : i + 2] for run in HAN_RUN.findall(text) for i in range(max(1, len(run) - 1)))
    return frozenset(words) | frozenset(pairs)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
