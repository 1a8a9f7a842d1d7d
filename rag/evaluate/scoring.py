"""How right an answer is, and how true its citations: the usual measures, for both languages.

Exact match and F1 as in SQuAD (Rajpurkar et al. 2016): best over the right answers, without case, punctuation
and English articles; a Chinese character counts as a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rag.datatypes import Answer, Citation
from rag.evidence import ENOUGH
from rag.features import support
from rag.index.lexical import HAN
from rag.markers import MARKER
from rag.sentences import sentence_spans

ARTICLES: Final = frozenset({"a", "an", "the"})
UNIT: Final = re.compile(rf"[{HAN}]|[^\s{HAN}]+")  # a Chinese character, or a word or number


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The scores of one answer to an answerable question, 0 to 1."""

    exact_match: float
    f1: float
    contained: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationScored:
    """Of one answer: the share of its citations that are right, and of its sentences that have a true one."""

    precision: float | None  # None: it cites nothing
    recall: float | None  # None: it has no sentence


def units(text: str) -> list[str]:
    """Return what is compared: words, numbers and Chinese characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(character for character in folded if unicodedata.category(character)[0] not in "PS")
    return [unit for unit in UNIT.findall(plain) if unit not in ARTICLES]


def score_answer(text: str, answers: Sequence[str]) -> Scored:
    """Compare with each of the right answers; the best counts. Markers are not part of the answer."""
    said = units(MARKER.sub(" ", text))
    wanted = [units(answer) for answer in answers]
    return Scored(
        exact_match=float(said in wanted),
        f1=max((_f1(said, want) for want in wanted), default=0.0),
        contained=float(any(_holds(said, want) for want in wanted)),
    )


def holds_answer(text: str, answers: Sequence[str]) -> bool:
    """Tell whether any of the answers stands in the text."""
    said = units(text)
    return any(_holds(said, units(answer)) for answer in answers)


def score_citations(answer: Answer, *, answers: Sequence[str], quotes: Sequence[str]) -> CitationScored:
    """Judge a citation by what it shows: one of `quotes` where they are known, else one of `answers`."""
    right = [_is_right(citation, answers, quotes) for citation in answer.citations]
    sentences = _sentences(answer.text)
    cited = [_is_cited(sentence, answer.citations) for sentence in sentences]
    return CitationScored(
        precision=sum(right) / len(right) if right else None,
        recall=sum(cited) / len(cited) if cited else None,
    )


def _f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted)) if shared else 0.0


def _holds(said: Sequence[str], wanted: Sequence[str]) -> bool:
    """Tell whether `wanted` stands in `said` as it is, in one piece."""
    size = len(wanted)
    return bool(size) and any(said[i : i + size] == wanted for i in range(len(said) - size + 1))


def _is_right(citation: Citation, answers: Sequence[str], quotes: Sequence[str]) -> bool:
    if quotes:
        return any(_overlap(citation.quote, quote) for quote in quotes)
    return holds_answer(citation.quote, answers)


def _overlap(shown: str, quote: str) -> bool:
    """Tell whether one is nearly part of the other, by its words."""
    return max(support(shown, quote), support(quote, shown)) >= ENOUGH


def _sentences(text: str) -> list[str]:
    """Cut into sentences; markers that follow one belong to it."""
    joined = re.sub(rf"([.!?。！？])\s*((?:\s*{MARKER.pattern})+)", r" \2\1", text)
    spans = [joined[start:end] for start, end in sentence_spans(joined)]
    return [span for span in spans if units(MARKER.sub(" ", span))]


def _is_cited(sentence: str, citations: Sequence[Citation]) -> bool:
    markers = {int(number) for found in MARKER.finditer(sentence) for number in re.findall(r"\d+", found[1])}
    quotes = [citation.quote for citation in citations if citation.marker in markers]
    return any(support(sentence, quote) >= ENOUGH for quote in quotes)
