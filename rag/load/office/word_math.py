"""Formulas of Office files (ECMA-376 part 1, 22.1) in one line, as one would type them."""

from __future__ import annotations

from typing import Final

from lxml import etree

from rag.load.office.wordml import MATH

MAX_DEPTH: Final = 40  # a deeper formula is told without its structure
PARTS: Final = {  # a structure -> its parts, and what stands before each of them
    "f": (("num", ""), ("den", "/")),
    "sSup": (("e", ""), ("sup", "^")),
    "sSub": (("e", ""), ("sub", "_")),
    "sSubSup": (("e", ""), ("sub", "_"), ("sup", "^")),
    "sPre": (("sub", "_"), ("sup", "^"), ("e", " ")),
    "limLow": (("e", ""), ("lim", "_")),
    "limUpp": (("e", ""), ("lim", "^")),
    "rad": (("deg", ""), ("e", "√")),
}
DEFAULT_OPERATOR: Final = "∫"  # of an n-ary operator that names none (22.1.2.20)


def math_text(node: etree._Element, depth: int = 0) -> str:
    """Return the formula below `node`."""
    if depth > MAX_DEPTH:
        return "".join(node.itertext(MATH + "t"))
    return "".join(_piece(child, depth + 1) for child in node)


def _piece(node: etree._Element, depth: int) -> str:
    name = str(node.tag).removeprefix(MATH)
    if name == "t":
        return node.text or ""
    if name in PARTS:
        return "".join(_part(node, part, mark, depth) for part, mark in PARTS[name])
    if name == "nary":
        limits = _part(node, "sub", "_", depth) + _part(node, "sup", "^", depth)
        return f"{_character(node, 'chr', DEFAULT_OPERATOR)}{limits} {_inner(node, 'e', depth)}"
    if name == "d":
        inside = "; ".join(math_text(each, depth) for each in node.findall(MATH + "e"))
        return f"{_character(node, 'begChr', '(')}{inside}{_character(node, 'endChr', ')')}"
    if name in {"m", "eqArr"}:
        rows = node.findall(MATH + ("mr" if name == "m" else "e"))
        return "; ".join(" ".join(math_text(cell, depth) for cell in row) or "" for row in rows)
    return math_text(node, depth)


def _inner(node: etree._Element, part: str, depth: int) -> str:
    found = node.find(MATH + part)
    return "" if found is None else math_text(found, depth).strip()


def _part(node: etree._Element, part: str, mark: str, depth: int) -> str:
    """Return one part, in brackets where it would run into its neighbours."""
    text = _inner(node, part, depth)
    if not text:
        return ""
    is_whole = text.isalnum() or (part == "e" and mark == "")
    return mark + (text if is_whole else f"({text})")


def _character(node: etree._Element, name: str, usual: str) -> str:
    found = node.find(f"{MATH}{node.tag.removeprefix(MATH)}Pr/{MATH}{name}")
    return usual if found is None else str(found.get(MATH + "val", ""))
