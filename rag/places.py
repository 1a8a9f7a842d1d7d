"""What is known of a document's places, as JSON and back: for the index and between processes."""

from __future__ import annotations

import json
from dataclasses import astuple, fields
from typing import Any, Final

from rag.datatypes import Box, Document, Heading, Page, Passage, Region

PLACE: Final = ("page", "later_pages", "unit", "part", "cells", "regions", "confidence")


def pack(document: Document) -> str:
    """Return everything about `document` but its text, digest and source."""
    value = {
        "pages": [astuple(page) for page in document.pages],
        "headings": [astuple(heading) for heading in document.headings],
        "regions": [astuple(region) for region in document.regions],
        "notes": document.notes,
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def unpack(packed: str, *, source: str, digest: str, text: str) -> Document:
    """Return the document that `pack` was given."""
    value = json.loads(packed)
    return Document(
        source=source,
        digest=digest,
        text=text,
        pages=tuple(Page(**_named(Page, row)) for row in value["pages"]),
        headings=tuple(Heading(**_named(Heading, row)) for row in value["headings"]),
        regions=tuple(_region(row) for row in value["regions"]),
        notes=tuple(value["notes"]),
    )


def pack_place(passage: Passage) -> str:
    """Return where a passage stands beside its offsets; "" for one that has no such place."""
    value = {name: getattr(passage, name) for name in PLACE}
    value["regions"] = [astuple(region) for region in passage.regions]
    kept = {name: each for name, each in value.items() if each not in (None, "", "page", (), [])}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else ""


def unpack_place(packed: str) -> dict[str, Any]:
    """Return the fields of `Passage` that `pack_place` was given."""
    value: dict[str, Any] = json.loads(packed) if packed else {}
    if "regions" in value:
        value["regions"] = tuple(map(_region, value["regions"]))
    if "later_pages" in value:
        value["later_pages"] = tuple((number, start) for number, start in value["later_pages"])
    return value


def _region(row: list[Any]) -> Region:
    value = _named(Region, row)
    return Region(**{**value, "box": value["box"] and Box(**_named(Box, value["box"]))})


def _named(kind: type[Any], row: list[Any]) -> dict[str, Any]:
    return dict(zip((field.name for field in fields(kind)), row, strict=True))
