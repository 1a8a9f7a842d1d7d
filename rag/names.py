"""What a sentence writes like a name, in either language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rag.index.lexical import plain
from rag.index.small_words import SMALL

LETTER: Final = r"[^\W\u3400-\u9fff]"
NAME: Final = re.compile(  # after a Chinese character only what has a number: Wi-Fi may be wireless there
    rf"(?<![^\W\d_])[A-Z](?:{LETTER}|[’'-])*(?!_){LETTER}|(?<=[\u3400-\u9fff])[A-Z][A-Z-]*\d[A-Z\d-]*"
)
LATIN_NAME: Final = re.compile(r"(?<![A-Za-z])[A-Z][A-Za-z'’-]*[A-Za-z]")  # in Chinese text
JOINTS: Final = re.compile("[-_ ]")  # Wi-Fi is WIFI
TITLE: Final = re.compile(r"《([^《》]{1,60})》")


def names(sentence: str) -> Iterator[str]:
    """Yield what is written like a name; a sentence's first word says nothing by its capital."""
    first = len(sentence) - len(sentence.lstrip("\"'“‘([*_# "))
    for found in NAME.finditer(sentence):
        if found.start() > first and found.group().casefold() not in SMALL:
            yield re.sub(r"['’]s?$", "", found.group())
    yield from TITLE.findall(sentence)


def latin_names(text: str) -> list[str]:
    found: list[str] = LATIN_NAME.findall(text)
    return found


def folded_names(text: str) -> set[str]:
    return {name.casefold() for name in latin_names(plain(text))}
