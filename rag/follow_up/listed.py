"""What an answer or a question lists, as "the Heron, the Kestrel and the Egret"."""

from __future__ import annotations

import re
from typing import Final

from rag.sentences import sentence_spans

BETWEEN: Final = re.compile(r",\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+|、|和|以及|或")
ITEM: Final = re.compile(r"(?:[\w'’.-]+ ){0,3}[A-Za-z0-9][\w'’.-]*|[\u3400-\u9fff《》“”\w]{1,8}")


def listed(text: str) -> list[str]:
    """Return the items of the first sentence, or nothing where it says more than a list."""
    start, end = next(iter(sentence_spans(text)), (0, 0))
    items = BETWEEN.split(text[start:end].rstrip(" .。!！?？"))
    return items if len(items) > 1 and all(ITEM.fullmatch(item) for item in items) else []


def picked(question: str, found: re.Match[str], index: int, items: list[str]) -> str:
    """Return the question with what it points at in place of the pointer, or nothing."""
    if not -len(items) <= index < len(items):
        return ""
    put = question[: found.start()] + items[index] + question[found.end() :]
    return put[0].upper() + put[1:]
