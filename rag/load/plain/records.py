"""JSON and YAML: records as lines that name each value, as a person and an LLM read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final, TypeAlias

from rag.datatypes import Heading
from rag.load.content import Content, ContentBuilder, tidy, title_of
from rag.load.plain.blobs import Sieve
from rag.load.plain.encoding import decode_noted
from rag.load.plain.text import plain_text
from rag.load.source import Source

Json: TypeAlias = "dict[str, Json] | list[Json] | str | bool | None"  # numbers are kept as they are written

DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)
NEWLINE: Final = re.compile(r"\r\n?|\n")  # and no other: a string may hold U+2028 as it is
BLANK: Final = re.compile(r"\s*")
COMMENT: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|//[^\n]*+|/\*.*?(?:\*/|\Z)|,(?=\s*+[\]}])', re.S)
LINES: Final = frozenset({".jsonl", ".ndjson"})
ROW: Final = 600  # characters of a record that is written on one line
MANY: Final = 40  # numbers of a list that are written out; the rest is counted
DEEP: Final = 100  # levels; deeper ones are cut
NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|NaN|-?Infinity")
COORDINATES: Final = "coordinates"
KEY: Final = re.compile(
    r"(?![-#\s])(\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|[^:#\s\"'{}\[\]][^:#\n]{0,200}):"
    r"[ \t]*(?:#.*|[|>&!][^\n]*)?$"
)
MANY_LINES: Final = 2  # of a file that holds one value a line


def read_json(source: Source) -> Content:
    """Read JSON, JSON with comments, JSON Lines or GeoJSON; what is no JSON is read as it is written."""
    decoded = decode_noted(source.data)
    text = decoded.text.lstrip("\ufeff \t\r\n")
    values, trouble = _values(text, PurePath(source.name).suffix.lower() in LINES)
    if not values:
        text, notes = plain_text(source)
        return Content(
            text=text, notes=(*notes, f"it is no valid JSON ({trouble}); it was read as plain text")
        )
    known = [*decoded.notes, *([trouble] if trouble else [])]
    return _Writer().write(values[0] if len(values) == 1 else values, known)


def _values(text: str, is_lines: bool) -> tuple[list[Json], str]:  # noqa: FBT001
    """Return the JSON values in a text, one after the other, and what is wrong with it."""
    trouble = ""
    if not is_lines:
        for attempt in (text, None):
            try:
                bare = COMMENT.sub(_without_comment, text) if attempt is None else attempt
                return [_parsed(bare)], ""
            except RecursionError:
                return [], "nested too deeply"
            except ValueError as exc:
                trouble = trouble or _said(exc)
        if several := _one_after_another(text):
            return several, ""
    return _of_lines(text, trouble)


def _of_lines(text: str, trouble: str) -> tuple[list[Json], str]:
    values: list[Json] = []
    bad: list[int] = []
    for number, line in enumerate(NEWLINE.split(text), start=1):
        try:
            values += [_parsed(line)] if line.strip() else []
        except (ValueError, RecursionError) as exc:
            trouble = trouble or _said(exc)
            values.append(line)
            bad.append(number)
    if len(bad) * 2 > len(values) or len(values) < MANY_LINES:
        return ([], trouble) if bad else (values, "")
    are = "is" if len(bad) == 1 else "are"
    return values, f"{len(bad):,} of its lines {are} no JSON, the first is line {bad[0]:,}" if bad else ""


def _parsed(text: str) -> Json:
    value: Json = DECODER.decode(text)
    return value


def _one_after_another(text: str) -> list[Json]:
    """Return the values of a text that holds several; none when anything else is in it."""
    values: list[Json] = []
    end = 0
    while end < len(text):
        try:
            value, end = DECODER.raw_decode(text, end)
        except (ValueError, RecursionError):
            return []
        values.append(value)
        blank = BLANK.match(text, end)
        end = blank.end() if blank else end
    return values


def _said(exc: Exception) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f"line {exc.lineno:,}, column {exc.colno:,}: {exc.msg}"
    return "nested too deeply"


def _without_comment(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else " "


class _Writer:
    """Writes values as lines, and counts what of them is left out."""

    def __init__(self) -> None:
        self._builder = ContentBuilder()
        self._sieve = Sieve()
        self._outlines = 0

    def write(self, value: Json, known: list[str]) -> Content:
        """Return a document: the keys of its outermost object that hold more than one value are headings.

        `known` are the notes on it already.
        """
        if isinstance(value, dict):
            self._add_object(value)
        else:
            self._builder.add(self._block(value, ""))
        for note in (*known, *self._sieve.notes(), *self._left_out()):
            self._builder.note(note)
        return self._builder.build()

    def _left_out(self) -> list[str]:
        return [f"the coordinates of lines and areas left out: {self._outlines:,}"] if self._outlines else []

    def _add_object(self, value: dict[str, Json]) -> None:
        plain: Json = {key: each for key, each in value.items() if not isinstance(each, dict | list)}
        self._builder.add(self._block(plain, ""))
        for key, each in value.items():
            if not isinstance(each, dict | list) or not each:
                continue
            body = self._block(each, "" if _holds_records(each) else key)
            if _holds_records(each) or "\n" in body:
                if body:
                    self._builder.add_heading(1, key)
                    self._builder.add(body)
            else:
                self._builder.add(body, separator="\n")

    def _block(self, value: Json, path: str) -> str:
        """Return a value as lines; records of a list each on one line, or set off when they are long."""
        if not (isinstance(value, list) and any(isinstance(each, dict | list) for each in value)):
            return tidy("\n".join(self._lines(value, path)))
        blocks: list[str] = []
        for each in value:
            lines = list(self._lines(each, ""))
            block = "; ".join(lines)
            if len(block) > ROW or "\n" in block:
                block = "\n".join(lines) + "\n"
            blocks.append(block)
        body = tidy("\n".join(block for block in blocks if block.strip()))
        return f"{path}:\n{body}" if path and body else body

    def _lines(self, value: Json, path: str) -> Iterator[str]:
        for name, text in self._pairs(value, path, 0):
            yield f"{name}: {text}" if name else text

    def _pairs(self, value: Json, path: str, depth: int) -> Iterator[tuple[str, str]]:
        """Yield the path and the text of each plain value inside `value`."""
        if depth > DEEP:
            yield path, "…"
        elif isinstance(value, dict):
            for key, each in value.items():
                if key == COORDINATES and _is_outline(each):
                    self._outlines += 1
                else:
                    yield from self._pairs(each, f"{path}.{key}" if path else key, depth + 1)
        elif isinstance(value, list):
            yield from self._items(value, path, depth)
        elif text := self._text(value):
            yield path, text

    def _items(self, values: list[Json], path: str, depth: int) -> Iterator[tuple[str, str]]:
        if any(isinstance(each, dict | list) for each in values):
            for number, each in enumerate(values, start=1):
                yield from self._pairs(each, f"{path}[{number}]" if path else "", depth + 1)
            return
        many = len(values) > MANY and not any(map(_is_text, values))
        shown = ", ".join(filter(None, map(self._text, values[: MANY if many else None])))
        if shown:
            yield path, shown + (f" … ({len(values):,} in all)" if many else "")

    def _text(self, value: Json) -> str:
        """Return a plain value as it is read."""
        if isinstance(value, bool):
            return str(value).lower()
        return self._sieve.sift(value) if isinstance(value, str) else ""


def _holds_records(value: Json) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and NUMBER.fullmatch(value) is None


def _is_outline(coordinates: Json) -> bool:
    """Say whether these are the coordinates not of a point but of a line or an area: nobody reads them."""
    return isinstance(coordinates, list) and any(isinstance(each, list) for each in coordinates)


def read_yaml(source: Source) -> Content:
    """Read YAML as written, comments and all; its outermost keys that hold more are headings."""
    text, notes = plain_text(source)
    return Content(text=text, headings=tuple(_yaml_headings(text)), notes=notes)


def _yaml_headings(text: str) -> Iterator[Heading]:
    offset = 0
    for line in text.splitlines(keepends=True):
        start, offset = offset, offset + len(line)
        found = KEY.match(line) if not line[0].isspace() else None
        if found:
            title = title_of(found[1].strip("\"' "))
            yield Heading(level=1, start=start, end=start + len(line.rstrip("\n")), title=title)
