"""From the model's text to checked citations, without asking the model again.

Each sentence is held against the passages: a marker stays where its passage may hold the sentence, with its
numbers and names; one that is missing is added; a sentence that no passage holds is marked `[?]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

from rag.citations import citations_of
from rag.claims import claims_nothing, is_yes_or_no, led_to
from rag.datatypes import Citation, Hit, Passage
from rag.evidence import ALL, ASIDE, ENOUGH, FAR, Held, Nearness, Span, unnumbered
from rag.features import features
from rag.markers import MARKER, Fence, clauses, marked_sentences, markers, points_to, unmarked
from rag.negation import contradicts
from rag.quantities import counts
from rag.refuse import refusal, refuses

UNFINISHED: Final = re.compile(r"(?:\s+|\s*[\[［【][\d\s,，、]{0,20})\Z")
ROW_END: Final = re.compile(r"(?<!\s)\s*\|\s*\Z")  # a marker of the row goes before it
WIDE_ENDS: Final = "。！？；”」』）"  # no space belongs after these
UNSUPPORTED: Final = "[?]"  # after a sentence that no passage holds
LEAST: Final = 0.3  # share of a sentence's words below which a marker is wrong, if another passage has enough
FEWEST_FEATURES: Final = 3  # with fewer words only a whole answer, an item or a number says something
LISTED: Final = re.compile(r"\s*(?:[-*+•·]|\d{1,3}[.)、])\s*\w")
ROW: Final = re.compile(r"\s*\|")
WORD: Final = re.compile(r"\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """An answer's text with true markers only, and where each points."""

    text: str
    citations: tuple[Citation, ...]
    refused: bool
    unsupported: tuple[str, ...] = ()  # the sentences that none holds


class Citer:
    """Passes an answer on as it is written, with true markers only.

    An unfinished marker is held back, and one that points nowhere is dropped. Text comes out the same however
    it is cut into pieces.
    """

    def __init__(self, hits: Sequence[Hit], question: str = "", nearness: Nearness | None = None) -> None:
        """The answer may repeat what the question says without a source.

        `nearness` is asked about sentences in another language than a passage.
        """
        self.held = {hit.marker: _held(hit.passage, question, nearness) for hit in hits}
        self._question = question
        self._points = partial(points_to, hits)
        self._held = ""  # perhaps the beginning of a marker, or space
        self._sentence = ""  # what has been passed on since the last sentence ended
        self._ahead: list[int] = []  # markers written before their sentence
        self._marked = False  # the sentence has a true marker
        self._refuted = False  # it had a marker whose passage lacks its numbers or names
        self._alone = True  # no sentence has ended yet
        self._code = False  # inside backquotes, where [0] is an index
        self._fence = Fence()
        self._row = False  # the last sentence was a table's
        self.unsupported: list[str] = []

    @cached_property
    def _asked(self) -> frozenset[str]:
        return features(self._question)

    @cached_property
    def _told(self) -> dict[int, float]:
        """Return how much of the question each passage holds."""
        return {number: held.best_span(self._question).score for number, held in self.held.items()}

    def feed(self, piece: str) -> str:
        return "".join(self._feed(character) for character in piece)

    def flush(self) -> str:
        """Return what is left when the answer has ended."""
        end = ROW_END.search(self._held)
        text, self._held = UNFINISHED.sub("", ROW_END.sub("", self._held)), ""
        said = self._pass_on(text)
        if closing := self._fence.flush():
            return f"{said}\n{closing}{self._source_of(self._fence.take())}"
        return said + self._ended(self._sentence) + (end.group().rstrip() if end else "")

    def _feed(self, character: str) -> str:
        if self._ahead and character.isspace() and not self._held and not WORD.search(self._sentence):
            return ""  # the space after a marker that has been taken out
        self._held += character
        self._fence.feed(character)
        self._code = not self._fence.is_open and self._code != (character == "`")
        if self._code or self._fence.is_open:
            return self._release()
        found = MARKER.search(self._held)
        if found and not self._points(found):
            return self._release()
        if found:
            before, numbers = self._held[: found.start()], self._true_numbers(found)
            self._held = before + numbers if numbers else before.rstrip()
            return self._release() if numbers else ""
        may_end = ROW_END.search(self._held) and ROW.match(self._sentence)
        return "" if may_end or UNFINISHED.search(self._held) else self._release()

    def _release(self) -> str:
        text, self._held = self._held, ""
        return self._pass_on(text)

    def _pass_on(self, text: str) -> str:
        sentence, *later = marked_sentences(self._sentence + text) or [""]
        if not later:
            self._sentence += text
            return text
        self._alone = False
        added = self._ended(sentence)
        self._sentence = "".join(later)
        return added + text

    def _true_numbers(self, found: re.Match[str]) -> str:
        numbers = dict.fromkeys(int(number) for number in re.findall(r"\d+", found[1]))
        known = [number for number in numbers if number in self.held]
        sentence = self._sentence + self._held[: found.start()]
        if not WORD.search(sentence) or (self._alone and is_yes_or_no(sentence, self._question)):
            self._ahead += known  # of the sentence it speaks for; told when that has ended
            return ""
        *_, (clause, marked) = clauses(sentence, self._points)
        holding = self._holding(known, clause)
        self._marked = self._marked or bool(holding)
        self._refuted = self._refuted or (bool(known) and not holding)
        told = marked if set(holding) <= set(known) else markers(sentence, self._points)
        return "".join(f"[{number}]" for number in holding if number not in told)

    def _ended(self, sentence: str) -> str:
        """Return what must follow a sentence: its missing markers, or that nothing holds it."""
        ahead, self._ahead = self._ahead, []
        refuted, self._refuted = self._refuted, False
        marked, self._marked = self._marked, False
        plain = unmarked(sentence, self._points)
        heads = not self._row
        self._row = ROW.match(sentence) is not None
        if self._fence.is_open or (self._row and heads and not counts(sentence)):
            return ""
        if block := self._fence.take():
            return self._source_of(block)
        bare = self._alone and is_yes_or_no(plain, self._question)
        marked = marked or (self._code and MARKER.search(sentence) is not None)
        if marked or not WORD.search(sentence) or refuses(sentence):
            return ""
        space = "" if sentence.rstrip()[-1:] in WIDE_ENDS else " "
        if bare:
            numbers = self._telling(plain, ahead)
        else:
            numbers = self._holding(ahead, plain) if ahead else self._best(plain)
        claims = not numbers and bool(refuted or ahead or bare or self._claims(plain))
        return self._source(plain, numbers, space=space, claims=claims)

    def _source_of(self, block: str) -> str:
        """Return what must follow a block of code."""
        numbers = self._best(block, whole=True)
        claims = not numbers and self._claims(block, whole=True)
        return self._source(block, numbers, space="\n\n", claims=claims)

    def _source(self, said: str, numbers: Sequence[int], *, space: str, claims: bool) -> str:
        """Return the markers behind what is said, or the sign that it claims what no passage holds."""
        if numbers:
            return space + "".join(f"[{number}]" for number in numbers)
        if not claims:
            return ""
        self.unsupported.append(said.strip())
        return space + UNSUPPORTED

    def _holding(self, numbers: list[int], sentence: str) -> list[int]:
        """Return those of `numbers` whose passage may hold the sentence, else the one that surely does."""
        best = self._best(sentence)
        least = LEAST if best else 0.0  # where none has the words, the model may have put it otherwise
        kept = [number for number in numbers if self._may_hold(number, sentence, least)]
        return kept or (best if numbers else [])

    def _may_hold(self, number: int, sentence: str, least: float) -> bool:
        held = self.held[number]
        if held.lacks(sentence) or held.is_far(sentence):
            return False
        score, said = held.best_span(sentence).score, len(features(sentence))
        told = held.has_beginning(sentence) or counts(sentence)  # what it counts, it has been found to hold
        if said and held.speaks(sentence) and not told:
            return score >= ENOUGH if said < FEWEST_FEATURES else 0 < score >= least
        return score >= least

    def _best(self, sentence: str, *, whole: bool = False) -> list[int]:
        """Return the passage, if any, that surely holds the sentence."""
        said = self._itself(sentence)
        short = len(features(said)) < FEWEST_FEATURES
        if short and not (whole or self._is_whole(sentence)):
            return []
        sentence = said if short else sentence
        least = ALL if short else ENOUGH
        sure = (number for number, span in self._ranked(sentence) if span.score >= least)
        best = next((number for number in sure if not self.held[number].lacks(sentence)), None)
        return [] if best is None else [best]

    def _telling(self, answer: str, ahead: list[int]) -> list[int]:
        """Return those passages of `ahead` that tell of what was asked, else the one that tells most.

        That is what a bare yes rests on, unless it says the reverse. A lone passage needs hardly a word.
        """
        least = LEAST if len(self.held) > 1 else 0.0
        ranked = [
            number
            for number, span in self._ranked(self._question)
            if (span.score >= least and span.score > 0 and not self._is_reversed(answer, number, span))
            or (span.nearness is not None and not self.held[number].is_far(self._question))
        ]
        return [number for number in ahead if number in ranked] or ranked[:1]

    def _is_reversed(self, answer: str, number: int, span: Span) -> bool:
        return contradicts(answer, self._question, self.held[number].text[span.start : span.end])

    def _ranked(self, sentence: str) -> Iterator[tuple[int, Span]]:
        """Yield the passages by how much of the sentence they hold, then by how much of the question."""

        def rank(each: tuple[int, Span]) -> tuple[float, ...]:
            return (-each[1].score, -(each[1].nearness or 0.0), -self._told[each[0]])

        yield from sorted(((at, held.best_span(sentence)) for at, held in self.held.items()), key=rank)

    def _itself(self, sentence: str) -> str:
        """Return what a short answer says beside the question: 120, of "1. 120 people" who were asked for."""
        said = led_to(unnumbered(sentence))
        if not counts(said):
            return said
        rest = [word for word in said.split() if counts(word) or not features(word) <= self._asked]
        return " ".join(rest) if any(map(counts, rest)) else said

    def _is_whole(self, sentence: str) -> bool:
        """Tell whether a short sentence says something by itself."""
        return self._alone or LISTED.match(sentence) is not None or counts(sentence)

    def _claims(self, sentence: str, *, whole: bool = False) -> bool:
        """Tell whether the sentence says what should stand in a passage, as far as words can tell."""
        fewest = 1 if whole or self._is_whole(sentence) else FEWEST_FEATURES
        if self._code or claims_nothing(sentence) or len(features(unnumbered(sentence))) < fewest:
            return False
        spoken = any(held.speaks(sentence) for held in self.held.values())
        others = [held for held in self.held.values() if not held.speaks(sentence)]
        return bool(self.held) and all(
            held.lacks(sentence) or held.is_far(sentence, ASIDE if spoken else FAR) for held in others
        )


def cite(text: str, hits: Sequence[Hit], question: str = "", nearness: Nearness | None = None) -> Cited:
    """Check `text` against the passages it may cite: `hits`, each with its marker."""
    plain = unmarked(text, partial(points_to, hits))
    if refuses(plain):
        return Cited(text=refusal(plain), citations=(), refused=True)
    citer = Citer(hits, question, nearness)
    text = citer.feed(text.strip()) + citer.flush()
    return Cited(
        text=text,
        citations=tuple(citations_of(text, {hit.marker: hit.passage for hit in hits}, citer.held, question)),
        refused=False,
        unsupported=tuple(citer.unsupported),
    )


def _held(passage: Passage, question: str, nearness: Nearness | None) -> Held:
    def near(sentence: str, texts: Sequence[str]) -> Sequence[float]:
        """Ask with the question, since an answer may be a phrase."""
        return nearness(f"{question} {sentence}", texts) if nearness else ()

    title = f"{passage.source} {passage.heading}"
    return Held(passage.text, title=title, asked=question, nearness=near if nearness else None)
