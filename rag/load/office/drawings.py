"""What is written in the charts and diagrams of Office files (ECMA-376 part 1, DrawingML)."""

from __future__ import annotations

from typing import Final

from lxml import etree

from rag.load.office.number_format import general
from rag.load.office.ooxml import A
from rag.load.office.wordml import MATH
from rag.load.raised import raised
from rag.load.tables import table_text

CHART: Final = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DIAGRAM: Final = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
MAX_POINTS: Final = 10_000  # of one chart


def drawn_text(node: etree._Element) -> str:
    """Return the paragraphs below `node`, one a line."""
    lines = (paragraph_text(paragraph) for paragraph in node.iter(A + "p"))
    return "\n".join(line for line in lines if line.strip())


def paragraph_text(paragraph: etree._Element) -> str:
    """Return the runs, fields and line breaks of one DrawingML paragraph."""
    pieces = []
    for node in paragraph.iter(A + "t", A + "br", A + "tab", MATH + "t"):
        if node.tag == A + "t" and _is_raised(node):
            pieces.append(raised(node.text or ""))
        elif node.tag in {A + "t", MATH + "t"}:
            pieces.append(node.text or "")
        else:
            pieces.append("\n" if node.tag == A + "br" else "\t")
    return "".join(pieces)


def _is_raised(node: etree._Element) -> bool:
    properties = node.getparent().find(A + "rPr")
    place = "" if properties is None else properties.get("baseline", "")
    return place.rstrip("%").isdecimal() and float(place.rstrip("%")) > 0


def chart_text(root: etree._Element) -> str:
    """Return a chart's titles, and its values as a table in which each stands beside its series."""
    titles = [drawn_text(title).replace("\n", " ") for title in root.iter(CHART + "title")]
    series = [_Series(node) for node in root.iter(CHART + "ser")]
    at = sorted({place for each in series for place in (*each.names, *each.values)})[:MAX_POINTS]
    rows = [["", *(each.title for each in series)]]
    for place in at:
        name = next((each.names[place] for each in series if place in each.names), "")
        rows.append([name, *(each.values.get(place, "") for each in series)])
    return "\n".join([*filter(None, titles), table_text(rows, header=True) if at else ""]).strip()


def diagram_text(root: etree._Element) -> str:
    """Return the texts of a diagram's boxes, one a line."""
    points = (point for point in root.iter(DIAGRAM + "pt") if point.get("type", "node") in {"node", "asst"})
    texts = (" ".join(drawn_text(point).split()) for point in points)
    return "\n".join(f"- {text}" for text in texts if text)


class _Series:
    def __init__(self, node: etree._Element) -> None:
        self.title = " ".join(each.text or "" for each in node.iterfind(f"{CHART}tx//{CHART}v"))
        self.names = _points(node, "cat") or _points(node, "xVal")
        self.values = _points(node, "val") or _points(node, "yVal")


def _points(series: etree._Element, kind: str) -> dict[int, str]:
    points = {}
    for point in series.iterfind(f"{CHART}{kind}//{CHART}pt"):
        index = point.get("idx", "")
        if index.isdecimal():
            points[int(index)] = _number(point.findtext(CHART + "v") or "")
    return points


def _number(text: str) -> str:
    try:
        return general(float(text))
    except (ValueError, OverflowError):
        return text
