"""The account of an answer for a person: what became of each passage, what was rewritten or cut, the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from rag.datatypes import Answer, Hit
from rag.render.labels import Labels, Term, told
from rag.render.places import place

NONE = "–"
SHORTEST = 0.05  # seconds; a stage that takes less is not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A table of the passages, each row with a text for every column, and what is told around it."""

    remarks: tuple[str, ...]  # what was rewritten, cut and refused, a sentence each
    columns: tuple[Term, ...]
    rows: tuple[tuple[str, ...], ...]
    times: tuple[tuple[Term, str], ...]


def why(answer: Answer, labels: Labels) -> Why:
    """Return the account of an answer in the labels' language."""
    cited = {citation.marker for citation in answer.citations}
    asked = answer.usage.prompt_tokens > 0
    rows = [dict(_cells(hit, cited, labels, asked=asked)) for hit in answer.hits]
    columns = [labels.passage, labels.given, labels.log_odds, labels.cited, labels.fused, labels.dense]
    columns += [labels.lexical, labels.covered, labels.reranked]
    optional = {labels.log_odds, labels.reranked}
    columns = [each for each in columns if each not in optional or any(row[each] != NONE for row in rows)]
    return Why(
        remarks=tuple(_remarks(answer, labels)),
        columns=tuple(columns),
        rows=tuple(tuple(row[each] for each in columns) for row in rows),
        times=tuple(_times(answer, labels)),
    )


def refusal(answer: Answer, labels: Labels) -> Iterator[str]:
    """Yield the sentence that says what of the question stands nowhere, if anything."""
    if answer.unmentioned:
        yield labels.unmentioned.format(words=labels.joint.join(answer.unmentioned))


def _remarks(answer: Answer, labels: Labels) -> Iterator[str]:
    if answer.searched_for:
        yield labels.searched_for.format(question=answer.searched_for)
    if answer.refused:
        yield labels.refused.format(reason=told(answer.reason, labels))
        yield from refusal(answer, labels)
    if answer.usage.answerable is not None:
        yield labels.chance.format(value=_chance(answer.usage.answerable))
    if answer.unsupported:
        yield labels.unsure.format(count=len(answer.unsupported))


def _cells(hit: Hit, cited: set[int], labels: Labels, *, asked: bool) -> Iterator[tuple[Term, str]]:
    number = f"[{hit.marker}] " if hit.marker else ""
    title = hit.passage.heading.rpartition(" > ")[2]
    yield labels.passage, number + place(hit.passage, labels) + (f" · {title}" if title else "")
    yield labels.given, _given(hit, labels) if asked or hit.left_out else labels.no
    yield labels.log_odds, NONE if hit.log_odds is None else f"{_chance(hit.log_odds):.0%}"
    yield labels.cited, labels.yes if hit.marker in cited else labels.no
    yield labels.fused, _ranked(hit.ranks.fused, f"{hit.score:.2f}")
    yield labels.dense, _ranked(hit.ranks.dense, "" if hit.dense is None else f"{hit.dense:.2f}")
    yield labels.lexical, _ranked(hit.ranks.lexical, "" if hit.lexical is None else f"{hit.lexical:.1f}")
    yield labels.covered, "" if hit.covered is None else f"{hit.covered:.0%}"
    yield labels.reranked, _ranked(hit.ranks.reranked, "" if hit.reranked is None else f"{hit.reranked:.2f}")


def _given(hit: Hit, labels: Labels) -> str:
    if not (hit.left_out or hit.marker):
        return labels.no
    if hit.left_out:
        return labels.left_out[hit.left_out]
    if hit.cut:
        kept = len(hit.passage.text)
        return labels.given_cut.format(share=round(100 * kept / (kept + hit.cut)))
    return labels.given_whole


def _chance(log_odds: float) -> float:
    return 1 / (1 + exp(-log_odds))


def _ranked(rank: int | None, score: str) -> str:
    return f"{rank or NONE} ({score})" if score else f"{rank or NONE}"


def _times(answer: Answer, labels: Labels) -> Iterator[tuple[Term, str]]:
    spent = answer.timings
    stages = [
        (labels.queued, spent.queued),
        (labels.rewrite, spent.rewrite),
        (labels.search, spent.retrieve - spent.rewrite),
    ]
    if answer.usage.prompt_tokens:
        stages += [(labels.read, spent.read), (labels.write, spent.write)]
    for term, value in stages:
        if value >= SHORTEST:
            yield term, labels.seconds.format(value=f"{value:.1f}")
    yield labels.total, labels.seconds.format(value=f"{spent.total:.1f}")
