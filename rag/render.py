"""An answer as text for a terminal and as Markdown for a notebook."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from rag.datatypes import Answer

WIDTH = 100


def to_terminal(answer: Answer) -> str:
    """Return the answer, its sources and how it was made."""
    return "\n".join([answer.text, "", *source_lines(answer), footer(answer)])


def to_markdown(answer: Answer) -> str:
    """Return the same in Markdown; text from documents is escaped, so that it stays text."""
    quotes = [
        f"{each.marker}. **{_escape(place(each.document, each.page))}** — {_escape(_one_line(each.quote))}"
        for each in answer.citations
    ]
    return "\n\n".join([_escape(answer.text), *quotes, f"<small>{_escape(footer(answer))}</small>"])


def source_lines(answer: Answer) -> Iterator[str]:
    """Yield the sources: the cited ones, or after a refusal the nearest passages."""
    if answer.citations:
        yield "Sources"
        for citation in answer.citations:
            yield f"  [{citation.marker}] {place(citation.document, citation.page)}"
            yield textwrap.indent(textwrap.fill(f"“{_one_line(citation.quote)}”", WIDTH), "      ")
        yield ""
    elif answer.refused and answer.hits:
        yield "Nearest passages"
        for hit in answer.hits:
            text = textwrap.shorten(hit.passage.text, WIDTH, placeholder=" …")
            yield f"  {place(hit.passage.source, hit.passage.page)}: {text}"
        yield ""


def place(document: str, page: int | None) -> str:
    """Return a place in a document, for a person."""
    return f"{document}, page {page}" if page else document


def footer(answer: Answer) -> str:
    """Return what made the answer and how long it took."""
    usage, timings = answer.usage, answer.timings
    if not usage.answer_tokens:
        return f"refused without asking the model: {answer.reason} · {timings.total:.1f} s"
    new = usage.prompt_tokens - usage.cached_tokens
    read = f"{new} of {usage.prompt_tokens} tokens read, {usage.answer_tokens} written"
    times = f"first word after {timings.first_token:.1f} s, {timings.total:.1f} s in all"
    return f"{answer.model} on {answer.engine} · {read} · {times}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()<>#+\-!|~&$])", r"\\\1", text)
