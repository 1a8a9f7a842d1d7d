"""The shapes of one slide (ECMA-376 part 1, PresentationML) in the order in which a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from lxml import etree

from rag.load.office.objects import P
from rag.load.office.ooxml import A

SHAPES: Final = frozenset(P + name for name in ("sp", "pic", "graphicFrame", "cxnSp"))
GROUP: Final = P + "grpSp"
TITLES: Final = frozenset({"title", "ctrTitle"})
REPEATED: Final = frozenset({"dt", "ftr", "sldNum", "hdr", "sldImg"})  # placeholders that every slide has
ROW: Final = 180_000  # EMU, half a centimetre: shapes whose tops differ by less stand in one row
MAX_DEPTH: Final = 20  # groups within groups
Places: TypeAlias = Mapping[str, tuple[float, float]]  # a placeholder -> left and top, in EMU
Frame: TypeAlias = tuple[float, float, float, float]  # scale and shift of inner coordinates, each x and y
UNMOVED: Final[Frame] = (1.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    node: etree._Element
    left: float  # EMU from the slide's left edge
    top: float  # EMU from its upper edge
    placeholder: str  # "title", "body", ...; "" for a shape of the slide's own
    index: str  # which of the layout's placeholders it fills


def shapes(tree: etree._Element | None, inherited: Places) -> list[Shape]:
    """Return the visible shapes of a slide, its title first, then row by row.

    Args:
        tree: the slide's `p:spTree`.
        inherited: the places of the layout's placeholders, by index and by type.
    """
    found = [] if tree is None else list(_walk(tree, UNMOVED, inherited, 0))
    return sorted(_in_rows(found), key=lambda shape: shape.placeholder not in TITLES)


def places(root: etree._Element | None) -> Places:
    """Return where the placeholders of a layout or master stand, by index and by type."""
    found: dict[str, tuple[float, float]] = {}
    for node in () if root is None else root.iter(P + "sp"):
        kind, index = _placeholder(node)
        offset = node.find(f"{P}spPr/{A}xfrm/{A}off")
        if kind and offset is not None:
            place = (_number(offset, "x"), _number(offset, "y"))
            found.setdefault(kind, place)
            found.setdefault(f"#{index}", place)
    return found


def _walk(
    tree: etree._Element,
    placed: Frame,
    inherited: Places,
    depth: int,
) -> Iterator[Shape]:
    for node in _children(tree):
        if _is_hidden(node):
            continue
        if node.tag == GROUP and depth < MAX_DEPTH:
            group = list(_walk(node, _within(node, placed), inherited, depth + 1))
            yield from _as_one(_in_rows(group))
        elif node.tag in SHAPES:
            yield _shape(node, placed, inherited)


def _children(tree: etree._Element) -> Iterator[etree._Element]:
    """Yield the shapes, those within alternatives as if they stood there directly."""
    for node in tree:
        if str(node.tag).endswith("}AlternateContent"):
            for choice in node:
                yield from choice
                break
        else:
            yield node


def _shape(node: etree._Element, placed: Frame, inherited: Places) -> Shape:
    kind, index = _placeholder(node)
    offset = (
        next(node.iter(A + "off"), None) if node.tag != P + "graphicFrame" else node.find(f"{P}xfrm/{A}off")
    )
    if offset is None:
        left, top = inherited.get(f"#{index}") or inherited.get(kind) or (0.0, 0.0)
    else:
        left = _number(offset, "x") * placed[0] + placed[2]
        top = _number(offset, "y") * placed[1] + placed[3]
    return Shape(node=node, left=left, top=top, placeholder=kind, index=index)


def _within(group: etree._Element, placed: Frame) -> Frame:
    """Return how the coordinates inside a group become the slide's."""
    frame = group.find(f"{P}grpSpPr/{A}xfrm")
    if frame is None:
        return placed
    found = [frame.find(A + name) for name in ("off", "ext", "chOff", "chExt")]
    if any(each is None for each in found):
        return placed
    off, ext, inner, size = found
    across = _number(ext, "cx") / (_number(size, "cx") or 1)
    down = _number(ext, "cy") / (_number(size, "cy") or 1)
    shift = _number(off, "x") - _number(inner, "x") * across, _number(off, "y") - _number(inner, "y") * down
    return (
        across * placed[0],
        down * placed[1],
        shift[0] * placed[0] + placed[2],
        shift[1] * placed[1] + placed[3],
    )


def _in_rows(found: Sequence[Shape]) -> list[Shape]:
    """Sort from top to bottom, and what stands side by side from left to right."""
    rows: list[list[Shape]] = []
    for shape in sorted(found, key=lambda each: each.top):
        if rows and shape.top - rows[-1][0].top < ROW:
            rows[-1].append(shape)
        else:
            rows.append([shape])
    return [shape for row in rows for shape in sorted(row, key=lambda each: each.left)]


def _as_one(group: Sequence[Shape]) -> Iterator[Shape]:
    """Keep a group together: all its shapes stand where its first does, and sorting leaves them in order."""
    for shape in group:
        yield replace(shape, left=group[0].left, top=group[0].top)


def _placeholder(node: etree._Element) -> tuple[str, str]:
    found = next(iter(node.iterfind(f"*/{P}nvPr/{P}ph")), None)
    return ("", "") if found is None else (found.get("type", "body"), found.get("idx", ""))


def _is_hidden(node: etree._Element) -> bool:
    about = next(iter(node.iterfind(f"*/{P}cNvPr")), None)
    return about is not None and about.get("hidden") in {"1", "true"}


def _number(node: etree._Element, name: str) -> float:
    try:
        return float(node.get(name, "0"))
    except ValueError:
        return 0.0
