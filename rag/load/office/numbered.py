"""Numbered lists and headings: how each level writes its number, and what is printed before an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

BULLET: Final = "-"
LETTERS_END: Final = 260  # longer lists go on in digits, here and below
DIGITS: Final = "零一二三四五六七八九"
FORMAL: Final = str.maketrans("一二三四五六七八九十", "壹贰叁肆伍陆柒捌玖拾")
CHINESE_END: Final = 100
STEMS: Final = "甲乙丙丁戊己庚辛壬癸"
CIRCLED: Final = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
ROMAN_END: Final = 40
ROMAN: Final = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))

Write: TypeAlias = Callable[[int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of a list; `parts` are text and, at odd places, the levels from 1 whose numbers it shows."""

    parts: tuple[str, ...]  # none for a bullet
    write: Write = str
    start: int = 1


Levels: TypeAlias = Mapping[int, Level]  # from 0
Counts: TypeAlias = dict[int, int]  # the last number of each level that has begun


def next_label(levels: Levels, counts: Counts, at: int) -> str:
    """Count one more item of the level `at`; return what is printed before it."""
    for deeper in [level for level in counts if level > at]:
        del counts[deeper]
    counts[at] = counts[at] + 1 if at in counts else levels[at].start
    parts = levels[at].parts
    shown = (
        _numeral(levels, counts, int(part) - 1) if place % 2 else part for place, part in enumerate(parts)
    )
    return "".join(shown).strip() if parts else BULLET


def _numeral(levels: Levels, counts: Counts, at: int) -> str:
    level = levels.get(at, Level(parts=()))
    return level.write(counts.get(at, level.start))


def letters(count: int) -> str:
    """Return "c" for 3, "cc" for 29."""
    if count > LETTERS_END:
        return str(count)
    return chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)


def roman(count: int) -> str:
    if count >= ROMAN_END:
        return str(count)
    text = ""
    for size, signs in ROMAN:
        text += signs * (count // size)
        count %= size
    return text


def chinese(count: int) -> str:
    if count >= CHINESE_END:
        return str(count)
    tens, ones = divmod(count, 10)
    if not tens:
        return DIGITS[ones]
    return ("" if tens == 1 else DIGITS[tens]) + "十" + (DIGITS[ones] if ones else "")


def formal(count: int) -> str:
    """Return "壹拾贰" for 12."""
    text = chinese(count)
    return (f"一{text}" if text.startswith("十") else text).translate(FORMAL)


def circled(count: int) -> str:
    return CIRCLED[count - 1] if 0 < count <= len(CIRCLED) else str(count)


def stems(count: int) -> str:
    return STEMS[count - 1] if 0 < count <= len(STEMS) else str(count)


def nothing(_count: int) -> str:
    return ""
