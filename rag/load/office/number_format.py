"""Numbers of a sheet as a person sees them, by their number format (ECMA-376 part 1, 18.8.31)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final, TypeAlias

from rag.load.office.date_format import DATE_LETTERS, date_text

Show: TypeAlias = Callable[[float], str]
# The standard leaves the look of 14 and 22 to the reader's country: ISO 8601 is the one that nobody misreads.
# It leaves the currency of 5 to 8, 42 and 44 open, too: none is shown.
BUILTIN: Final = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: "#,##0;(#,##0)", 6: "#,##0;(#,##0)",
    7: "#,##0.00;(#,##0.00)", 8: "#,##0.00;(#,##0.00)", 41: "#,##0;(#,##0)", 42: "#,##0;(#,##0)",
    43: "#,##0.00;(#,##0.00)", 44: "#,##0.00;(#,##0.00)", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    12: "# ?/?", 13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 37: "#,##0;(#,##0)",
    38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)", 45: "mm:ss", 46: "[h]:mm:ss",
    47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    27: 'yyyy"年"m"月"', 28: 'm"月"d"日"', 29: 'm"月"d"日"', 30: "m-d-yy", 31: 'yyyy"年"m"月"d"日"',
    32: 'h"时"mm"分"', 33: 'h"时"mm"分"ss"秒"', 34: '上午/下午h"时"mm"分"', 35: '上午/下午h"时"mm"分"ss"秒"',
    36: 'yyyy"年"m"月"', 50: 'yyyy"年"m"月"', 51: 'm"月"d"日"', 52: 'yyyy"年"m"月"', 53: 'm"月"d"日"',
    54: 'm"月"d"日"', 55: '上午/下午h"时"mm"分"', 56: '上午/下午h"时"mm"分"ss"秒"', 57: 'yyyy"年"m"月"',
    58: 'm"月"d"日"',
}  # fmt: skip
MAX_CODE: Final = 1000  # characters; Excel allows 255
TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_.|\*.|\[(?P<bracket>[^\]]*)\]'
    rf"|(?P<exponent>E[+-]0*)|(?P<general>General)|(?P<date>{DATE_LETTERS})|(?P<digit>[0#?])|(?P<other>.)",
    re.I | re.S,
)
CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?[\d.]+)")
CURRENCY: Final = re.compile(r"\$([^-]*)")
COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": lambda value, limit: value < limit,
    ">": lambda value, limit: value > limit,
    "<=": lambda value, limit: value <= limit,
    ">=": lambda value, limit: value >= limit,
    "=": lambda value, limit: value == limit,
    "<>": lambda value, limit: value != limit,
}
ELAPSED: Final = re.compile(r"h+|m+|s+", re.I)
END: Final = re.compile(r"/[1-9]+|[,.]+")  # what belongs to a number behind its format's last place
EXACT: Final = 1e15  # beyond it a float holds no whole number exactly
SIGNED: Final = 2  # sections, of which the second is for negative numbers
MAX_PLACES: Final = 30


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # literal, date, elapsed, digit, exponent, general or other
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    tokens: tuple[Token, ...]
    condition: tuple[str, float] | None = None


def general(value: float) -> str:
    """Return a number as a cell without a format shows it, whole numbers in all their digits."""
    if value == int(value) and abs(value) < EXACT:
        return str(int(value))
    text = f"{value:.10g}"
    return text if "e" not in text else f"{value:.6g}".upper()


@lru_cache(maxsize=4096)
def formatter(code: str) -> Show:
    """Return what shows a number by the format `code`."""
    if code in {"", "@"} or code.lower() == "general" or len(code) > MAX_CODE:
        return general
    sections = [_section(each) for each in _split(code)[:3]]
    return lambda value: _show(sections, value)


@lru_cache(maxsize=4096)
def is_date(code: str) -> bool:
    """Say whether a number in this format is a date or a time."""
    first = _section(_split(code[:MAX_CODE])[0])
    return any(token.kind in {"date", "elapsed"} for token in first.tokens)


def _split(code: str) -> list[str]:
    """Cut a format at the semicolons that are not quoted."""
    sections, start = [], 0
    for match in TOKEN.finditer(code):
        if match["other"] == ";":
            sections.append(code[start : match.start()])
            start = match.end()
    return [*sections, code[start:]]


def _section(code: str) -> Section:
    tokens, condition = [], None
    for match in TOKEN.finditer(code):
        bracket = match["bracket"]
        if bracket is None:
            tokens.append(_token(match))
        elif limit := CONDITION.fullmatch(bracket):
            condition = (limit[1], float(limit[2])) if limit[2].count(".") <= 1 else None
        elif currency := CURRENCY.match(bracket):
            tokens.append(Token("literal", currency[1]))
        elif ELAPSED.fullmatch(bracket):
            tokens.append(Token("elapsed", bracket.lower()))
    return Section(tuple(token for token in tokens if token.text), condition)


def _token(match: re.Match[str]) -> Token:
    kind = match.lastgroup or "space"
    if kind in {"quoted", "escaped"}:
        return Token("literal", match[kind])
    if kind == "space":
        return Token("literal", " " if match.group().startswith("_") else "")
    return Token(kind, match[kind])


def _show(sections: Sequence[Section], value: float) -> str:
    section, has_sign = _chosen(sections, value)
    kinds = {token.kind for token in section.tokens}
    if kinds & {"date", "elapsed"}:
        shown = date_text([(token.kind, token.text) for token in section.tokens], value)
        return general(value) if shown is None else shown
    size = abs(value)
    text = _number(section.tokens, size)
    is_zero = not any(digit in text for digit in "123456789")  # what it is rounded to
    return f"-{text}" if value < 0 and not has_sign and not is_zero else text


def _chosen(sections: Sequence[Section], value: float) -> tuple[Section, bool]:
    """Return the section for `value`, and whether it says itself that the number is negative."""
    for at, section in enumerate(sections):
        if section.condition and COMPARE[section.condition[0]](value, section.condition[1]):
            return section, at > 0
    if any(section.condition for section in sections):
        return sections[-1], False
    if value < 0 and len(sections) >= SIGNED:
        return sections[1], True
    return sections[2 if value == 0 and len(sections) > SIGNED else 0], False


def _number(tokens: Sequence[Token], size: float) -> str:
    places = [at for at, token in enumerate(tokens) if token.kind in {"digit", "exponent"}]
    if not places:
        return "".join(general(size) if token.kind == "general" else token.text for token in tokens).strip()
    signs = "".join(token.text if token.kind == "other" else "0" for token in tokens)  # one a token
    first = places[0] - signs[: places[0]].endswith(".")
    after = END.match(signs, places[-1] + 1)
    last = after.end() if after else places[-1] + 1
    pattern = tokens[first:last]
    percents = sum(token.kind == "other" and token.text == "%" for token in tokens)
    body = _digits(pattern, size * 100**percents)
    before, behind = ("".join(token.text for token in part) for part in (tokens[:first], tokens[last:]))
    return f"{before}{body}{behind}".strip()


def _digits(pattern: Sequence[Token], size: float) -> str:
    """Write `size` in the part of a format from its first digit to its last."""
    texts = [token.text for token in pattern]
    if any(token.kind == "exponent" for token in pattern):
        return _scientific(pattern, size)
    if "/" in texts and "." not in texts:
        return _fraction(texts, size)
    whole = texts[: texts.index(".")] if "." in texts else texts
    decimals = texts[texts.index(".") + 1 :] if "." in texts else []
    trailing = len(texts) - len("".join(texts).rstrip(","))
    places = "".join(text for text in decimals if text in "0#?")
    number = _rounded(size / 1000**trailing, len(places))
    return _laid_out(pattern[: len(whole)], number, places)


def _laid_out(whole: Sequence[Token], number: str, places: str) -> str:
    """Put the digits of `number` into the places of a format, and what is written between them."""
    integer, _, decimals = number.partition(".")
    slots = [token for token in whole if token.kind == "digit"]
    least = sum(token.text == "0" for token in slots)
    integer = integer.lstrip("0").zfill(least)
    grouped = any(token.text == "," for token in whole[:-1]) and "digit" in {each.kind for each in whole}
    between = any(token.kind == "literal" or token.text in {"-", "(", ")", " "} for token in whole)
    if grouped and integer:
        integer = f"{int(integer):,}".zfill(least)
    elif between:
        integer = _spread(whole, integer)
    while decimals and places[len(decimals) - 1] in "#?" and decimals.endswith("0"):
        decimals = decimals[:-1]
    point = "." if places else ""
    return f"{integer}{point if decimals else ''}{decimals}"


def _spread(whole: Sequence[Token], integer: str) -> str:
    """Fill the places of 000-0000 from the right, the first one taking what is left."""
    pieces: list[str] = []
    left = sum(token.kind == "digit" for token in whole)
    for token in reversed(whole):
        if token.kind != "digit":
            pieces.append(token.text)
            continue
        left -= 1
        taken = integer if left == 0 else integer[-1:]
        integer = integer[: len(integer) - len(taken)]
        pieces.append(taken)
    return "".join(reversed(pieces))


def _rounded(size: float, places: int) -> str:
    """Round as a sheet does: half away from zero, of the number's shortest decimal form."""
    unit = Decimal(1).scaleb(-min(places, MAX_PLACES))
    number = Decimal(repr(size))
    if number.adjusted() + places > 26:  # noqa: PLR2004 - more digits than decimals are computed with
        return f"{size:.0f}"
    return f"{number.quantize(unit, rounding=ROUND_HALF_UP):f}"


def _scientific(pattern: Sequence[Token], size: float) -> str:
    at = next(at for at, token in enumerate(pattern) if token.kind == "exponent")
    whole, _, decimals = "".join(token.text for token in pattern[:at]).partition(".")
    places = min(len(decimals), MAX_PLACES)
    step = max(1, sum(digit in "0#?" for digit in whole))  # ##0.0E+0 goes by thousands
    power = int(f"{size:.{places + step - 1}E}".partition("E")[2]) // step * step
    number = f"{Decimal(repr(size)).scaleb(-power):.{places}f}"
    exponent = f"{power:+}"
    width = len(pattern[at].text) - 2 + sum(token.kind == "digit" for token in pattern[at + 1 :])
    sign = "-" if exponent.startswith("-") else pattern[at].text[1].replace("-", "")
    return f"{number}E{sign}{exponent[1:].lstrip('0').zfill(max(1, width))}"


def _fraction(texts: Sequence[str], size: float) -> str:
    slash = texts.index("/")
    below = "".join(texts[slash + 1 :]).strip()
    mixed = " " in texts[:slash]
    number = Decimal(repr(size))
    whole = int(number) if mixed else 0
    if below.isdecimal() and int(below):
        under = int(below)
        above = int(_rounded(float((number - whole) * under), 0))
    else:
        part = Fraction(number - whole).limit_denominator(10 ** min(len(below), 3) - 1)
        above, under = part.numerator, part.denominator
    if above == under and mixed:
        whole, above = whole + 1, 0
    if mixed and not above:
        return str(whole)
    return f"{whole} {above}/{under}" if whole else f"{above}/{under}"
