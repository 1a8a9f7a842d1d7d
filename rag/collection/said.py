"""What one document says, or each of several: its own sentences, each cited.

Nothing is written anew but a sentence of the other language, which the LLM translates by itself. Asked for
summaries and comparisons over the same documents, a model of 1.5B copied the beginning until it had to stop,
or made one untrue story of what the passages say of several things.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from rag.citations import citation_of
from rag.cite import WIDE_ENDS
from rag.collection.central import Point, Sentence, central, leans, sentences_of
from rag.collection.listing import talks_of
from rag.collection.route import Asked, Route
from rag.collection.says import code, say
from rag.datatypes import Citation, Event, Hit, Passage, Reading, Scope
from rag.evidence import Held
from rag.features import support
from rag.prompt import Language, language, translating
from rag.retrieve import ranked
from rag.run import NOT_RELEVANT
from rag.scope import under_its_name

if TYPE_CHECKING:
    from rag.pipeline import Rag

MOST_POINTS: Final = 8
MOST_COMPARED: Final = 5  # points of each document
MOST_READ: Final = 600  # passages, whose words are counted in about a second
DEPTH: Final = 30  # candidates of each search
MOST_PASSAGES: Final = 3  # whose sentences may be quoted of a topic
MOST_QUOTED: Final = 3
BEHIND: Final = 0.03  # of a cosine: what is farther behind the best sentence is not quoted
WORDS: Final = 0.1  # of a cosine: what all words of the topic are worth
LEANS: Final = 0.02  # of a cosine: what leaning on another sentence costs
NEAREST: Final = 3
OPENING: Final = 3  # passages that tell a document's language
TRANSLATED_TOKENS: Final = 160  # most of one sentence
MONTH: Final = re.compile(r"[一二三四五六七八九十\d]+月")
PREFACE: Final = re.compile(r"\A\s+|\A[^\n]*[:：]\s*\n\s*")  # "Sure, here is the translation:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is told of one document."""

    source: str
    points: Sequence[Point]
    note: str = ""
    nearest: Sequence[Hit] = ()  # where nothing is told


class Said(Route):
    """What each of some documents says of a topic; without one, what it says in short."""

    def __init__(self, rag: Rag, asked: Asked, sources: Sequence[str], *, topic: str = "") -> None:
        super().__init__(rag, asked)
        self._sources = sources
        self._topic = topic

    def events(self) -> Iterator[Event]:
        sides = yield from self._sides()
        points = [point for side in sides for point in side.points]
        hits = _numbered(sides)
        told = tuple(hits.values()) or tuple(hit for side in sides for hit in side.nearest)
        yield self.retrieved(told)
        text = ""
        for event in self._pieces(sides, hits, self._sizes(points)):
            if isinstance(event, Reading):
                yield event
            else:
                text += event
                yield from self.token(event)
        citations = tuple(_cited(point.sentence, hits) for point in points)
        reason = "" if points else NOT_RELEVANT
        yield self.answer(text, citations=citations, hits=told, refused=not points, reason=reason)

    def _sides(self) -> Generator[Reading, None, list[Side]]:
        if not self._topic:
            return [self._in_short(source) for source in self._sources]
        sides: list[Side] = []
        for source in self._sources:
            side = yield from self._of_topic(source)
            sides.append(side)
        return sides

    def _in_short(self, source: str) -> Side:
        index = self.rag.index
        passages = index.passages(source)
        read = spread(passages, MOST_READ)
        most = MOST_POINTS if len(self._sources) == 1 else MOST_COMPARED
        points = central(read, index.document(source).headings, most=most) if read else []
        if not points:
            return Side(source=source, points=(), note=say(self.spoken, "empty", name=code(source)))
        counts = {"read": f"{len(read):,}", "count": f"{len(passages):,}"}
        note = say(self.spoken, "sampled", **counts) if len(read) < len(passages) else ""
        return Side(source=source, points=points, note=note)

    def _of_topic(self, source: str) -> Generator[Reading, None, Side]:
        topics = yield from self._topics_in(source)
        found = [self._found(topic, source) for topic in topics]
        near = [hit for hit in found[-1] if talks_of(topics[-1], hit, self.rag.embedder)]
        read = [hit for hits in (*found[:-1], near) for hit in hits[:MOST_PASSAGES]] if near else []
        quoted = self._quoted(topics, {hit.passage.start: hit.passage for hit in read})
        if not quoted:
            note = say(self.spoken, "silent", name=code(source), topic=self._topic)
            return Side(source=source, points=(), note=note, nearest=found[-1][:NEAREST])
        return Side(source=source, points=[Point(sentence=each) for each in quoted])

    def _found(self, topic: str, source: str) -> Sequence[Hit]:
        scope = replace(self.asked.scope, places=(f"./{source}",))
        index, embedder = self.rag.index, self.rag.embedder
        return ranked(topic, index=index, embedder=embedder, depth=DEPTH, scope=scope)

    def _topics_in(self, source: str) -> Generator[Reading, None, list[str]]:
        """Return the topic, and in the document's language: across languages a word's cosine says little."""
        written = language("".join(each.text for each in self.rag.index.passages(source, OPENING)))
        if written == language(self._topic):
            return [self._topic]
        total = self.rag.engine.count_tokens(translating(self._topic, written))
        translated = yield from self._translated(self._topic, written, 0, total)
        return [self._topic, translated.rstrip(".。").casefold()]

    def _quoted(self, topics: Sequence[str], passages: Mapping[int, Passage]) -> list[Sentence]:
        """Return the sentences nearest to the topic, in the document's order."""
        embedder = self.rag.embedder
        sentences = sentences_of([passages[start] for start in sorted(passages)])
        if not sentences:
            return []
        vectors = embedder.embed_passages([each.text for each in sentences])
        cosines = np.mean([vectors @ embedder.embed_query(topic) for topic in topics], axis=0)
        scores = [
            float(cosine) + WORDS * support(topics[-1], each.text) - LEANS * leans(each)
            for cosine, each in zip(cosines, sentences, strict=True)
        ]
        best = sorted(range(len(scores)), key=lambda at: -scores[at])[:MOST_QUOTED]
        return [sentences[at] for at in sorted(best) if scores[at] >= scores[best[0]] - BEHIND]

    def _sizes(self, points: Sequence[Point]) -> dict[str, int]:
        """Return the tokens to be read for each sentence of the other language."""
        texts = [point.sentence.text for point in points]
        foreign = [text for text in texts if language(text) != self.spoken]
        return {text: self.rag.engine.count_tokens(translating(text, self.spoken)) for text in foreign}

    def _pieces(
        self, sides: Sequence[Side], hits: Mapping[str, Hit], sizes: Mapping[str, int]
    ) -> Iterator[str | Reading]:
        total = sum(sizes.values())
        before = dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
        for number, side in enumerate(sides):
            yield "\n\n" * bool(number)
            yield f"**{code(side.source)}**\n\n" if len(sides) > 1 else ""
            for at, point in enumerate(side.points):
                said = point.sentence.text
                if said in before:
                    said = yield from self._translated(said, self.spoken, before[said], total)
                marker = hits[point.sentence.passage.id].marker
                yield "\n" * bool(at) + self._line(point.title, said, marker)
            yield "\n\n" * bool(side.note and side.points) + side.note

    def _line(self, title: str, said: str, marker: int) -> str:
        title = say(self.spoken, "titled", title=title) if title else ""
        space = "" if said[-1:] in WIDE_ENDS else " "
        return f"- {title}{said}{space}[{marker}]"

    def _translated(
        self, sentence: str, into: Language, before: int, total: int
    ) -> Generator[Reading, None, str]:
        """Return the sentence in the other language, or as it is where its numbers would be lost."""
        written, prompt = "", translating(sentence, into)
        with closing(self.written(prompt, most=TRANSLATED_TOKENS)) as events:
            for event in events:
                if isinstance(event, Reading):
                    yield Reading(done=min(before + event.done, total), total=total)
                elif "\n" in (written := PREFACE.sub("", written + event)):
                    break
        said = written.partition("\n")[0].strip()
        whole = bool(said) and not self.broken_off and language(said) == into
        return said if whole and not _numbers_lost(sentence, said) else sentence


def _numbered(sides: Sequence[Side]) -> dict[str, Hit]:
    """Return the passages of the points, by their ids, numbered in their order."""
    hits: dict[str, Hit] = {}
    for side in sides:
        named = Scope(places=(f"./{side.source}",))
        for passage in (point.sentence.passage for point in side.points):
            found = Hit(passage=under_its_name(passage, named), score=0.0, marker=len(hits) + 1)
            hits.setdefault(passage.id, found)
    return hits


def _cited(sentence: Sentence, hits: Mapping[str, Hit]) -> Citation:
    hit = hits[sentence.passage.id]
    return citation_of(hit.marker, hit.passage, sentence.start, sentence.end)


def _numbers_lost(sentence: str, said: str) -> bool:
    """Tell whether one of the two has a number that the other lacks; 三月 is March, no number."""
    return bool(Held(sentence).lacks(MONTH.sub("", said)) or Held(said).lacks(MONTH.sub("", sentence)))


def spread(passages: Sequence[Passage], most: int) -> Sequence[Passage]:
    """Return at most so many of the passages, evenly spread."""
    count = len(passages)
    return passages if count <= most else [passages[at * count // most] for at in range(most)]
