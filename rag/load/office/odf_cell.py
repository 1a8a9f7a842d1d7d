"""What a cell of an OpenDocument spreadsheet shows: its text, or else the value that is stored."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from rag.load.office.number_format import general
from rag.load.office.odf_package import OFFICE, TABLE, TEXT
from rag.load.office.odf_text import inline_text
from rag.load.office.sheet_tables import Cell

VALUES: Final = frozenset({"float", "percentage", "currency", "date", "time", "boolean"})
DURATION: Final = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")
HOURS: Final = 24
REFERENCE: Final = re.compile(r"\[\.?|(?<=:)\.|\]")  # what OpenFormula writes around A1 and B2: [.A1:.B2]


def shown_cell(node: etree._Element) -> Cell:
    text = " ".join(filter(None, (inline_text(each) for each in node.iterfind(TEXT + "p"))))
    return Cell(text or _stored(node), is_value=node.get(OFFICE + "value-type") in VALUES)


def unsolved(node: etree._Element) -> str:
    """Return the formula of a cell that shows nothing, "" where an empty text is what it comes to."""
    formula = node.get(TABLE + "formula", "").partition("=")[2]
    return f"={REFERENCE.sub('', formula)}" if formula and node.get(OFFICE + "value-type") != "string" else ""


def _stored(node: etree._Element) -> str:
    kind = node.get(OFFICE + "value-type", "")
    is_number = kind in {"float", "percentage", "currency"}
    value: str = node.get(OFFICE + "value" if is_number else f"{OFFICE}{kind}-value", "")
    match kind:
        case "boolean":
            return value.upper()
        case "time":
            return _hours(value)
        case "percentage" if value:
            return f"{_number(value, times=100)}%"
        case "float" | "currency":
            return f"{_number(value)} {node.get(OFFICE + 'currency', '')}".strip()
        case _:
            return value


def _number(value: str, *, times: int = 1) -> str:
    try:
        return general(float(value) * times)
    except (ValueError, OverflowError):
        return value


def _hours(duration: str) -> str:
    """Return "36:05:00" for "P1DT12H5M"."""
    match = DURATION.fullmatch(duration)
    if match is None:
        return duration
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups()[1:])
    minutes, seconds = divmod(((days * HOURS + hours) * 60 + minutes) * 60 + seconds, 60)
    return f"{match[1]}{minutes // 60}:{minutes % 60:02}:{seconds:02}"
