"""Answers and reports for a program, and a report in words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rag.datatypes import Answer, Citation, Hit, Passage, SyncReport
from rag.render.counts import counted
from rag.render.places import place


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return what `rag ask --json` prints; times in seconds."""
    cited = {citation.marker for citation in answer.citations}
    citations = [
        {"marker": each.marker, "document": each.document, "page": each.page, "quote": each.quote}
        | _place_json(each)
        for each in answer.citations
    ]
    return {
        "question": answer.question,
        "searched_for": answer.searched_for,
        "answer": answer.text,
        "refused": answer.refused,
        "reason": answer.reason,
        "unmentioned": list(answer.unmentioned),
        "citations": citations,
        "unsupported": list(answer.unsupported),
        "hits": [_hit_json(hit, is_cited=hit.marker in cited) for hit in answer.hits],
        "model": answer.model,
        "engine": answer.engine,
        "prompt_tokens": answer.usage.prompt_tokens,
        "answer_tokens": answer.usage.answer_tokens,
        "log_odds": answer.usage.answerable,
        "timings": asdict(answer.timings),
    }


def _hit_json(hit: Hit, *, is_cited: bool) -> dict[str, Any]:
    passage = hit.passage
    found = {"document": passage.source, "page": passage.page, "text": passage.text, "score": hit.score}
    signals = {"dense": hit.dense, "lexical": hit.lexical, "covered": hit.covered, "reranked": hit.reranked}
    shown = {
        "ranks": asdict(hit.ranks),
        "marker": hit.marker,
        "cited": is_cited,
        "log_odds": hit.log_odds,
        "left_out": hit.left_out,
        "cut": hit.cut,
    }
    return found | _place_json(passage) | signals | shown


def _place_json(of: Passage | Citation) -> dict[str, Any]:
    return {"place": place(of), "confidence": of.confidence, "also": list(of.also)}


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
        + f"; {counted(report.passages, 'passage')}; {report.seconds:.1f} s"
    )
    return "\n".join([counts, *(f"  failed: {each.document}: {each.reason}" for each in report.failed)])
