"""Jupyter notebooks: Markdown, code and what the code printed; pictures are left out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Final

from rag.load.content import Content, ContentBuilder, tidy
from rag.load.plain.blobs import Sieve
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
    return _Reader(_language(notebook)).read(cells)


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


class _Reader:
    def __init__(self, language: str) -> None:
        self._builder = ContentBuilder()
        self._sieve = Sieve()
        self._language = language

    def read(self, cells: list[dict[str, Any]]) -> Content:
        for cell in cells:
            self._add_cell(cell)
        content = self._builder.build()
        return replace(content, notes=tuple(dict.fromkeys([*content.notes, *self._sieve.notes()])))

    def _add_cell(self, cell: dict[str, Any]) -> None:
        written = _joined(cell.get("source", cell.get("input")))
        kind = cell.get("cell_type")
        if kind == "code":
            if written.strip():
                self._builder.add(f"```{self._language}\n{self._plain(written)}\n```")
            for output in _dicts(cell.get("outputs")):
                self._add_output(output)
        elif kind == "heading":
            level = cell.get("level")
            self._builder.add_heading(level if isinstance(level, int) else 1, written)
        else:
            text = tidy(self._sieve.sift(written))
            self._builder.add_content(Content(text=text, headings=tuple(markdown_headings(text))))

    def _add_output(self, output: dict[str, Any]) -> None:
        data = output.get("data")
        if isinstance(output.get("ename"), str):
            text = f"{output['ename']}: {_joined(output.get('evalue'))}"
        else:
            text = _joined(output.get("text")) or self._shown(data if isinstance(data, dict) else output)
        text = self._plain(text)
        if len(text) > LONG_OUTPUT:
            self._builder.note(f"what a cell printed was cut to {LONG_OUTPUT:,} characters")
            text = text[:LONG_OUTPUT]
        self._builder.add(text)

    def _shown(self, data: dict[str, Any]) -> str:
        """Return the form of an output that says the most."""
        plain = _joined(data.get("text/plain"))
        plain = "" if OBJECT.fullmatch(plain.strip()) else plain
        text = _joined(data.get("text/markdown")) or self._from_html(data, is_all=not plain)
        return text or plain or _joined(data.get("text/latex")) or self._from_json(data)

    def _from_html(self, data: dict[str, Any], *, is_all: bool) -> str:
        page = self._sieve.sift_data(_joined(data.get("text/html")))
        is_read = page.strip() and (is_all or "<table" in page.lower())
        return self._noted(read_html(_source(page))) if is_read else ""

    def _from_json(self, data: dict[str, Any]) -> str:
        value = data.get("application/json")
        return self._noted(read_json(_source(json.dumps(value)))) if value else ""

    def _noted(self, content: Content) -> str:
        for note in content.notes:
            self._builder.note(note)
        return content.text

    def _plain(self, text: str) -> str:
        return self._sieve.sift(ANSI.sub("", text))


def _source(text: str) -> Source:
    return Source(data=text.encode("utf-8", "replace"))


def _joined(value: object) -> str:
    if isinstance(value, list):
        return "".join(each for each in value if isinstance(each, str))
    return value if isinstance(value, str) else ""
