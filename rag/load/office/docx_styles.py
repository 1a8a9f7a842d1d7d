"""What a Word paragraph's style says: its heading level, and the number or bullet before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from rag.load.office import numbered
from rag.load.office.numbered import Counts, Level, Levels, Write, next_label
from rag.load.office.wordml import W, number, value

HEADING: Final = re.compile(r"heading ([1-9])")
BODY_TEXT: Final = 9  # the outline level of what is no heading
PLACE: Final = re.compile(r"%([1-9])")
MAX_BASES: Final = 20  # a style based on itself must not hang the reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """`level`: 0 for a title, 1-9 for a heading, None for text; the list the style belongs to, if any."""

    level: int | None = None
    list_id: str | None = None
    list_level: int = 0


class Styles:
    """The paragraph styles of a document."""

    def __init__(self, root: etree._Element | None) -> None:
        found = () if root is None else root.findall(W + "style")
        self._nodes = {node.get(W + "styleId"): node for node in found}
        self._known: dict[str | None, Style] = {}

    def of(self, paragraph: etree._Element) -> Style:
        """Return what holds for `paragraph`: its own properties before its style's."""
        properties = paragraph.find(W + "pPr")
        if properties is None:
            return Style()
        name = value(properties.find(W + "pStyle"))
        if name not in self._known:
            self._known[name] = self._resolve(name)
        return _merged(_read(properties), self._known[name])

    def _resolve(self, name: str | None) -> Style:
        style = Style()
        for _ in range(MAX_BASES):
            node = self._nodes.get(name)
            if node is None:
                break
            properties = node.find(W + "pPr")
            own = Style() if properties is None else _read(properties)
            style = _merged(_merged(style, Style(level=_named_level(node))), own)
            name = value(node.find(W + "basedOn"))
        return style


class Numbering:
    """Counts the items of every list, as the word processor would."""

    def __init__(self, root: etree._Element | None) -> None:
        self._levels: dict[str, Levels] = {}
        self._abstract: dict[str, str] = {}
        self._counts: dict[str, Counts] = {}
        self._restarts: dict[tuple[str, int], int] = {}  # a list's level -> the number it begins anew with
        if root is None:
            return
        for node in root.findall(W + "abstractNum"):
            levels = {int(level.get(W + "ilvl")): _level(level) for level in node.findall(W + "lvl")}
            self._levels[node.get(W + "abstractNumId")] = levels
        for node in root.findall(W + "num"):
            name = node.get(W + "numId")
            self._abstract[name] = value(node.find(W + "abstractNumId")) or ""
            for override in node.findall(W + "lvlOverride"):
                start = number(override.find(W + "startOverride"))
                if start is not None:
                    self._restarts[name, int(override.get(W + "ilvl"))] = start

    def label(self, style: Style) -> str:
        """Count one more paragraph of `style`; return what is printed before it, "" when it is in no list."""
        abstract = self._abstract.get(style.list_id or "")
        levels = self._levels.get(abstract or "", {})
        if abstract is None or style.list_level not in levels:
            return ""
        counts = self._counts.setdefault(abstract, {})
        restart = self._restarts.pop((style.list_id or "", style.list_level), None)
        if restart is not None:
            counts[style.list_level] = restart - 1
        label = next_label(levels, counts, style.list_level)
        indent = "  " * style.list_level if style.level is None else ""
        return f"{indent}{label} " if label else ""


def _read(properties: etree._Element) -> Style:
    outline = number(properties.find(W + "outlineLvl"))
    listed = properties.find(W + "numPr")
    return Style(
        level=None if outline is None or outline >= BODY_TEXT else outline + 1,
        list_id=None if listed is None else value(listed.find(W + "numId")),
        list_level=0 if listed is None else number(listed.find(W + "ilvl")) or 0,
    )


def _merged(first: Style, second: Style) -> Style:
    listed = second if first.list_id is None else first
    return Style(
        level=second.level if first.level is None else first.level,
        list_id=listed.list_id,
        list_level=listed.list_level,
    )


def _named_level(style: etree._Element) -> int | None:
    name = (value(style.find(W + "name")) or "").lower()
    match = HEADING.fullmatch(name)
    return int(match[1]) if match else (0 if name == "title" else None)


def _level(node: etree._Element) -> Level:
    name = value(node.find(W + "numFmt"))
    pattern = value(node.find(W + "lvlText")) or ""
    start = number(node.find(W + "start"))
    return Level(
        parts=() if name in {"bullet", None} else tuple(PLACE.split(pattern)),
        write=FORMATS.get(name or "", str),
        start=1 if start is None else start,
    )


FORMATS: Final[Mapping[str, Write]] = {
    "chineseCounting": numbered.chinese,
    "chineseCountingThousand": numbered.chinese,
    "chineseLegalSimplified": numbered.formal,
    "japaneseCounting": numbered.chinese,
    "ideographDigital": numbered.chinese,
    "ideographTraditional": numbered.stems,
    "decimalEnclosedCircle": numbered.circled,
    "decimalEnclosedCircleChinese": numbered.circled,
    "lowerLetter": numbered.letters,
    "upperLetter": lambda count: numbered.letters(count).upper(),
    "lowerRoman": numbered.roman,
    "upperRoman": lambda count: numbered.roman(count).upper(),
    "decimalZero": lambda count: f"{count:02}",
    "none": numbered.nothing,
}
