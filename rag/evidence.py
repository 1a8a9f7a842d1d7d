"""How well a passage holds a sentence: by the words they share, and by numbers and names that must agree.

Measured on the 400 first answer sentences of CLAPNQ with at least 4 words, each against its own passage and
two others that share the question's words (some of them copies): sharing half of the words, small ones left
out, with one sentence or two in a row holds for 395 of 400, and for 27 of 800 others. Cosines of e5-small
separate no better (area under the curve .984, by words .986), so they are not asked.

Between languages there are hardly words to share. What cosines can tell there, of 60 right Chinese answers
over English paragraphs | 60 English over Chinese, each with its question (tests/questions/translated.jsonl):
the best sentence is the right one for .72 | .72; areas under the curve against the answers over a paragraph
about something else .997 | .982, over the nearest other paragraph .75 | .85, an answer to another question
.69 | .77, and an invented answer of the same kind .57 | .67. So a cosine chooses the sentence and tells what
is far from all, but it never says alone that a passage holds an answer: numbers and names must. Of answers
with a marker this keeps 60 | 58 right ones, and takes it from 54 | 53 over a paragraph about something else,
8 | 20 over the nearest other one, 11 | 24 to another question and 9 | 16 invented ones, of which 0 | 1 count
as supported (FAR was chosen on these 120). Cosines of the phrases in the nearest sentence would tell invented
answers by .82 | .61 (n=29, 20), at the cost of some 60 more embeddings each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, TypeAlias

from rag.features import COUNTING, features
from rag.index.lexical import plain
from rag.index.small_words import SMALL
from rag.names import JOINTS, folded_names, latin_names, names
from rag.negation import denies_otherwise
from rag.prompt import Language, language
from rag.quantities import (
    TOO_COMMON,
    amounts,
    claimed_across,
    magnitudes,
    measures,
    numbers,
    tells_ordinal,
    told_across,
)
from rag.sentences import CELL_ENDS, sentence_spans

# How much nearer a sentence is to each text in the other language than to unrelated ones.
Nearness: TypeAlias = Callable[[str, Sequence[str]], Sequence[float]]

ENOUGH: Final = 0.5  # share of a sentence's words from which on a span holds it
ALL: Final = 1.0
ENDS: Final = " \t\n.。!！"
PAIR_COST: Final = 0.15  # a second sentence must add more than this to be quoted, too
ORDINAL: Final = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b")
NUMBERED: Final = re.compile(r"\A\s*\(?\d{1,2}(?:\.(?!\d)|[)、）])\s*")  # of a list
# The nearness of a text in this language below which it is far: so are 0 | 1 of the 60 right ones above, and
# 54 | 51 of 60 over a paragraph about something else.
FAR: Final[dict[Language, float]] = {"en": 0.055, "zh": 0.03}
# The same where another passage is in the sentence's own language: below it are a quarter of the 120 right
# ones, and nine of ten over a paragraph about something else.
ASIDE: Final[dict[Language, float]] = {"en": 0.08, "zh": 0.055}
FEW: Final = 10  # a number up to this stands in many sentences
PREFIX: Final = 4  # letters that a name shares with its other forms: Norway, Norwegian


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """`text[start:end]` of the passage, and the share, 0 to 1, of the sentence's words that it holds."""

    start: int
    end: int
    score: float
    nearness: float | None = None  # of a sentence in the other language; None: told by the words


class Held:
    """The text of a passage, with its words and facts read once."""

    def __init__(
        self, text: str, *, title: str = "", asked: str = "", nearness: Nearness | None = None
    ) -> None:
        """`title` names the passage's document and headings: facts may stand there, but no words.

        So they may in the question that was `asked`.
        """
        self.text = text
        self._title = f"{title} {asked}".strip()
        self._asked = features(asked)
        self._nearness = nearness
        self._across: dict[str, Span] = {}

    @cached_property
    def _spans(self) -> list[tuple[int, int, float, frozenset[str]]]:
        ones = sentence_spans(self.text)
        pairs = [(start, end) for (start, at), (_, end) in pairwise(ones) if not _is_row(self.text[start:at])]
        alone = [
            (start, end, 0.0, held) for (start, end), held in zip(ones, self._read_rows(ones), strict=True)
        ]
        return [*alone, *((start, end, PAIR_COST, features(self.text[start:end])) for start, end in pairs)]

    def _read_rows(self, spans: Sequence[tuple[int, int]]) -> Iterator[frozenset[str]]:
        """Yield the words of each sentence, a row's with those of the first row, which names its columns."""
        columns: frozenset[str] = frozenset()
        for start, end in spans:
            held = features(self.text[start:end])
            columns = (columns or held) if _is_row(self.text[start:end]) else frozenset()
            yield held | columns

    @cached_property
    def _numbers(self) -> frozenset[str]:
        return frozenset(numbers(f"{self._title} {self.text}"))

    @cached_property
    def _amounts(self) -> frozenset[str]:
        return frozenset(amounts(f"{self._title} {self.text}"))

    @cached_property
    def _told_across(self) -> frozenset[str]:
        return frozenset(told_across(f"{self._title} {self.text}"))

    @cached_property
    def _is_chinese(self) -> bool:
        return language(self.text) == "zh"

    @cached_property
    def _folded(self) -> str:
        return plain(f"{self._title} {self.text}").casefold()

    @cached_property
    def _joined(self) -> str:
        return JOINTS.sub("", self._folded)

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        return frozenset(word[:PREFIX] for word in re.findall(r"[^\W\d_]+", self._folded))

    def best_span(self, sentence: str) -> Span:
        """Return the sentence, or two in a row, that share most; the whole text where none shares a word.

        Of equal ones it is that which has most of what was asked. Of a text in the other language that shares
        few, return the sentence that is nearest, if one is near.
        """
        wanted, verbatim = features(sentence, values=self.speaks(sentence)), _verbatim(sentence)
        brief = len(wanted) == 1 or sentence.strip(ENDS).isupper()  # the WHO is no small word
        best, most = Span(start=0, end=len(self.text), score=0.0), (0.0, False, -1)
        for start, end, cost, held in self._spans:
            score = len(wanted & held) / len(wanted) if wanted else 0.0
            stands = bool(score or brief) and verbatim.search(self.text, start, end) is not None
            if stands:
                score = 1.0  # its Chinese words may only be cut another way
            rank = (score - cost, stands, len(self._asked & held))
            if score > cost and rank > most:
                best, most = Span(start=start, end=end, score=score), rank
        if self._nearness is None or best.score >= ALL or self.speaks(sentence):
            return best
        said = sentence.strip(ENDS)
        if said not in self._across:
            self._across[said] = self._nearest(said, self._nearness)
        across = self._across[said]
        return best if ENOUGH <= best.score > across.score else across

    def _nearest(self, sentence: str, nearness: Nearness) -> Span:
        """Return the sentence that is nearest, of those with the facts where some have them all."""
        facts = self._facts(sentence)
        spans = sentence_spans(self.text) or [(0, len(self.text))]
        near = nearness(sentence, [self.text[start:end] for start, end in spans])
        having = [facts <= _facts_told(self.text[start:end]) for start, end in spans]
        held, most, (start, end) = max(zip(having, near, spans, strict=True))
        if most < FAR[language(self.text)]:
            return Span(start=0, end=len(self.text), score=0.0, nearness=most)
        telling = any(not fact.isdigit() or int(fact) > FEW for fact in facts)
        return Span(start=start, end=end, score=float(held and telling), nearness=most)

    def _facts(self, sentence: str) -> frozenset[str]:
        """Return what must stand in this text: the sentence's numbers and the names both languages share."""
        names = {name for name in folded_names(sentence) if name in self._folded or not self._is_chinese}
        claimed = {*claimed_across(sentence), *names} - TOO_COMMON
        return frozenset(claimed - {*told_across(self._title), *folded_names(self._title)})

    def speaks(self, sentence: str) -> bool:
        """Tell whether the text is in the sentence's language."""
        return language(sentence) == language(self.text)

    def is_far(self, sentence: str, least: Mapping[Language, float] = FAR) -> bool:
        """Tell whether the sentence, in the other language, is about something else."""
        nearness = self.best_span(sentence).nearness
        return nearness is not None and nearness < least[language(self.text)]

    def lacks(self, sentence: str) -> tuple[str, ...]:
        """Return the numbers and names of the sentence that stand neither here nor in the title, or its not.

        An English sentence may write the names of a Chinese text in its own way.
        """
        if self.speaks(sentence) and self._denies(sentence):
            return ("not",)
        if _verbatim(sentence).search(self.text):
            return ()  # whatever else its characters might be read as
        body = unnumbered(sentence)
        if self.speaks(body):
            missing = self._missing_numbers(body)
        else:
            missing = [number for number in claimed_across(body) if number not in self._told_across]
        claimed = tuple(number for number in missing if number not in TOO_COMMON)
        if self._is_chinese and not self.speaks(body):
            return claimed
        found = names(body) if self.speaks(body) else latin_names(plain(body))
        return (*claimed, *(name for name in found if not self._names(plain(name).casefold())))

    def _denies(self, sentence: str) -> bool:
        span = self.best_span(sentence)
        return denies_otherwise(unnumbered(sentence), self.text[span.start : span.end])

    def _missing_numbers(self, sentence: str) -> list[str]:
        """Return the numbers of a sentence in this text's language that it does not tell, whatever it writes.

        So 3万 and 30000 are one, and 3rd and third.
        """
        told = self._numbers | self._amounts
        measured = [
            number for number, unit in measures(sentence) if unit and self._has_other_units(number, unit)
        ]
        if measured or all(number in told for number in amounts(sentence)):
            return measured
        scaled = [
            bare or value
            for value, bare in magnitudes(sentence)
            if value not in told and bare not in self._amounts
        ]
        counted = [number for number in numbers(ORDINAL.sub(" ", sentence)) if number not in self._numbers]
        ranked = [number for number in ORDINAL.findall(sentence) if number not in self._numbers]
        return [
            *dict.fromkeys([*scaled, *counted]),
            *(number for number in ranked if not tells_ordinal(self.text, number)),
        ]

    def _has_other_units(self, number: str, unit: str) -> bool:
        told = self._units.get(number, set() if number in self._before_magnitudes else {""})
        return "" not in told and unit not in told

    @cached_property
    def _before_magnitudes(self) -> frozenset[str]:
        """Return 12, of 12 million people, who are not 12."""
        return frozenset(bare for _, bare in magnitudes(f"{self._title} {self.text}"))

    @cached_property
    def _units(self) -> dict[str, set[str]]:
        """Return the units of each number, "" where it has none."""
        found: dict[str, set[str]] = {}
        for number, unit in measures(f"{self._title} {self.text}"):
            found.setdefault(number, set()).add(unit)
        return found

    def has_beginning(self, sentence: str) -> bool:
        """Tell whether a word of the sentence is another form of one here, by its beginning."""
        return any(word[:PREFIX] in self._own_beginnings for word in _long_words(sentence))

    @cached_property
    def _own_beginnings(self) -> frozenset[str]:
        return frozenset(word[:PREFIX] for word in _long_words(self.text))

    def _names(self, name: str) -> bool:
        if name in self._folded or JOINTS.sub("", name) in self._joined:
            return True
        return len(name) > PREFIX and name[:PREFIX] in self._beginnings


def unnumbered(sentence: str) -> str:
    """Return an item of a list without its number."""
    return NUMBERED.sub("", sentence, count=1) or sentence


def _is_row(sentence: str) -> bool:
    return CELL_ENDS in sentence or sentence.startswith(CELL_ENDS.strip())


def _long_words(text: str) -> Iterator[str]:
    found = re.findall(r"[^\W\d_]+", plain(text).casefold())
    return (word for word in found if len(word) > PREFIX and word not in SMALL)


def _verbatim(sentence: str) -> re.Pattern[str]:
    """Return what finds the sentence in a text, but 九天 not in 十九天 and 27 not in 27.5."""
    said = sentence.strip(ENDS)
    before = f"(?<![{COUNTING}])" if said[:1] in COUNTING else r"(?<![A-Za-z0-9])(?<!\d[.,])"
    after = f"(?![{COUNTING}])" if said[-1:] in COUNTING else r"(?![A-Za-z0-9]|[.,]\d)"
    return re.compile(before + re.escape(said) + after)


def _facts_told(text: str) -> set[str]:
    return {*told_across(text), *re.findall(r"[a-z][a-z'’-]*[a-z]", plain(text).casefold())}
