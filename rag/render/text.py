"""Answers as text for a terminal and Markdown for a notebook, in the language of the question."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Final

from rag.datatypes import Answer, Citation, Hit
from rag.prompt import language
from rag.render.labels import LABELS, Labels, told
from rag.render.places import place, remarks
from rag.render.why import refusal, why

WIDTH: Final = 100


def to_terminal(answer: Answer) -> str:
    """Return the answer, its sources and how it was made."""
    return "\n".join([answer.text, "", *source_lines(answer), footer(answer)])


def to_markdown(answer: Answer) -> str:
    """Return the same in Markdown; text from documents is escaped, so that it stays text."""
    labels = _labels(answer)
    said = [labels.searched_for.format(question=answer.searched_for)] if answer.searched_for else []
    said += refusal(answer, labels)
    quotes = [_quoted(citation, labels) for citation in answer.citations]
    if near := _nearest(answer):
        quotes = [f"**{labels.nearest}**", "\n".join(f"- {_near(hit, labels)}" for hit in near)]
    made = f"<small>{_escape(footer(answer))}</small>"
    return "\n\n".join([_escape(answer.text), *map(_escape, said), *quotes, made])


def _quoted(citation: Citation, labels: Labels) -> str:
    named = f"**{_escape(place(citation, labels))}**{_escape(remarks(citation, labels))}"
    return f"{citation.marker}. {named} — {_escape(_one_line(citation.quote))}"


def _near(hit: Hit, labels: Labels) -> str:
    named = f"**{_escape(place(hit.passage, labels))}**{_escape(remarks(hit.passage, labels))}"
    return f"{named} — {_escape(snippet(hit))}"


def source_lines(answer: Answer) -> Iterator[str]:
    """Yield what a follow-up was searched for as, and the sources: cited, or after a refusal the nearest."""
    labels = _labels(answer)
    if answer.searched_for:
        yield from (labels.searched_for.format(question=answer.searched_for), "")
    if answer.unsupported:
        yield from (labels.unsupported, "")
    for line in refusal(answer, labels):
        yield from (line, "")
    if answer.citations:
        yield labels.sources
        for citation in answer.citations:
            yield f"  [{citation.marker}] {place(citation, labels)}{remarks(citation, labels)}"
            quote = labels.quote.format(text=_one_line(citation.quote))
            yield textwrap.indent(textwrap.fill(quote, WIDTH), "      ")
        yield ""
    elif near := _nearest(answer):
        yield labels.nearest
        for hit in near:
            yield f"  {place(hit.passage, labels)}{remarks(hit.passage, labels)}: {snippet(hit)}"
        yield ""


def why_lines(answer: Answer) -> Iterator[str]:
    """Yield the account of the answer, a few lines for each passage."""
    labels = _labels(answer)
    told_of = why(answer, labels)
    yield labels.why
    yield from (f"  {remark}" for remark in told_of.remarks)
    for row in told_of.rows:
        yield f"  {row[0]}"
        named = [f"{term.name} {cell}" for term, cell in zip(told_of.columns, row, strict=True) if cell]
        yield f"      {' · '.join(named[1:3])}"
        yield f"      {' · '.join(named[3:])}"
    times = " · ".join(f"{term.name} {spent}" for term, spent in told_of.times)
    yield from (f"  {labels.time}: {times}", "")


def snippet(hit: Hit) -> str:
    """Return the beginning of a passage, on one line."""
    line = _one_line(hit.passage.text)
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 2]} …"


def footer(answer: Answer) -> str:
    """Return what made the answer and how long it took."""
    labels, usage = _labels(answer), answer.usage
    first, total = (
        labels.seconds.format(value=f"{value:.1f}")
        for value in (answer.timings.first_token, answer.timings.total)
    )
    if not usage.prompt_tokens and not answer.refused:
        return labels.made_listed.format(total=total)
    if not usage.prompt_tokens:
        return labels.made_unasked.format(reason=told(answer.reason, labels), total=total)
    return labels.made.format(
        model=answer.model,
        engine=answer.engine,
        new=usage.prompt_tokens - usage.cached_tokens,
        prompt=usage.prompt_tokens,
        written=usage.answer_tokens,
        first=first,
        total=total,
    )


def _nearest(answer: Answer) -> tuple[Hit, ...]:
    return answer.hits if answer.refused else ()


def _labels(answer: Answer) -> Labels:
    question = answer.question
    for hit in answer.hits:
        question = question.replace(hit.passage.source, " ")
    return LABELS[language(question)]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()<>#+\-!|~&$])", r"\\\1", text)
