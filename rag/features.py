"""The words of a text that count when two texts are held against one another."""

from __future__ import annotations

import re
from typing import Final

from rag.index.lexical import HAN, NUMBER, NUMERALS, words
from rag.index.small_words import SMALL
from rag.quantities import MEASURES, UNIT_NAMES, in_digits

COUNTING: Final = f"{NUMERALS}十百千万亿"
COUNTED: Final = re.compile(rf"[{COUNTING}]+(?:[{MEASURES}]|分钟)?")
LONE_CHARACTER: Final = re.compile(rf"[{HAN}]")  # its pairs say what it belongs to
SUFFIX: Final = re.compile(r"(?<=\w{3})(?:ing|edly|ed|ies|es|ly|s|y|e)$")
TELLS_NOTHING: Final = frozenset({"answer", "both", "答案"})


def features(text: str, *, values: bool = True) -> frozenset[str]:
    """Return the words that count: stems of Latin ones, words and pairs of Chinese characters, numbers.

    Twelve is 12, and 3 million are 3000000; of 十二 the `values` are all, or the characters count, too.
    """
    found = (
        word if LONE_CHARACTER.fullmatch(word) else UNIT_NAMES.get(word, word)
        for word in words(in_digits(text))
    )
    counted = frozenset(found) - SMALL - TELLS_NOTHING
    words_alone = (word for word in counted if not LONE_CHARACTER.fullmatch(word))
    telling = frozenset(word for word in words_alone if not (values and _is_counted(word))) or counted
    return frozenset(map(_stem, telling))


def _stem(word: str) -> str:
    """Take the endings off, one after the other: buildings, building, build."""
    while (shorter := SUFFIX.sub("", word)) != word:
        word = shorter
    return word


def _is_counted(word: str) -> bool:
    """Tell whether a Chinese word is a number, with or without a unit: its value is a word, too."""
    return COUNTED.fullmatch(word) is not None and NUMBER.search(word) is not None


def support(sentence: str, span: str) -> float:
    """Return the share, 0 to 1, of the sentence's words that the span holds."""
    wanted = features(sentence)
    return len(wanted & features(span)) / len(wanted) if wanted else 0.0
