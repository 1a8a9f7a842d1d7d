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
UNFINISHED: Final = re.compile(r"(?:\s+|\s*[\[［【][\d\s,，、]{0,20})\Z")
FEATURE: Final = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+", re.UNICODE)
HAN_RUN: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
TRAILING_MARKERS: Final = re.compile(rf"(?:\s*{MARKER.pattern})*[.。]?")
WIDE_ENDS: Final = "。！？；”」』）"  # no space belongs after these
ENOUGH_SUPPORT: Final = 0.6  # share of a sentence's words in the passage from which on a marker is added
LEAST_SUPPORT: Final = 0.3  # below it a marker is wrong, if another passage has enough
FEWEST_FEATURES: Final = 3  # a sentence with fewer words counts only if it is all there is, as in "27 days"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """An answer's text with true markers only, and where each points."""

    text: str
    citations: tuple[Citation, ...]
    refused: bool
    supported: bool = False  # nearly all words of some cited sentence stand in what it cites


class Citer:
    """Passes an answer on as it is written, with true markers only.

    An unfinished marker is held back, one that points nowhere is dropped, and one whose passage shares hardly
    a word with the sentence gives way to the passage that holds nearly all of them; so gets a sentence that
    ends without any. Text comes out the same however it is cut into pieces.
    """

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._passages = {hit.marker: hit.passage for hit in hits}
        self._held = ""  # perhaps the beginning of a marker, or space
        self._sentence = ""  # what has been passed on since the last sentence ended
        self._ahead: list[int] = []  # markers written before their sentence
        self._alone = True  # no sentence has ended yet
        self._code = False  # inside backquotes, where [0] is an index

    def feed(self, piece: str) -> str:
        return "".join(self._feed(character) for character in piece)

    def flush(self) -> str:
        """Return what is left when the answer has ended."""
        text, self._held = UNFINISHED.sub("", self._held), ""
        return self._pass_on(text) + self._missing_marker(self._sentence)

    def _feed(self, character: str) -> str:
        if self._ahead and character.isspace() and not self._held and not _features(self._sentence):
            return ""  # the space after a marker that has been taken out
        self._held += character
        self._code ^= character == "`"
        if self._code:
            return self._release()
        if found := MARKER.search(self._held):
            before, numbers = self._held[: found.start()], self._true_numbers(found)
            self._held = before + numbers if numbers else before.rstrip()
            return self._release() if numbers else ""
        return "" if UNFINISHED.search(self._held) else self._release()

    def _release(self) -> str:
        text, self._held = self._held, ""
        return self._pass_on(text)

    def _pass_on(self, text: str) -> str:
        sentence, *later = _sentences(self._sentence + text) or [""]
        if not later:
            self._sentence += text
            return text
        self._alone = False
        added = self._missing_marker(sentence)
        self._sentence = "".join(later)
        return added + text

    def _true_numbers(self, found: re.Match[str]) -> str:
        numbers = dict.fromkeys(int(number) for number in re.findall(r"\d+", found[1]))
        known = [number for number in numbers if number in self._passages]
        sentence = self._sentence + self._held[: found.start()]
        if not _features(sentence):
            self._ahead += known  # of the sentence it speaks for; told when that has ended
            return ""
        holding = [f"[{number}]" for number in self._holding(known, sentence)]
        return "".join(marker for marker in holding if marker not in sentence)

    def _missing_marker(self, sentence: str) -> str:
        ahead, self._ahead = self._ahead, []
        if MARKER.search(sentence) or refuses(sentence):
            return ""
        numbers = self._holding(ahead, sentence) or self._best(sentence)
        space = "" if sentence.rstrip()[-1:] in WIDE_ENDS else " "
        return space + "".join(f"[{number}]" for number in numbers) if numbers else ""

    def _holding(self, numbers: list[int], sentence: str) -> list[int]:
        """Return those of `numbers` whose passage may hold the sentence, or the one that surely does."""
        best = self._best(sentence)
        if not best:
            return numbers
        kept = [n for n in numbers if support(sentence, self._passages[n].text) >= LEAST_SUPPORT]
        return kept or (best if numbers else [])

    def _best(self, sentence: str) -> list[int]:
        """Return the passage, if any, that holds nearly all words of the sentence."""
        scores = {marker: support(sentence, passage.text) for marker, passage in self._passages.items()}
        best = max(scores, key=scores.__getitem__, default=0)
        short = len(_features(sentence)) < FEWEST_FEATURES
        if scores.get(best, 0.0) < (1.0 if short else ENOUGH_SUPPORT) or (short and not self._alone):
            return []
        return [best]


def cite(text: str, hits: Sequence[Hit]) -> Cited:
    """Check `text` against the passages it may cite: `hits`, each with its marker."""
    if refuses(text):
        return Cited(text=_refusal(text), citations=(), refused=True)
    citer = Citer(hits)
    text = citer.feed(text.strip()) + citer.flush()
    passages = {hit.marker: hit.passage for hit in hits}
    return Cited(
        text=text,
        citations=tuple(_citations(text, passages)),
        refused=False,
        supported=_is_supported(text, passages),
    )


def refuses(text: str) -> bool:
    """Tell whether the model said that the passages hold no answer."""
    said = _letters(MARKER.sub("", text))
    return not said or any(said.startswith(_letters(sentence)) for sentence in NO_ANSWER.values())


def _refusal(text: str) -> str:
    """Return the sentence for no answer that `text` begins with; what a model adds to it has no source."""
    said = _letters(MARKER.sub("", text))
    return next((each for each in NO_ANSWER.values() if said.startswith(_letters(each))), NO_ANSWER["en"])


def support(sentence: str, span: str) -> float:
    """Return the share, 0 to 1, of the sentence's words and Chinese character pairs that the span holds."""
    wanted = _features(sentence)
    return len(wanted & _features(span)) / len(wanted) if wanted else 0.0


def _is_supported(text: str, by_marker: dict[int, Passage]) -> bool:
    return any(
        support(sentence, by_marker[int(found[1])].text) >= ENOUGH_SUPPORT
        for sentence in _sentences(text)
        for found in MARKER.finditer(sentence)
        if int(found[1]) in by_marker
    )


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
        page=_page(passage, passage.start + start),
        quote=passage.text[start:end],
        start=passage.start + start,
        end=passage.start + end,
        unit=passage.unit,
        part=passage.part,
        cells=passage.cells,
        boxes=passage.boxes,
        confidence=passage.confidence,
        also=passage.also,
    )


def _page(passage: Passage, offset: int) -> int | None:
    """Return the page of an offset into the document."""
    begun = [number for number, start in passage.later_pages if start <= offset]
    return begun[-1] if begun else passage.page


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


def _sentences(text: str) -> list[str]:
    """Cut the text into sentences, space included; a marker belongs to the sentence it follows."""
    sentences, start = [], 0
    for _, end in sentence_spans(text):
        if end > start:
            following = TRAILING_MARKERS.match(text, end)
            end = following.end() if following else end
            sentences.append(text[start:end])
            start = end
    return sentences


def _features(text: str) -> frozenset[str]:
    text = MARKER.sub("", text)
    words = (word.casefold() for word in FEATURE.findall(HAN_RUN.sub(" ", text)))
    pairs = (run[i : i + 2] for run in HAN_RUN.findall(text) for i in range(max(1, len(run) - 1)))
    return frozenset(words) | frozenset(pairs)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
