"""Answers and reports as text for a terminal, Markdown for a notebook and JSON for a program."""

from __future__ import annotations

from rag.render.counts import counted
from rag.render.places import file_name, is_doubtful, page_range, place, remarks
from rag.render.program import answer_json, report_json, report_text
from rag.render.reading import Step
from rag.render.text import footer, snippet, source_lines, to_markdown, to_terminal, why_lines

__all__ = [
    "Step",
    "answer_json",
    "counted",
    "file_name",
    "footer",
    "is_doubtful",
    "page_range",
    "place",
    "remarks",
    "report_json",
    "report_text",
    "snippet",
    "source_lines",
    "to_markdown",
    "to_terminal",
    "why_lines",
]
