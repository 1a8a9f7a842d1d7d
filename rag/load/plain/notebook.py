"""Jupyter notebooks: Markdown, code and what the code printed; pictures are left out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Final

from rag.load.content import Content, ContentBuilder, tidy
from rag.load.plain.blobs import without_blobs
from rag.load.plain.encoding import decode_noted
from rag.load.plain.html import read_html
from rag.load.plain.records import read_json
from rag.load.plain.text import markdown_headings
from rag.load.source import Source

ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
OBJECT: Final = re.compile(
    r"\[?<[\w.]+[^<>\n]{0,200}(?: at 0x[0-9a-f]+| object| with \d+ Axes)>\]?"
)  # no words
LONG_OUTPUT: Final = 8_000  # characters of what one cell printed


def read_notebook(source: Source) -> Content:
    """Read a notebook of any format version; a file that is none is read as JSON."""
    try:
        notebook = json.loads(decode_noted(source.data).text)
    except (ValueError, RecursionError):
        return read_json(source)
    cells = _cells(notebook)
    if not cells:
        return read_json(source)
    builder = ContentBuilder()
    language = _language(notebook)
    for cell in cells:
        _add_cell(builder, cell, language)
    content = builder.build()
    return replace(content, notes=tuple(dict.fromkeys(content.notes)))


def _cells(notebook: Any) -> list[dict[str, Any]]:
    if not isinstance(notebook, dict):
        return []
    sheets = [notebook, *_dicts(notebook.get("worksheets"))]  # which format version 3 has
    return [cell for sheet in sheets for cell in _dicts(sheet.get("cells"))]


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    for part, key in (("language_info", "name"), ("kernelspec", "language")):
        said = metadata.get(part) if isinstance(metadata, dict) else None
        if isinstance(said, dict) and isinstance(said.get(key), str):
            return re.sub(r"\W", "", said[key])[:20]
    return ""


def _add_cell(builder: ContentBuilder, cell: dict[str, Any], language: str) -> None:
    written = _joined(cell.get("source", cell.get("input")))
    kind = cell.get("cell_type")
    if kind == "code":
        if written.strip():
            builder.add(f"```{language}\n{_plain(written)}\n```")
        for output in _dicts(cell.get("outputs")):
            _add_output(builder, output)
    elif kind == "heading":
        level = cell.get("level")
        builder.add_heading(level if isinstance(level, int) else 1, written)
    else:
        text, _ = without_blobs(written)
        text = tidy(text)
        builder.add_content(Content(text=text, headings=tuple(markdown_headings(text))))


def _add_output(builder: ContentBuilder, output: dict[str, Any]) -> None:
    data = output.get("data")
    data = data if isinstance(data, dict) else output
    if isinstance(output.get("ename"), str):
        text = f"{output['ename']}: {_joined(output.get('evalue'))}"
    else:
        plain = _joined(data.get("text/plain"))
        plain = "" if OBJECT.fullmatch(plain.strip()) else plain
        text = _joined(output.get("text")) or _joined(data.get("text/markdown"))
        text = text or _from_html(data, is_all=not plain) or plain
    text = _plain(text)
    if len(text) > LONG_OUTPUT:
        builder.note(f"what a cell printed was cut to {LONG_OUTPUT:,} characters")
        text = text[:LONG_OUTPUT]
    builder.add(text)


def _from_html(data: dict[str, Any], *, is_all: bool) -> str:
    page = _joined(data.get("text/html"))
    if not page.strip() or not (is_all or "<table" in page.lower()):
        return ""
    return read_html(Source(data=page.encode("utf-8", "replace"))).text


def _plain(text: str) -> str:
    return without_blobs(ANSI.sub("", text))[0]


def _joined(value: object) -> str:
    if isinstance(value, list):
        return "".join(each for each in value if isinstance(each, str))
    return value if isinstance(value, str) else ""
