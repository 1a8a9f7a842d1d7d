"""Names and small look-ups of WordprocessingML (ECMA-376 part 1, section 17)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MATH: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"


def value(node: etree._Element | None) -> str | None:
    """Return a property's `w:val`."""
    found: str | None = None if node is None else node.get(W + "val")
    return found


def number(node: etree._Element | None) -> int | None:
    """Return a property's `w:val` as a number, None when it is none."""
    text = value(node)
    return int(text) if text and text.isdecimal() else None


def inner(node: etree._Element) -> Iterator[etree._Element]:
    """Yield the children, those within content controls as if they stood there directly."""
    for child in node:
        content = child.find(W + "sdtContent") if child.tag == W + "sdt" else None
        if content is None:
            yield child
        else:
            yield from inner(content)
