"""Which documents there are, and which of them talk of something: from the index, without the LLM.

A document mentions a topic where one of its passages holds all of its words. Another counts as close in
meaning where a cosine leads what speaks neither way by LEAD. Measured with the titles of 16 English and 80
Chinese articles (SQuAD 2, CMRC 2018) as topics, each article one of 272 documents: all words find 1.00 and
.88 of the right ones, and .81 and .15 others a topic, most of which do mention it; a lead of .03 finds 1.00
and .95, and .06 and .17 others. A lead of .02 finds no more, and .31 and .59 others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from rag.citations import citation_of
from rag.collection.route import Asked, Route
from rag.collection.says import code, counted, say, types
from rag.collection.topics import alternatives
from rag.datatypes import Citation, Event, Hit, Scope
from rag.features import support
from rag.index.lexical import HAN, plain
from rag.index.rows import Titled
from rag.render import place
from rag.retrieve import ranked
from rag.retrieve.gate import GATES
from rag.retrieve.languages import script_of
from rag.run import NOT_RELEVANT
from rag.scope import admits
from rag.sentences import sentence_spans

if TYPE_CHECKING:
    from rag.embed import Embedder
    from rag.pipeline import Rag

MOST_LISTED: Final = 20  # documents with their passage
MOST_NAMES: Final = 40  # documents that are only named
DEPTH: Final = 300  # candidates of each search
ALL_WORDS: Final = 0.999
LEAD: Final = 0.03  # of a cosine
ACROSS: Final = 0.2  # the score from which on a passage in the other script is close
NEAREST: Final = 3  # passages shown where no document mentions it
HAN_CHARACTER: Final = re.compile(rf"[{HAN}]")
SENTENCE: Final = re.compile(r"[.!?。！？；:：]\W*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A document that talks of the topic, with its best passage and how many there are."""

    hit: Hit
    passages: int
    kind: Literal["mention", "close"]


class Listing(Route):
    """Which documents talk of a topic."""

    def __init__(self, rag: Rag, asked: Asked, *, topic: str, where: Scope) -> None:
        super().__init__(rag, asked)
        self.topic = topic
        self._where = where

    def events(self) -> Iterator[Event]:
        hits = self._hits()
        found = self._by_document(hits)
        if not found:
            text = say(self.spoken, "none", topic=self.topic)
            yield from self.refusal(text, NOT_RELEVANT, hits[:NEAREST])
            return
        numbered = [replace(each.hit, marker=at) for at, each in enumerate(found[:MOST_LISTED], start=1)]
        yield self.retrieved(numbered)
        text = "\n".join(self._lines(found, more=_is_cut_off(hits)))
        yield from self.token(text)
        citations = tuple(map(self._cited, numbered))
        yield self.answer(text, citations=citations, hits=tuple(numbered))

    def _hits(self) -> list[Hit]:
        """Return the hits of each topic that would do, a passage once: where it holds the most of one."""
        index, embedder = self.rag.index, self.rag.embedder
        best: dict[str, Hit] = {}
        for topic in alternatives(self.topic):
            for hit in ranked(topic, index=index, embedder=embedder, depth=DEPTH, scope=self._where):
                known = best.get(hit.passage.id)
                if known is None or (known.covered or 0.0) < (hit.covered or 0.0):
                    best[hit.passage.id] = hit
        return sorted(best.values(), key=lambda hit: hit.score, reverse=True)

    def _by_document(self, hits: Sequence[Hit]) -> list[Found]:
        """Return those that mention it, then those that are close, each the best first."""
        kinds = [(hit, kind) for hit in hits if (kind := talks_of(self.topic, hit, self.rag.embedder))]
        found: dict[str, Found] = {}
        for hit, kind in sorted(kinds, key=lambda pair: pair[1] == "close"):
            known = found.get(hit.passage.source)
            if known is None:
                found[hit.passage.source] = Found(hit=hit, passages=1, kind=kind)
            elif known.kind == kind:
                found[hit.passage.source] = replace(known, passages=known.passages + 1)
        return list(found.values())

    def _cited(self, hit: Hit) -> Citation:
        """Cite the sentence that shares most with the topic; where none shares a word, the nearest."""
        text, spans = hit.passage.text, _spans(hit)
        shares = [support(self.topic, text[slice(*span)]) for span in spans]
        if not any(shares):
            embedder = self.rag.embedder
            vectors = embedder.embed_passages([text[slice(*span)] for span in spans])
            shares = [float(cosine) for cosine in vectors @ embedder.embed_query(self.topic)]
        whole = [bool(SENTENCE.search(text[slice(*span)])) for span in spans]
        best = max(range(len(spans)), key=lambda at: (shares[at], whole[at], -at))
        return citation_of(hit.marker, hit.passage, *spans[best])

    def _lines(self, found: Sequence[Found], *, more: bool) -> Iterator[str]:
        mention = sum(1 for each in found if each.kind == "mention")
        if mention:
            saying = "at least" if more else "mentions" if mention == 1 else "mention"
            documents = counted(self.spoken, "document", mention)
            yield say(self.spoken, saying, documents=documents, topic=self.topic)
        else:
            yield say(self.spoken, "only close", topic=self.topic)
        yield ""
        for at, each in enumerate(found[:MOST_LISTED], start=1):
            if at == mention + 1 > 1:
                yield from ("", say(self.spoken, "close"), "")
            passages = counted(self.spoken, "passage", each.passages)
            yield f"- {code(place(each.hit.passage))} ({passages}) [{at}]"
        if len(found) > MOST_LISTED:
            yield f"- {say(self.spoken, 'more', count=len(found) - MOST_LISTED)}"


class Inventory(Route):
    """Which documents there are."""

    def __init__(self, rag: Rag, asked: Asked, *, where: Scope) -> None:
        super().__init__(rag, asked)
        self._where = where

    def events(self) -> Iterator[Event]:
        files = self.rag.index.titles(self._where)
        if not files:
            yield from self.refusal(say(self.spoken, "nothing"), NOT_RELEVANT)
            return
        hits = [self._opening(file, at) for at, file in enumerate(files[:MOST_NAMES], start=1)]
        numbered = [hit for hit in hits if hit]
        yield self.retrieved(numbered)
        text = "\n".join(self._lines(files, {hit.marker for hit in numbered}))
        yield from self.token(text)
        citations = tuple(map(_opened, numbered))
        yield self.answer(text, citations=citations, hits=tuple(numbered))

    def _opening(self, file: Titled, marker: int) -> Hit | None:
        first = next(iter(self.rag.index.passages(file.source, 1)), None)
        if first is None:
            return None
        return Hit(passage=replace(first, source=file.source, also=()), score=0.0, marker=marker)

    def _lines(self, files: Sequence[Titled], marked: set[int]) -> Iterator[str]:
        endings = Counter(PurePosixPath(file.source).suffix.lower() for file in files)
        contents = {file.content: file.passages for file in files}
        yield say(
            self.spoken,
            "indexed",
            documents=counted(self.spoken, "document", len(files)),
            types=types(self.spoken, dict(endings.most_common())),
            passages=counted(self.spoken, "passage", sum(contents.values())),
        )
        yield ""
        for at, file in enumerate(files[:MOST_NAMES], start=1):
            title = f" {' '.join(file.title.split())}" if file.title else ""
            yield f"- {code(file.source)}{title}" + (f" [{at}]" if at in marked else "")
        if len(files) > MOST_NAMES:
            yield f"- {say(self.spoken, 'more', count=len(files) - MOST_NAMES)}"
        states = self.rag.documents()
        failed = sum(1 for state in states if state.state == "failed" and admits(self._where, state.source))
        if failed:
            yield from ("", say(self.spoken, "failed", count=failed))


def talks_of(topic: str, hit: Hit, embedder: Embedder) -> Literal["mention", "close"] | None:
    """Tell whether a passage, found for a topic, mentions it or is close to it in meaning."""
    if (hit.covered or 0.0) >= ALL_WORDS or any(
        len(each) == 1 and HAN_CHARACTER.fullmatch(each) and each in plain(hit.passage.text)
        for each in alternatives(topic)  # a lone character is no word where others stand beside it
    ):
        return "mention"
    gate, script = GATES.get(embedder.name), script_of(topic)
    if gate is None or hit.dense is None:
        return None
    alike = script_of(hit.passage.text) == script
    close = hit.dense >= gate.unrelated[script] + LEAD if alike else hit.score >= ACROSS
    return "close" if close else None


def _is_cut_off(hits: Sequence[Hit]) -> bool:
    """Tell whether the search by words ended before the passages that hold all of them did."""
    by_words = [hit for hit in hits if hit.lexical is not None]
    return len(by_words) >= DEPTH and sum((hit.covered or 0.0) >= ALL_WORDS for hit in by_words) >= DEPTH // 2


def _opened(hit: Hit) -> Citation:
    """Cite the first whole sentence of a document."""
    spans, text = _spans(hit), hit.passage.text
    start, end = next((span for span in spans if SENTENCE.search(text[slice(*span)])), spans[0])
    return citation_of(hit.marker, hit.passage, start, end)


def _spans(hit: Hit) -> list[tuple[int, int]]:
    return sentence_spans(hit.passage.text) or [(0, len(hit.passage.text))]
