"""The text of Word paragraphs (ECMA-376 part 1, section 17.3): runs, symbols, marks of notes, text boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

from rag.load.office.symbol_font import symbols
from rag.load.office.word_math import math_text
from rag.load.office.wordml import MATH, W, value
from rag.load.raised import raised

PRIVATE_USE: Final = range(0xE000, 0xF900)
SKIPPED: Final = frozenset(
    W + name
    for name in ("del", "moveFrom", "instrText", "delText", "pPr", "rPr", "rt", "tblPr", "sectPr", "sdtPr")
)
TEXT_BOX: Final = W + "txbxContent"
CHARACTERS: Final = {
    W + "tab": "\t",
    W + "ptab": "\t",
    W + "br": "\n",
    W + "cr": "\n",
    W + "noBreakHyphen": "-",
}
REFERENCES: Final = (W + "footnoteReference", W + "endnoteReference", W + "commentReference")
MARK: Final = "mark"  # an attribute of our own: what is printed where a note is referred to


def paragraph_text(paragraph: etree._Element) -> str:
    """Return a paragraph as it is printed: without what was deleted, field codes and text boxes."""
    return "".join(_pieces(paragraph))


def block_text(node: etree._Element) -> str:
    """Return all paragraphs below `node` in one line."""
    paragraphs = (paragraph_text(paragraph).strip() for paragraph in node.iter(W + "p"))
    return " ".join(filter(None, paragraphs))


def text_boxes(paragraph: etree._Element) -> list[etree._Element]:
    """Return the outermost text boxes anchored in a paragraph."""
    return [box for box in paragraph.iter(TEXT_BOX) if next(box.iterancestors(TEXT_BOX), None) is None]


def _pieces(node: etree._Element) -> Iterator[str]:
    for child in node:
        if child.tag == W + "t":
            yield child.text or ""
        elif child.tag == MATH + "oMath":
            yield math_text(child)
        elif child.tag in CHARACTERS:
            yield "" if child.get(W + "type") in {"page", "column"} else CHARACTERS[child.tag]
        elif child.tag == W + "r" and value(child.find(f"{W}rPr/{W}vertAlign")) == "superscript":
            yield raised("".join(_pieces(child)))
        elif child.tag == W + "sym":
            yield _symbol(child)
        elif child.tag in REFERENCES:
            yield child.get(MARK, "")
        elif child.tag not in SKIPPED and child.tag != TEXT_BOX:
            yield from _pieces(child)


def _symbol(node: etree._Element) -> str:
    """Return a symbol's character; fonts of pictures use the private area, which means nothing elsewhere."""
    code = node.get(W + "char", "")
    number = int(code, 16) if re.fullmatch("[0-9A-Fa-f]{4}", code) else 0
    if node.get(W + "font") == "Symbol":
        return symbols(chr(number)) if number else ""
    return chr(number) if number and number not in PRIVATE_USE else ""
