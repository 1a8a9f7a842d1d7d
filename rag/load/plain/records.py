"""JSON and YAML: records as lines that name each value, as a person and an LLM read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final, TypeAlias

from rag.datatypes import Heading
from rag.load.content import Content, ContentBuilder, tidy, title_of
from rag.load.plain.blobs import without_blobs
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
    builder = ContentBuilder()
    for note in [*decoded.notes, *([trouble] if trouble else [])]:
        builder.note(note)
    _add(builder, values[0] if len(values) == 1 else values)
    return builder.build()


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


def _add(builder: ContentBuilder, value: Json) -> None:
    """Add a document: the keys of its outermost object that hold more than one value are headings."""
    if not isinstance(value, dict):
        builder.add(_block(value, ""))
        return
    plain: Json = {key: each for key, each in value.items() if not isinstance(each, dict | list)}
    builder.add(_block(plain, ""))
    for key, each in value.items():
        if not isinstance(each, dict | list) or not each:
            continue
        body = _block(each, "" if _holds_records(each) else key)
        if _holds_records(each) or "\n" in body:
            if body:
                builder.add_heading(1, key)
                builder.add(body)
        else:
            builder.add(body, separator="\n")


def _holds_records(value: Json) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _block(value: Json, path: str) -> str:
    """Return a value as lines; the records of a list each on one line, or set off when they are long."""
    if not (isinstance(value, list) and any(isinstance(each, dict | list) for each in value)):
        return _cleaned(
            "\n".join(f"{name}: {text}" if name else text for name, text in _pairs(value, path, 0))
        )
    blocks: list[str] = []
    for each in value:
        pairs = list(_pairs(each, "", 0))
        line = "; ".join(f"{name}: {text}" if name else text for name, text in pairs)
        if len(line) > ROW or "\n" in line:
            line = "\n".join(f"{name}: {text}" if name else text for name, text in pairs) + "\n"
        blocks.append(line)
    body = _cleaned("\n".join(block for block in blocks if block.strip()))
    return f"{path}:\n{body}" if path and body else body


def _pairs(value: Json, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each plain value inside `value`."""
    if depth > DEEP:
        yield path, "…"
    elif isinstance(value, dict):
        for key, each in value.items():
            below = f"{path}.{key}" if path else key
            yield from _pairs(_point(each) if key == COORDINATES else each, below, depth + 1)
    elif isinstance(value, list):
        yield from _items(value, path, depth)
    elif value is not None and value != "":
        yield path, str(value).lower() if isinstance(value, bool) else value


def _items(values: list[Json], path: str, depth: int) -> Iterator[tuple[str, str]]:
    if not any(isinstance(each, dict | list) for each in values):
        many = len(values) > MANY and not any(map(_is_text, values))
        shown = [text for each in values[: MANY if many else None] for _, text in _pairs(each, "", depth)]
        more = f" … ({len(values):,} in all)" if many else ""
        if shown:
            yield path, ", ".join(shown) + more
        return
    for number, each in enumerate(values, start=1):
        yield from _pairs(each, f"{path}[{number}]" if path else "", depth + 1)


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and NUMBER.fullmatch(value) is None


def _point(coordinates: Json) -> Json:
    """Return the coordinates of a point, and of a line or an area nothing: nobody reads them."""
    has_lists = isinstance(coordinates, list) and any(isinstance(each, list) for each in coordinates)
    return None if has_lists else coordinates


def _cleaned(text: str) -> str:
    return tidy(without_blobs(text)[0])


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
