"""The numbers of a text by their values, however they are written, and as the other language writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from rag.index.lexical import DIGITS, NUMBER, NUMERALS, THOUSANDS, numeral_value, plain
from rag.prompt import Language

ARABIC: Final = re.compile(r"(?<!\d)\d++(?:\.\d++)?")
MEASURES: Final = (
    "年月日号天周岁个名人位次回届条项页章节层间座台辆只件块元角秒点倍成度米里公吨斤克升平小%册种份本张家"
)
SIGNS: Final = f"{NUMERALS}十百千万亿"
NUMERAL: Final = rf"(?=[〇○零十百千万亿]{{0,23}}[{NUMERALS[3:]}])[{SIGNS}]{{1,24}}"
CHINESE_NUMBER: Final = re.compile(  # 十分 and 万一 are words; digits count before what is counted
    rf"第?(?!万一)(?=[{NUMERALS}]{{1,23}}[十百千万亿]|[十百千万亿][{NUMERALS}]){NUMERAL}"
    rf"|(?:第?{NUMERAL}|十)"
    rf"(?=[{MEASURES}时万亿，。、；）)]|分钟|$)"
)
ARTICLES: Final = frozenset({"a", "an"})  # before a hundred: one
BELOW_TWENTY: Final = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen
"""
FROM_TWENTY: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
UNITS: Final = {word: number for number, word in enumerate(BELOW_TWENTY.split())}
TENS: Final = {word: 10 * ten for ten, word in enumerate(FROM_TWENTY.split(), start=2)}
POWERS: Final = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
WORTHS: Final = "|".join(POWERS)
BELOW_HUNDRED: Final = rf"(?:(?:{'|'.join(TENS)})(?:[-\s](?:{'|'.join(UNITS)}))?|(?:{'|'.join(UNITS)}))\b"
MANY: Final = rf"(?:[\s-](?:{WORTHS})\b){{1,3}}"
JOINT: Final = rf"(?:,?\sand(?!\s{BELOW_HUNDRED}[\s-]hundred\b))?\s"
LONG: Final = (  # two hundred and three thousand
    rf"(?:{BELOW_HUNDRED}|(?<!half\s)(?<!\sof\s)\ban?\b(?=[\s-](?:{WORTHS})\b)){MANY}"
    rf"(?:{JOINT}{BELOW_HUNDRED}{MANY}){{0,5}}(?:{JOINT}{BELOW_HUNDRED}(?![\s-](?:{WORTHS})\b))?"
)
SPELT: Final = re.compile(  # between two hundred and three thousand are two
    rf"(?<=\bbetween\s){LONG}(?=\sand\s{BELOW_HUNDRED})|\b{LONG}|\b{BELOW_HUNDRED}", re.IGNORECASE
)
SPELT_WORD: Final = re.compile(r"[a-z]+")
UNITS_OF: Final = """
year years 年 周年
month months 个月
calendar-month 月
week weeks 周 星期
day days 天 日 号
hour hours hr hrs 小时
minute minutes min mins 分钟
second seconds sec secs 秒
age 岁 周岁
person persons people 人 名 位
dollar dollars 美元
pound pounds 英镑
euro euros 欧元
yuan rmb 元 块 人民币
km kilometer kilometers kilometre kilometres 公里 千米
m meter meters metre metres 米
cm centimeter centimeters centimetre centimetres 厘米
mm millimeter millimeters millimetre millimetres 毫米
mile miles 英里
foot feet ft 英尺
kg kilogram kilograms 公斤 千克
g gram grams 克
ton tons tonne tonnes 吨
jin 斤
book books 册 本
page pages 页
percent %
times 次 回
article 条
chapter 章
section 节
clause 款
session 届
floor 层 楼
yen 日元
carat 克拉
"""
OTHER_THINGS: Final = ("号楼", "号线", "回合", "年级")  # which begin with a unit's name
SIGN_OF: Final = {"$": "dollars", "£": "pounds", "€": "euros"}
PRICE: Final = re.compile(rf"([$£€])\s?(\d++(?:\.\d++)?(?:[\s-]?(?:{WORTHS})\b)?)", re.IGNORECASE)
PART: Final = re.compile(r"[半刻]|\b(?:half|quarter)\b", re.IGNORECASE)
UNIT_NAMES: Final = {name: line.split()[0] for line in UNITS_OF.splitlines() for name in line.split()}
UNIT: Final = "|".join(sorted((*UNIT_NAMES, *OTHER_THINGS), key=len, reverse=True))
MEASURED: Final = re.compile(rf"({ARABIC.pattern})(?:[\s-]?((?:{UNIT})(?![a-z])))?")
TOO_COMMON: Final = frozenset({"0", "1"})  # "one of them" is no number

ENGLISH_AMOUNT: Final = re.compile(rf"({ARABIC.pattern})[\s-]?({WORTHS})\b", re.IGNORECASE)
CHINESE_AMOUNT: Final = re.compile(
    rf"(?:{ARABIC.pattern}(?:[百千]?[万亿]{{1,2}}| [万亿]{{1,2}}(?![科达象豪国圣]))|{ARABIC.pattern}[百千])+"
)
TERM: Final = re.compile(rf"({ARABIC.pattern}) ?([百千万亿]+)")
WORTH: Final = {"百": 10**2, "千": 10**3, "万": 10**4, "亿": 10**8}
DECADE: Final = re.compile(rf"(\d{{1,2}}|[{NUMERALS}十]{{1,3}})世纪(\d0|[{NUMERALS}]十)年代")
CHINESE_DECIMAL: Final = re.compile(  # 三点五分 is a time, and so is what comes before 九点一位老师
    rf"([{SIGNS}]{{1,24}})点([{NUMERALS}]{{1,24}})(?![{SIGNS}分刻点位名个人张])"
)
PERCENT: Final = re.compile(rf"百分之({ARABIC.pattern}|[{NUMERALS}十百]{{1,9}})")
LONE_SIGN: Final = re.compile(rf"(?<![{SIGNS}\d])[百千万亿](?![{SIGNS}])")  # 上千人
MONTH_NAMES: Final = """
january february march april may june july august september october november december
"""
MONTHS: Final = {name: number for number, name in enumerate(MONTH_NAMES.split(), start=1)}
MONTH: Final = re.compile(rf"\b(?:{'|'.join(MONTHS)})\b")
DATED: Final = re.compile(  # may and march are other words, too
    rf"\b(?:{'|'.join(set(MONTHS) - {'may', 'march'})})\b|(?<=\d )(?:may|march)\b|\b(?:may|march)(?=,? \d)"
)
DECADE_OF_CENTURY: Final = re.compile(r"\d\d(\d0)s\b")  # 60 of 1960s: 60年代
ORDINAL_WORDS: Final = """
zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
"""
ORDINALS: Final = {word: number for number, word in enumerate(ORDINAL_WORDS.split())}
ORDINAL: Final = re.compile(rf"(?<!ty[-\s])\b(?:{'|'.join(ORDINALS)})s?\b")


def numbers(text: str) -> Iterator[str]:
    """Yield the value of each number, however it is written."""
    return _numbers_in(plain(text).casefold())


def _numbers_in(folded: str) -> Iterator[str]:
    for found in ARABIC.finditer(folded):
        yield _value(Decimal(found.group()))
    for value, _ in (*spelt_numbers(folded, "en"), *spelt_numbers(folded, "zh")):
        yield value


def spelt_numbers(text: str, spoken: Language) -> Iterator[tuple[str, str]]:
    """Yield the value of each number that the text writes in words, and the words."""
    if spoken == "zh":
        for found in CHINESE_NUMBER.finditer(text):
            written = found.group().removeprefix("第")
            yield _value(numeral_value(written)), written
        return
    for found in SPELT.finditer(text):
        yield str(_spelt_value(SPELT_WORD.findall(found.group().casefold()))), found.group()


def _spelt_value(said: Sequence[str]) -> int:
    """Return what two hundred and three thousand are worth."""
    total = many = 0
    for word in said:
        worth = POWERS.get(word)
        if worth is None:
            many += TENS.get(word, UNITS.get(word, int(word in ARTICLES)))
        elif worth < POWERS["thousand"]:
            many *= worth
        else:
            total, many = total + many * worth, 0
    return total + many


def amounts(text: str) -> Iterator[str]:
    """Yield the value of each number with what it counts by: 30000 of 3万, 3.5 of 百分之三点五."""
    return _numbers_in(_all_in_digits(text))


def counts(text: str) -> bool:
    """Tell whether a text holds a number, a part or a place in a row."""
    folded = text.casefold()
    return any(map(str.isdigit, in_digits(folded))) or bool(PART.search(folded) or ORDINAL.search(folded))


def magnitudes(text: str) -> Iterator[tuple[str, str]]:
    """Yield each number that is told in millions or 万: its value, and what it would be without them."""
    folded = _spelt_in_digits(plain(text).casefold())
    for found in ENGLISH_AMOUNT.finditer(folded):
        yield _value(Decimal(found[1]) * POWERS[found[2]]), _value(Decimal(found[1]))
    for found in CHINESE_AMOUNT.finditer(folded):
        first = ARABIC.match(found.group())
        yield _value(_amount(found.group())), _value(Decimal(first.group())) if first else ""


def measures(text: str) -> Iterator[tuple[str, str]]:
    """Yield the value of each number with the unit it counts by, "" where that is none of `UNITS_OF`."""
    digits = CHINESE_NUMBER.sub(_in_arabic, _all_in_digits(text))
    for found in MEASURED.finditer(digits):
        yield _value(Decimal(found[1])), UNIT_NAMES.get(found[2] or "", "")


def _in_arabic(found: re.Match[str]) -> str:
    return _value(numeral_value(found.group().removeprefix("第")))


def tells_ordinal(text: str, number: str) -> bool:
    """Tell whether the text writes 3rd as third."""
    return any(str(_ordinal(found.group())) == number for found in ORDINAL.finditer(text.casefold()))


def claimed_across(text: str) -> Iterator[str]:
    """Yield what a text in the other language must tell, too: months, decades and amounts by their values."""
    return _numbers_in(DATED.sub(_month, _all_in_digits(text)))


def _ordinal(word: str) -> int:
    return ORDINALS[word.rstrip("s")]


def told_across(text: str) -> Iterator[str]:
    """Yield all that a text in the other language may mean by a number of this one."""
    digits = _all_in_digits(text)
    yield from numbers(text)
    yield from _numbers_in(digits)
    yield from (_month(found) for found in MONTH.finditer(digits))
    yield from DECADE_OF_CENTURY.findall(digits)
    yield from (str(_ordinal(found.group())) for found in ORDINAL.finditer(digits))
    yield from (_value(Decimal(WORTH[sign])) for sign in LONE_SIGN.findall(digits))
    yield from (_value(numeral_value(found.group())) for found in NUMBER.finditer(digits))


def _spelt_in_digits(text: str) -> str:
    return SPELT.sub(lambda found: next(spelt_numbers(found.group(), "en"))[0], text)


def in_digits(text: str) -> str:
    """Write what English says in words in digits: twelve, 3 million."""
    text = PRICE.sub(lambda found: f"{found[2]} {SIGN_OF[found[1]]}", THOUSANDS.sub("", text))
    text = _spelt_in_digits(text)
    return ENGLISH_AMOUNT.sub(lambda found: _value(Decimal(found[1]) * POWERS[found[2].casefold()]), text)


def _all_in_digits(text: str) -> str:
    """Write out what each language says in a way of its own: 1.2亿, 3 million, 19世纪70年代, 百分之三十."""
    folded = in_digits(plain(text).casefold())
    folded = CHINESE_AMOUNT.sub(lambda found: _value(_amount(found.group())), folded)
    folded = CHINESE_DECIMAL.sub(_decimal, folded)
    folded = PERCENT.sub(lambda found: f"{_value(_number(found[1]))}%", folded)
    return DECADE.sub(lambda found: f"{_decade(found[1], found[2])}年代", folded)


def _decimal(found: re.Match[str]) -> str:
    return f"{_value(numeral_value(found[1]))}.{found[2].translate(DIGITS)}"


def _number(written: str) -> Decimal:
    return Decimal(written) if ARABIC.fullmatch(written) else numeral_value(written)


def _amount(written: str) -> Decimal:
    """Return what 1亿3000万 is worth."""
    total = Decimal(0)
    for number, signs in TERM.findall(written):
        worth = Decimal(number)
        for sign in signs:
            worth *= WORTH[sign]
        total += worth
    return total


def _decade(century: str, decade: str) -> int:
    hundreds, tens = (int(numeral_value(each)) for each in (century, decade))
    return (hundreds - 1) * 100 + tens


def _month(found: re.Match[str]) -> str:
    return str(MONTHS[found.group()])


def _value(number: Decimal) -> str:
    return f"{number.normalize():f}"
