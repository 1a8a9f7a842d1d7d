"""The sentences that say most of a document, found by its words alone.

A sentence says much whose words come back in the document, most of all those that no sentence chosen before
has; one that opens a paragraph says more, one that leans on what stands before it less. One is taken from
each part: from each section or, where there are none, from equal shares of all sentences.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Final, TypeAlias

from rag.datatypes import Heading, Passage
from rag.features import features
from rag.harmless import harmless
from rag.markers import MARKER
from rag.sentences import sentence_spans

FEWEST_SECTIONS: Final = 3
SHARE: Final = 4  # sentences of a text without sections that one stands for
FEWEST_WORDS: Final = 3  # that count, of a sentence
WIDTH: Final = range(16, 341)  # columns of a sentence
LONGEST_TITLE: Final = 60  # columns
EVENING: Final = 6  # words added to each sentence's, so that the shortest do not win
OPENS: Final = 1.3
FIRST: Final = 1.5  # of the first sentence of all or of a section: it tends to say what that is about
LEANS: Final = 0.5
AGAIN: Final = 0.3  # what a word is worth that a sentence chosen before has
ENDED: Final = re.compile(r"[.!。！][\"'”’»)\]）】》」』]*$")
MARKUP: Final = re.compile(r"^#|^\W*[a-z]|[|\\{}<>=]|\]\(|https?:|\*\*|```")
APPENDIX: Final = re.compile(
    r"references|contents|table of contents|illustrations|bibliography|index|notes|see also|external links"
    r"|further reading|.*\blicen[cs]e|参考文献|参考资料|目录|索引|附注|注释|外部链接",
    re.IGNORECASE,
)
ITEM: Final = re.compile(r"^\s*(?:[-*+•]|\d{1,2}[.)、])\s+")
HAN_BREAK: Final = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\s*\n\s*(?=[\u3000-\u9fff\uff00-\uffef])")
LEANING: Final = re.compile(
    r"\W*(?:(?:he|she|it|they|this|that|these|those|his|her|its|their|such|however|but|and|or|so|thus|therefore"
    r"|for example|nor|yet|then|there|also|in addition|moreover|furthermore|as a result|another|other|both"
    r"|meanwhile|here|if|i|we|you|on the other hand|by contrast|instead"
    r"|although|because)\b|(?:first|second|third|final)(?:ly)?,|他|她|它|这|那|其|该|此|但|而|因此|所以|然而|同时|另外|并|不过|于是|也|还|如果|按此|由此"
    r"|从而|然后|接着|首先|其次|最后|虽然|因为)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """`passage.text[start:end]`."""

    passage: Passage
    start: int
    end: int
    text: str  # in one line
    words: frozenset[str]
    opens: bool  # a paragraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A sentence that stands for a part of the document, and the part's title, if it has one."""

    sentence: Sentence
    title: str = ""


Part: TypeAlias = tuple[str, Sequence[Sentence]]


def central(passages: Sequence[Passage], headings: Sequence[Heading], *, most: int) -> list[Point]:
    """Return at most so many points, in the document's order."""
    sentences = sentences_of(passages)
    parts = _sections(sentences, headings) or _shares(sentences, most)
    longest = sorted(range(len(parts)), key=lambda at: -len(parts[at][1]))[:most]
    return list(_chosen([parts[at] for at in sorted(longest)], _counted(sentences)))


def sentences_of(passages: Sequence[Passage]) -> list[Sentence]:
    """Return the whole sentences or, where there are none, the lines; none that gives a model orders."""
    every = [sentence for passage in passages for sentence in _sentences(passage)]
    return [each for each in every if _speaks_for_itself(each)] or every


def _sentences(passage: Passage) -> Iterator[Sentence]:
    text, before, kept = passage.text, 0, harmless(passage.text)
    for start, end in sentence_spans(text):
        above = text[:before].rpartition("\n")[2]
        opens = not before or above.startswith("#") or "\n\n" in text[before:start]
        line = in_one_line(text[start:end])
        before = end
        if text[start:end] in kept and not line.startswith("#"):
            yield Sentence(
                passage=passage, start=start, end=end, text=line, words=features(line), opens=opens
            )


def in_one_line(text: str) -> str:
    """Return the text without breaks, marks of list items and numbers in brackets."""
    return " ".join(MARKER.sub("", HAN_BREAK.sub("", ITEM.sub("", text))).split())


def columns(text: str) -> int:
    """Return how wide a text is, a Chinese character being two columns."""
    return sum(2 if character >= "\u2e80" else 1 for character in text)


def _speaks_for_itself(sentence: Sentence) -> bool:
    """Tell whether it is a whole sentence, not a title, a row of a table or a line of code."""
    if not ENDED.search(sentence.text) or MARKUP.search(sentence.text):
        return False
    return len(sentence.words) >= FEWEST_WORDS and columns(sentence.text) in WIDTH


def _sections(sentences: Sequence[Sentence], headings: Sequence[Heading]) -> list[Part]:
    """Return the sections of the highest level with a few, else of the lowest; empty ones are no parts."""
    parts: list[Part] = []
    for level in sorted({heading.level for heading in headings}):
        parts = _below([heading for heading in headings if heading.level <= level], sentences)
        if len(parts) >= FEWEST_SECTIONS:
            break
    texts = [(title, each) for title, each in parts if not APPENDIX.fullmatch(title)]
    return texts if len(texts) > 1 else []


def _below(headings: Sequence[Heading], sentences: Sequence[Sentence]) -> list[Part]:
    starts = [heading.start for heading in headings]
    below: dict[int, list[Sentence]] = {}
    for each in sentences:
        below.setdefault(bisect_right(starts, each.passage.start + each.start), []).append(each)
    return [(_title(headings[at - 1]) if at else "", below[at]) for at in sorted(below)]


def _title(heading: Heading) -> str:
    title = re.sub(r"[*_`\[\]]", "", in_one_line(heading.title)).rstrip(":： ")
    return title if columns(title) <= LONGEST_TITLE else ""


def _shares(sentences: Sequence[Sentence], most: int) -> list[Part]:
    count = min(most, max(FEWEST_SECTIONS, len(sentences) // SHARE), len(sentences))
    cuts = [at * len(sentences) // count for at in range(count + 1)] if count else []
    return [("", sentences[start:end]) for start, end in pairwise(cuts)]


def _counted(sentences: Sequence[Sentence]) -> Counter[str]:
    return Counter(word for each in sentences for word in each.words)


def _chosen(parts: Sequence[Part], everywhere: Mapping[str, int]) -> Iterator[Point]:
    said: frozenset[str] = frozenset()
    for at, (title, sentences) in enumerate(parts):
        here = _counted(sentences) if title else everywhere
        weights = {word: log(here[word] * everywhere[word]) for each in sentences for word in each.words}
        says = [_says(each, weights, said) for each in sentences]
        if sentences[0].opens and (title or not at):
            says[0] *= FIRST
        best = sentences[max(range(len(says)), key=says.__getitem__)]
        if not said or not best.words <= said:
            yield Point(title=title, sentence=best)
        said |= best.words


def _says(sentence: Sentence, weights: Mapping[str, float], said: frozenset[str]) -> float:
    worth = sum(weights[word] * (AGAIN if word in said else 1.0) for word in sentence.words)
    return (
        worth
        / (len(sentence.words) + EVENING)
        * (OPENS if sentence.opens else 1.0)
        * (LEANS if leans(sentence) else 1.0)
    )


def leans(sentence: Sentence) -> bool:
    """Tell whether it begins as what leans on the sentence before it does."""
    return LEANING.match(sentence.text) is not None
