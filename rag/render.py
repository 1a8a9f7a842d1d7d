"""Answers and reports as text for a terminal, Markdown for a notebook and JSON for a program."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from rag.datatypes import Answer, Citation, Passage, SyncReport

WIDTH: Final = 100
# Confidence of the OCR below which its text is marked. Of 160 blurred and noisy lines, both languages, those
# from 0.95 on have .006 wrong characters, those from 0.90 on .10, from 0.80 on .18, and below .45 to .9.
DOUBTFUL: Final = 0.95


def to_terminal(answer: Answer) -> str:
    """Return the answer, its sources and how it was made."""
    return "\n".join([answer.text, "", *source_lines(answer), footer(answer)])


def to_markdown(answer: Answer) -> str:
    """Return the same in Markdown; text from documents is escaped, so that it stays text."""
    quotes = [
        f"{each.marker}. **{_escape(place(each))}**{_escape(remarks(each))} — {quote}"
        for each in answer.citations
        for quote in [_escape(_one_line(each.quote))]
    ]
    searched = [_escape(f"Searched for: {answer.searched_for}")] if answer.searched_for else []
    made = f"<small>{_escape(footer(answer))}</small>"
    return "\n\n".join([_escape(answer.text), *searched, *quotes, made])


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return what `rag ask --json` prints; times in seconds."""
    citations = [
        {"marker": each.marker, "document": each.document, "page": each.page, "quote": each.quote}
        | _place_json(each)
        for each in answer.citations
    ]
    hits = [
        {"document": each.source, "page": each.page, "text": each.text, "score": hit.score}
        | _place_json(each)
        for hit in answer.hits
        for each in [hit.passage]
    ]
    return {
        "question": answer.question,
        "searched_for": answer.searched_for,
        "answer": answer.text,
        "refused": answer.refused,
        "reason": answer.reason,
        "citations": citations,
        "unsupported": list(answer.unsupported),
        "hits": hits,
        "model": answer.model,
        "engine": answer.engine,
        "prompt_tokens": answer.usage.prompt_tokens,
        "answer_tokens": answer.usage.answer_tokens,
        "timings": {name: getattr(answer.timings, name) for name in ("retrieve", "first_token", "total")},
    }


def report_json(report: SyncReport) -> dict[str, Any]:
    """Return what `rag sync --json` prints."""
    failed = [{"document": each.document, "reason": each.reason} for each in report.failed]
    names = ("added", "changed", "removed", "unchanged", "waiting", "ignored", "passages", "seconds")
    return {**{name: getattr(report, name) for name in names}, "failed": failed}


def report_text(report: SyncReport) -> str:
    """Return the counts in one line, then a line for each file that failed."""
    counts = (
        f"{report.added} added, {report.changed} changed, {report.removed} removed, "
        f"{report.unchanged} unchanged, {len(report.failed)} failed"
        + (f", {report.waiting} still being written" if report.waiting else "")
        + (f", {report.ignored} ignored" if report.ignored else "")
        + f"; {report.passages} passages; {report.seconds:.1f} s"
    )
    return "\n".join([counts, *(f"  failed: {each.document}: {each.reason}" for each in report.failed)])


def source_lines(answer: Answer) -> Iterator[str]:
    """Yield what a follow-up was searched for as, and the sources: cited, or after a refusal the nearest."""
    if answer.searched_for:
        yield from (f"Searched for: {answer.searched_for}", "")
    if answer.unsupported:
        yield from ("[?] No passage holds this sentence: check it before you rely on it.", "")
    if answer.citations:
        yield "Sources"
        for citation in answer.citations:
            yield f"  [{citation.marker}] {place(citation)}{remarks(citation)}"
            yield textwrap.indent(textwrap.fill(f"“{_one_line(citation.quote)}”", WIDTH), "      ")
        yield ""
    elif answer.refused and answer.hits:
        yield "Nearest passages"
        for hit in answer.hits:
            line = _one_line(hit.passage.text)
            shown = line if len(line) <= WIDTH else f"{line[: WIDTH - 2]} …"
            yield f"  {place(hit.passage)}{remarks(hit.passage)}: {shown}"
        yield ""


def place(of: Passage | Citation) -> str:
    """Return the file, the member within it, and the page or cells, for a person."""
    if of.cells:
        where = of.cells if "!" in of.cells else f"cells {of.cells}"
    else:
        first, last = page_range(of)
        where = f"{of.unit} {first}" if first == last else f"{of.unit}s {first}–{last}"
    return f"{file_name(of)}, {where}" if of.cells or of.page else file_name(of)


def file_name(of: Passage | Citation) -> str:
    """Return the file and, of an archive or a mail, the member that a person has to open."""
    source = of.source if isinstance(of, Passage) else of.document
    return f"{source} › {of.part}" if of.part else source


def page_range(of: Passage | Citation) -> tuple[int | None, int | None]:
    """Return the first and the last page; a citation has one."""
    later = of.later_pages if isinstance(of, Passage) else ()
    return of.page, later[-1][0] if later else of.page


def is_doubtful(of: Passage | Citation) -> bool:
    """Say whether it was read by OCR with so little confidence that a person should look at the page."""
    return of.confidence is not None and of.confidence < DOUBTFUL


def remarks(of: Passage | Citation) -> str:
    """Return what else a person should know about a source, in brackets."""
    said = ["read by OCR, may contain errors"] if is_doubtful(of) else []
    if of.also:
        said.append(f"also {', '.join(of.also)}")
    return f" ({'; '.join(said)})" if said else ""


def _place_json(of: Passage | Citation) -> dict[str, Any]:
    return {"place": place(of), "confidence": of.confidence, "also": list(of.also)}


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
