"""A question that compares two things -> what to ask of each, so that both are found."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

from rag.index.lexical import chinese_words, plain, words
from rag.index.small_words import SMALL

LONGEST: Final = 60  # characters of a thing's name; a longer one is a sentence
LONGEST_QUESTION: Final = 200  # characters; a longer one tells a story
AND_HAN: Final = "和|与|跟|同|以及|及|vs"
APART: Final = "区别|不同|差别|差异|异同|分别|相同|相比|对比|比较|一样|哪个|哪一个|哪种|哪款|谁"
ENGLISH: Final = (
    r"\b(?:compar(?:e|ing)|contrast(?:ing)?|comparison (?:of|between))\b(?P<a>.+?)"
    r"\b(?:and|with|to|against|versus|vs)\b(?P<b>.+)",
    r"\b(?:differences?|distinctions?|similarit(?:y|ies))\b.{0,40}?\bbetween\b(?P<a>.+?)\band\b(?P<b>.+)",
    r"\b(?:do|does|did|is|are|was|were)\b(?P<a>.+?)\bdiffer(?:ent)?\s+from\b(?P<b>.+)",
    r"\b(?:is|are|was|were|do|does|did|has|have|had)\b(?P<a>.+?)"
    r"\s(?:\w+er|more|less|worse)\b.{0,40}?\bthan\b(?!\s+(?:\d|an?\b|one\b))(?P<b>.+)",
    r"\b(?:which|who|what)\b[^,:]*[,:](?P<a>.+?)\bor\b(?P<b>.+)",
    r"^(?P<a>.+?)\b(?:vs|versus)\b(?P<b>.+)",
)
CHINESE: Final = (
    rf"(?:比较|对比|对照)(?:一下|下)?(?P<a>.+?)(?:{AND_HAN})(?P<b>.+)",
    rf"^(?P<a>.+?)(?:{AND_HAN})(?P<b>.+?)(?:之间|相比|在|有|的|,|{APART}).*?(?:{APART})",
    rf"^(?P<a>.+?)(?:{AND_HAN})(?P<b>.+?)(?:{APART})",
    r"^(?P<a>.+?)(?:相比于|相比|比起|相对于|不同于|比)(?P<b>.+?)"
    r"(?:更|多(?!少)|少|高|低|大|小|长|短|早|晚|快|慢|贵|便宜|好|差|强|弱)",
    r"(?:[,:]|^)(?P<a>[^,:]+?)还是(?P<b>[^,:]+)",
)
PATTERNS: Final = tuple(re.compile(each, re.IGNORECASE) for each in (*ENGLISH, *CHINESE))
EDGES: Final = re.compile(
    r"^(?:the|a|an|both|how|请问|那么)\b\s*|^[\s\"'“”‘’.,:;]+|[\s\"'“”‘’.,:;?!。？！、]+$", re.IGNORECASE
)


def sides(question: str) -> tuple[str, str] | None:
    """Return the question as it would be asked of each of the two things it compares; None: it does not."""
    text = plain(question)
    if len(text) > LONGEST_QUESTION:
        return None
    for pattern in PATTERNS:
        found = pattern.search(text)
        if found and _stands_alone(found) and (names := _names(found["a"], found["b"])):
            first = text.rindex(names[0], *found.span("a"))
            second = text.index(names[1], *found.span("b"))
            return _without(text, second, names[1]), _without(text, first, names[0])
    return None


def _stands_alone(found: re.Match[str]) -> bool:
    """Say whether what is between the names is no part of a word, as in 比例 or 同名."""
    if found.string.isascii():
        return True
    ends = {0, *accumulate(len(word) for word in chinese_words(found.string))}
    return {found.end("a"), found.start("b")} <= ends


def _without(text: str, start: int, name: str) -> str:
    return text[:start].rstrip() + " " + text[start + len(name) :].lstrip()


def _names(first: str, second: str) -> tuple[str, str] | None:
    """Return what tells the two apart, without what is asked of both: the length of A and B; 甲和乙的长度."""
    first, second = _trimmed(first), _trimmed(second)
    for of in (" of ", " in ", " for "):
        if of in first and of not in second:
            first = _trimmed(first.rpartition(of)[2])
    if "的" in second and "的" not in first:
        second = _trimmed(second.partition("的")[0])
    named = all(len(name) <= LONGEST and set(words(name)) - SMALL for name in (first, second))
    return (first, second) if named and first.casefold() != second.casefold() else None


def _trimmed(name: str) -> str:
    before = ""
    while name != before:
        before, name = name, EDGES.sub("", name)
    return name
