"""Hits -> fewer, better ones: near-duplicates dropped, sides of a comparison balanced, neighbours joined."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import chain, combinations, zip_longest
from typing import Final

from rag.datatypes import Hit, Passage, Ranks
from rag.index.lexical import plain, question_words
from rag.index.small_words import SMALL
from rag.retrieve.languages import WORD

DIFFERENT: Final = 0.05  # share of the words from which on two passages are not nearly the same
NEGATIONS: Final = frozenset(
    {"not", "no", "never", "without", "neither", "nor", "cannot", "except", "only", *"不没未无非否莫勿仅除"}
    | {"permitted", "allowed", "forbidden", "prohibited", "banned", "required", "optional", *"禁允许准必免"}
)
NAME: Final = re.compile(r"(?<![.!?。！？\n])[ \"'“‘(]([A-Z][^\W\d_]+)")  # within a sentence
GAP: Final = 200  # characters of white space between neighbours

TextBetween = Callable[[str, int, int], str]  # a part of a document by its source, "" when it is gone


def distinct(hits: Sequence[Hit], count: int, question: str = "") -> list[Hit]:
    """Return the first `count` hits, without those that nearly repeat an earlier one.

    Numbers, names, negations and what the question says must agree: contracts of one form that differ in a
    figure or a party are two passages.
    """
    asked = {sign for word in question_words(question) for sign in WORD.findall(word)} - SMALL
    kept: list[tuple[Hit, Counter[str], set[str]]] = []
    for hit in hits:
        if len(kept) == count:
            break
        said = Counter(WORD.findall(plain(hit.passage.text).casefold()))
        told = asked | {name.casefold() for name in NAME.findall(hit.passage.text)}
        if not any(_nearly_same(said, other, told | named) for _, other, named in kept):
            kept.append((hit, said, told))
    return [hit for hit, _, _ in kept]


def _nearly_same(one: Counter[str], other: Counter[str], telling: set[str]) -> bool:
    apart = (one - other) + (other - one)
    if apart.total() > DIFFERENT * max(one.total(), other.total()):
        return False
    return not any(word in NEGATIONS | telling or any(map(str.isnumeric, word)) for word in apart)


def interleaved(rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Return the best hit of each ranking, then the second of each, and so on; each passage once."""
    found: dict[str, Hit] = {}
    for hit in chain.from_iterable(zip_longest(*rankings)):
        if hit is not None:
            found.setdefault(hit.passage.id, hit)
    return list(found.values())


def joined(hits: Sequence[Hit], *, between: TextBetween, fits: Callable[[str], bool]) -> list[Hit]:
    """Join hits that follow one another below one heading, white space between them, where the whole `fits`.

    Sections are read apart: each is short, and what was read of it serves every question. The whole stands
    where the better one stood, with the best of both signals and ranks.
    """
    for first, second in combinations(hits, 2):
        whole = _whole(first, second, between)
        if whole is not None and fits(whole.passage.text):
            rest = (whole if hit is first else hit for hit in hits if hit is not second)
            return joined(list(rest), between=between, fits=fits)
    return list(hits)


def _whole(first: Hit, second: Hit, between: TextBetween) -> Hit | None:
    before, after = sorted((first.passage, second.passage), key=lambda passage: passage.start)
    if not _may_be_one(before, after):
        return None
    text = between(before.source, before.start, max(before.end, after.end))
    cut = after.start - before.start
    if not text.startswith(before.text) or not text[cut:].startswith(after.text):
        return None  # the document has changed since
    if text[len(before.text) : cut].strip():
        return None
    return replace(
        first,
        passage=_spanning(before, after, text),
        joined=tuple(sorted((*first.units, *second.units), key=lambda unit: unit.start)),
        dense=_best(first.dense, second.dense),
        lexical=_best(first.lexical, second.lexical),
        covered=_best(first.covered, second.covered),
        reranked=_best(first.reranked, second.reranked),
        ranks=_best_ranks(first.ranks, second.ranks),
        score=max(first.score, second.score),
    )


def _may_be_one(before: Passage, after: Passage) -> bool:
    same = (before.source, before.digest, before.part, before.unit, before.heading) == (
        after.source,
        after.digest,
        after.part,
        after.unit,
        after.heading,
    )
    return same and after.start - before.end <= GAP and not (before.cells or after.cells)


def _spanning(before: Passage, after: Passage, text: str) -> Passage:
    later = [*before.later_pages, *_begun(before, after), *after.later_pages]
    sure = [each.confidence for each in (before, after) if each.confidence is not None]
    return replace(
        before,
        end=before.start + len(text),
        text=text,
        later_pages=tuple(dict.fromkeys(later)),
        regions=tuple(dict.fromkeys(before.regions + after.regions)),
        confidence=min(sure, default=None),
    )


def _begun(before: Passage, after: Passage) -> Iterator[tuple[int, int]]:
    """Yield the page that `after` begins on, where `before` does not tell of it."""
    last = before.later_pages[-1][0] if before.later_pages else before.page
    if after.page is not None and after.page != last:
        yield after.page, after.start


def _best(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _best_ranks(one: Ranks, other: Ranks) -> Ranks:
    both = {each.name: (getattr(one, each.name), getattr(other, each.name)) for each in fields(Ranks)}
    return Ranks(**{name: min((rank for rank in pair if rank), default=None) for name, pair in both.items()})
