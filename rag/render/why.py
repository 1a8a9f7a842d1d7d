"""The account of an answer for a person: what became of each passage, what was rewritten or cut, the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from rag.datatypes import Answer, Hit
from rag.render.labels import Labels, Term, told
from rag.render.places import place

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
    reranked = any(hit.ranks.reranked for hit in answer.hits)
    columns = [labels.passage, labels.given, labels.cited, labels.fused, labels.dense, labels.lexical]
    columns += [labels.covered, *([labels.reranked] if reranked else ())]
    cited = {citation.marker for citation in answer.citations}
    asked = answer.usage.prompt_tokens > 0
    rows = (tuple(_cells(hit, cited, labels, asked=asked))[: len(columns)] for hit in answer.hits)
    return Why(
        remarks=tuple(_remarks(answer, labels)),
        columns=tuple(columns),
        rows=tuple(rows),
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
        yield labels.chance.format(value=1 / (1 + exp(-answer.usage.answerable)))
    if answer.unsupported:
        yield labels.unsure.format(count=len(answer.unsupported))
    if answer.turns_left_out:
        yield labels.turns_left_out.format(count=answer.turns_left_out)


def _cells(hit: Hit, cited: set[int], labels: Labels, *, asked: bool) -> Iterator[str]:
    number = f"[{hit.marker}] " if hit.marker else ""
    title = hit.passage.heading.rpartition(" > ")[2]
    yield number + place(hit.passage, labels) + (f" · {title}" if title else "")
    yield _given(hit, labels) if asked or hit.left_out else labels.no
    yield labels.yes if hit.marker in cited else labels.no
    yield _ranked(hit.ranks.fused, f"{hit.score:.2f}")
    yield _ranked(hit.ranks.dense, "" if hit.dense is None else f"{hit.dense:.2f}")
    yield _ranked(hit.ranks.lexical, "" if hit.lexical is None else f"{hit.lexical:.1f}")
    yield "" if hit.covered is None else f"{hit.covered:.0%}"
    yield _ranked(hit.ranks.reranked, "" if hit.reranked is None else f"{hit.reranked:.2f}")


def _given(hit: Hit, labels: Labels) -> str:
    if hit.left_out:
        return {"room": labels.left_room, "behind": labels.left_behind, "unfit": labels.left_unfit}[
            hit.left_out
        ]
    if hit.earlier:
        return labels.given_earlier
    if hit.cut:
        kept = len(hit.passage.text)
        return labels.given_cut.format(share=round(100 * kept / (kept + hit.cut)))
    return labels.given_whole


def _ranked(rank: int | None, score: str) -> str:
    return f"{rank or '–'} ({score})" if score else f"{rank or '–'}"


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
