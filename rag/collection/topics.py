"""What a list of documents is asked for: one topic or another, or several at once."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from rag.index.lexical import THOUSANDS, chinese_words

COMMA: Final = re.compile(r"\s*[,，、]\s*")
OR: Final = re.compile(r"\s*,?\s+or\s+", re.IGNORECASE)
HAN_OR: Final = frozenset({"或", "或者"})
AND: Final = re.compile(r"\band\b", re.IGNORECASE)
HAN_AND: Final = frozenset({"和", "与", "及", "以及"})
AROUND: Final = re.compile(
    r"^(?:(?:both|either|anything (?:about|on)|the (?:topic|subject) of)\s+)+"
    r"|^the (?:word|term)s?\s+(?!(?:and|of)\b)"
    r"|(?:这|那)?(?:两|几|一)?个(?:词|字|话题|主题)$",
    re.IGNORECASE,
)
BETWEEN: Final = "\n"  # what stands between alternatives


@lru_cache(maxsize=32)
def alternatives(topic: str) -> tuple[str, ...]:
    """Return the topics of which one is enough, each with its words set apart where they are joined.

    Of 加班和年假 the pair 班和 is no word that a document must hold. Commas join what "and" joins, too.
    """
    text = OR.sub(BETWEEN, AROUND.sub("", THOUSANDS.sub("", topic).strip()))
    words = [BETWEEN if word in HAN_OR else word for word in chinese_words(text)]
    together = (AND.search(text) or not HAN_AND.isdisjoint(words)) and BETWEEN not in words
    text = "".join(" " if word in HAN_AND | {"的"} else word for word in words)
    found = COMMA.sub(" " if together else BETWEEN, text).split(BETWEEN)
    return tuple(each for each in dict.fromkeys(part.strip() for part in found) if each) or (topic,)
