"""The parts of an Excel workbook (.xlsx) around its cells: shared strings, formats, comments, ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Final

from lxml import etree

from rag.load.office.number_format import BUILTIN, Show, formatter, general, is_date
from rag.load.office.ooxml import DAMAGES, Package, PartStream
from rag.load.office.sheet_tables import Cell
from rag.load.office.sheets import column_number
from rag.load.raised import raised

S: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RANGE: Final = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})(?::\$?([A-Z]{1,3})\$?(\d{1,7}))?")
ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")  # how control characters are written (22.9.2.19)
DATE_1904: Final = 1462  # days from the one epoch to the other
THREAD: Final = re.compile(r"\[Threaded comment\].*?Comment:\s*", re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a cell's number is shown."""

    show: Show = general
    is_bold: bool = False
    is_date: bool = False
    hides_text: bool = False


PLAIN: Final = Look()


def cell_range(reference: str) -> tuple[int, int, int, int] | None:
    """Return first row, first column, last row, last column of "B2:F9"; rows from 1, columns from 0."""
    found = RANGE.fullmatch(reference)
    if not found:
        return None
    row, column = int(found[2]), column_number(found[1])
    return row, column, int(found[4] or row), column_number(found[3]) if found[3] else column


def shared_strings(package: Package, part: str) -> dict[str, str]:
    """Return the texts that cells refer to, by their number as it is written."""
    strings: dict[str, str] = {}
    try:
        with package.open(part) as stream:
            for number, item in enumerate(items(stream, "si")):
                strings[str(number)] = string_text(item)
    except DAMAGES:
        package.notes.append("the list of its texts is damaged: those after the damage are missing")
    return strings


def items(stream: IO[bytes], *names: str) -> Iterator[etree._Element]:
    """Yield the elements of these names as they end, each forgotten before the next.

    Raises:
        ValueError: at the end, when the part is damaged.
    """
    events = etree.iterparse(
        PartStream(stream),
        events=("end",),
        tag=[S + name for name in names],
        resolve_entities=False,
        no_network=True,
        recover=True,
        remove_comments=True,
    )
    for _, node in events:
        yield node
        node.clear()
        while node.getprevious() is not None:
            del node.getparent()[0]
    if any(entry.level == etree.ErrorLevels.FATAL for entry in events.error_log):
        raise ValueError("the part is damaged")


def string_text(item: etree._Element) -> str:
    """Return a string's runs without the reading aids of East Asian text."""
    runs = [item, *item.findall(S + "r")] if len(item) > 1 or item.find(S + "r") is not None else [item]
    return unescaped("".join(map(_run_text, runs)))


def _run_text(run: etree._Element) -> str:
    text = "".join([node.text or "" for node in run.findall(S + "t")])
    place = run.find(f"{S}rPr/{S}vertAlign")
    return text if place is None or place.get("val") != "superscript" else raised(text)


def unescaped(text: str) -> str:
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def looks(root: etree._Element | None) -> dict[str, Look]:
    """Return how the cells of each style are shown, by the style's number as it is written."""
    if root is None:
        return {}
    codes = {
        node.get("numFmtId"): node.get("formatCode", "") for node in root.iterfind(f"{S}numFmts/{S}numFmt")
    }
    fonts = [_is_bold(font) for font in root.iterfind(f"{S}fonts/{S}font")]
    styles = enumerate(root.iterfind(f"{S}cellXfs/{S}xf"))
    return {str(number): _look(style, codes, fonts) for number, style in styles}


def look(code: str, *, is_bold: bool) -> Look:
    """Return the look of a cell with the number format `code`."""
    hides_text = code.replace(" ", "") == ";;;"
    return Look(show=formatter(code), is_bold=is_bold, is_date=is_date(code), hides_text=hides_text)


def number_cell(raw: str | float, look: Look, *, is_1904: bool) -> Cell:
    """Return a cell that holds a number, as it is shown."""
    try:
        value = float(raw)
        text = look.show(value + DATE_1904 if is_1904 and look.is_date else value)
    except (ValueError, OverflowError):
        text = str(raw)
    return Cell(text, is_value=True, is_bold=look.is_bold)


def comments(root: etree._Element | None) -> Iterator[tuple[str, str]]:
    """Yield each comment's cell and text, which begins with its author's name."""
    if root is None:
        return
    authors = [author.text or "" for author in root.iterfind(f"{S}authors/{S}author")]
    for comment in root.iterfind(f"{S}commentList/{S}comment"):
        body = comment.find(S + "text")
        text = "" if body is None else string_text(body)
        index = comment.get("authorId", "")
        who = authors[int(index)] if index.isdecimal() and int(index) < len(authors) else ""
        yield comment.get("ref", ""), said(text, who)


def said(text: str, who: str) -> str:
    """Return a comment's text beside its author's name, which it may begin with; "" for an empty one."""
    text = " ".join(THREAD.sub("", text).split())
    who = "" if who.startswith("tc=") else who  # a thread's number
    text = text.removeprefix(f"{who}:").strip() if who else text
    return f"Comment{f' by {who}' if who else ''}: {text}" if text else ""


def _look(style: etree._Element, codes: Mapping[str | None, str], fonts: list[bool]) -> Look:
    number = style.get("numFmtId", "0")
    code = codes.get(number) or BUILTIN.get(int(number) if number.isdecimal() else 0, "General")
    font = style.get("fontId", "")
    is_bold = font.isdecimal() and int(font) < len(fonts) and fonts[int(font)]
    return look(code, is_bold=is_bold)


def _is_bold(font: etree._Element) -> bool:
    bold = font.find(S + "b")
    return bold is not None and bold.get("val", "1") not in {"0", "false"}
