"""Dates and times of a sheet, which are numbers of days, by the letters of their format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

DATE_LETTERS: Final = r"am/pm|a/p|上午/下午|y+|m+|d+|h+|s+(?:\.0+)?|aaaa?|e+|b{2,4}|g{1,3}e{1,2}"
EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's dates know no zone
ERAS: Final = (  # of Japan: year, month and day of the first, name and letter
    ((2019, 5, 1), "令和", "R"), ((1989, 1, 8), "平成", "H"), ((1926, 12, 25), "昭和", "S"),
    ((1912, 7, 30), "大正", "T"), ((1868, 1, 25), "明治", "M"),
)  # fmt: skip
LEAP: Final = 60  # Excel counts a 29 February 1900, so that earlier days stand one off
FIRST_YEAR: Final = 1900
DAY_ZERO: Final = (1900, 1, 0)  # what Excel calls the day before the first
LAST: Final = 2_958_466  # the day after 9999-12-31
DAY: Final = 86_400  # seconds
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CHINESE_DAYS: Final = "一二三四五六日"
NOON: Final = 12
HALVES: Final = {"am/pm": ("AM", "PM"), "a/p": ("A", "P"), "上午/下午": ("上午", "下午")}
FULL: Final = 4  # letters of a format that write a name in full
SHORT: Final = 3


def moment(value: float, *, decimals: int = 0) -> datetime | None:
    """Return the time that a cell's number stands for, rounded to a second or its `decimals`."""
    if not 0 <= value < LAST:
        return None
    unit = 10**decimals
    days = value + 1 if value < LEAP else value
    seconds = round(days * DAY * unit) / unit
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def date_text(tokens: Sequence[tuple[str, str]], value: float) -> str | None:
    """Write a number of days by the tokens of a format (kind, text); None when it is no date."""
    decimals = max((len(text.partition(".")[2]) for kind, text in tokens if kind == "date"), default=0)
    when = moment(value, decimals=decimals)
    if when is None:
        return None
    halves = next((HALVES[text.lower()] for _, text in tokens if text.lower() in HALVES), None)
    pieces = []
    for at, (kind, text) in enumerate(tokens):
        if kind == "elapsed":
            pieces.append(_elapsed(text, value))
        elif kind == "date":
            pieces.append(_piece(text.lower(), when, halves, is_minute=_is_minute(tokens, at)))
        else:
            pieces.append(text)
    return "".join(pieces).strip()


def _is_minute(tokens: Sequence[tuple[str, str]], at: int) -> bool:
    """Tell minutes from months, both written m: after hours or before seconds."""
    times = [text.lower()[0] for kind, text in tokens[:at] if kind in {"date", "elapsed"}]
    later = [text.lower()[0] for kind, text in tokens[at + 1 :] if kind in {"date", "elapsed"}]
    before = [letter for letter in times if letter in "hsymd"]
    return (bool(before) and before[-1] == "h") or (bool(later) and later[0] == "s")


def _elapsed(text: str, value: float) -> str:
    seconds = round(value * DAY)
    return str(seconds // {"h": 3600, "m": 60, "s": 1}[text[0]]).zfill(len(text))


def _piece(text: str, when: datetime, halves: tuple[str, str] | None, *, is_minute: bool) -> str:
    if text in HALVES:
        return (halves or HALVES[text])[when.hour >= NOON]
    if text[0] == "h":
        hour = (when.hour % NOON or NOON) if halves else when.hour
        return str(hour).zfill(min(len(text), 2))
    if text[0] == "s":
        return _seconds(text, when)
    if text[0] == "m" and is_minute:
        return str(when.minute).zfill(min(len(text), 2))
    return _date_piece(text, when)


def _seconds(text: str, when: datetime) -> str:
    whole, _, places = text.partition(".")
    shown = str(when.second).zfill(min(len(whole), 2))
    return f"{shown}.{when.microsecond:06}"[: len(shown) + 1 + len(places)] if places else shown


def _date_piece(text: str, when: datetime) -> str:
    size = len(text)
    year, month, day = (when.year, when.month, when.day) if when.year >= FIRST_YEAR else DAY_ZERO
    if text[0] in "ye":
        return str(year) if size > 2 or text[0] == "e" else f"{year % 100:02}"  # noqa: PLR2004
    if text[0] == "b":
        return str(year + 543)  # the Buddhist era
    if text[0] == "g":
        return _of_era(text, (year, month, day))
    if text[0] == "a":
        return ("星期" if size == FULL else "周") + CHINESE_DAYS[when.weekday()]
    number, name = (month, MONTHS[month - 1]) if text[0] == "m" else (day, DAYS[when.weekday()])
    if size < SHORT:
        return str(number).zfill(size)
    return name if size == FULL else name[: 1 if size > FULL else SHORT]


def _of_era(text: str, day: tuple[int, int, int]) -> str:
    """Return "令和6", or shorter "令6" and "R6", for a day of 2024."""
    first, name, letter = next(era for era in ERAS if day >= era[0])
    shown = {1: letter, 2: name[0]}.get(text.count("g"), name)
    return f"{shown}{str(day[0] - first[0] + 1).zfill(text.count('e'))}"
