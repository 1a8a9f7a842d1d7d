"""What a question names and no passage mentions: often enough why it is not answered.

Share of questions for which something is returned, over 10 paragraphs of SQuAD 2 (n=765, 509) and CMRC 2018
(n=1002, 1002): about other paragraphs .94 and .89, answered by these .37 and .10; over all 256 paragraphs of
a set .41 and .70 where the question's own is left out, .13 and .05 with it, misspelt words mostly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from rag.follow_up.chinese import naming_words
from rag.follow_up.empty_words import FUNCTION, RELATIONAL
from rag.index.lexical import HAN, THOUSANDS, plain
from rag.index.small_words import SMALL

RUN: Final = re.compile(rf"(?P<han>[{HAN}]+)|[^\W_{HAN}]+(?:[.\-+#/@&'’_][^\W_{HAN}]+)*(?:\+\+|#)?")
POSSESSIVE: Final = re.compile(r"['’]s?$")
WITHIN: Final = re.compile(r"[-_'’]")
JOINED: Final = re.compile(r"\w+(?:[-_'’]\w+)+")
JOINTS: Final = r"[-_'’.\s]*"  # state-of-the-art, max_tokens
ENDING: Final = re.compile(r"(?<=\w{3})(?:ing|edly|ed|ies|es|ly|s|y|e)$")
# What is asked for, which the answer need not name: "which city", 什么职务.
ASKED: Final = re.compile(r"(?i:\b(?:what|which)\s+)(?:[A-Z]\S*\s+)*(?:\w+\s+of\s+)?(?:the\s+)?[a-z-]+\b")
HAN_ASKED: Final = re.compile("(?:(?<!为)什么|哪[个些种类项位家一]|何种)$")
VAGUE_WORDS: Final = """
able according additional along around associated became become becomes bring broad brought came certain
come country current different early else exact find first five found four general go goes include included
including kind known large later live lived major modern new number occur one original other others part
particular portion possible present primary refer refers related relation second section see several similar
simple small sort specific term third three today toward towards two type types use uses using various way
ways year years
方面 问题 情况 方式 内容 样子 地方 人员 目的 代表 类型 种类 分类 重要性
"""
VAGUE: Final = frozenset(VAGUE_WORDS.split())
MOST: Final = 5  # words; more would only say that the question is about something else
LOOKED_FOR: Final = 24  # words; a question of more is a story


def unmentioned(question: str, is_mentioned: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the first of the question's names, numbers and other telling words that are not mentioned."""
    words = islice(dict.fromkeys(telling(question)), LOOKED_FOR)
    return tuple(islice((word for word in words if not is_mentioned(word)), MOST))


def is_in(text: str, word: str) -> bool:
    """Tell whether the text has the word, in any of its forms and writings, as Wi-Fi and WiFi are."""
    said, told = plain(word).casefold(), plain(text).casefold()
    if ENDING.sub("", said) in told:
        return True
    if said[:1].isdigit() or not said.isascii():
        return False
    parts = map(re.escape, filter(None, re.split(r"[-_'’.]+", said)))
    return re.search(rf"\b{JOINTS.join(parts)}\b", told) is not None or said in _joined(told)


@lru_cache(maxsize=64)
def _joined(text: str) -> frozenset[str]:
    """Return the words that a hyphen or an apostrophe joins, without it."""
    return frozenset(WITHIN.sub("", word) for word in JOINED.findall(text))


def telling(question: str) -> Iterator[str]:
    """Yield the words that say what the question is about, as they are written in it."""
    for found in RUN.finditer(THOUSANDS.sub("", ASKED.sub(_without_category, question))):
        if found["han"]:
            yield from _han_names(found.group())
        elif _tells(word := POSSESSIVE.sub("", found.group())):
            yield word


def _without_category(found: re.Match[str]) -> str:
    return " ".join(found.group().split()[1:-1])


def _tells(word: str) -> bool:
    known = word.casefold()
    if known in SMALL | FUNCTION | RELATIONAL | VAGUE or (known.endswith("ly") and word == known):
        return False
    return len(word) > 1 or word.isdigit()


def _han_names(run: str) -> Iterator[str]:
    """Yield the names in a run of Chinese; characters that the dictionary does not join are one."""
    folded = plain(run)
    for start, end in _merged(_spans(folded)):
        name = run[start:end]
        if end - start > 1 and name not in VAGUE and not HAN_ASKED.search(folded[:start]):
            yield name


def _spans(run: str) -> Iterator[tuple[int, int]]:
    end = 0
    for word in naming_words(run):
        start = run.index(word, end)
        end = start + len(word)
        yield start, end


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join single characters that follow one another."""
    before, last, single = 0, -1, False
    for start, end in spans:
        if not (single and end - start == 1 and start == last):
            yield before, last
            before = start
        last, single = end, end - start == 1
    yield before, last
