"""Whether a question can be understood without the conversation, and if not, what to search for instead.

Rules of both languages decide, and say what is meant where only one thing can be; else the question is
searched for together with the one before it. So a question that stands alone pays nothing, and hardly any
other does: only what points at one of several that the rules can't count, as "the third one" may, is put
to the LLM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from rag.datatypes import Answer
from rag.follow_up import chinese, english
from rag.follow_up.empty_words import FUNCTION, HAN_FUNCTION
from rag.index.lexical import chinese_words
from rag.prompt import MARKERS, language
from rag.sentences import sentence_spans

MOST_CHARACTERS: Final = 300  # of a follow-up, and of what is searched for beside it
MOST_NAMED: Final = 40  # characters of an answer that only names what it was asked for
OF_SEVERAL: Final = re.compile(
    r"\b(?:former|latter|first|second|third|fourth|fifth)\b|前者|后者|第[一二三四五\d]", re.IGNORECASE
)
LATIN: Final = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What to search for in place of a question that depends on the conversation."""

    question: str
    whole: bool  # it says the same without the conversation; else it is only what to look for
    clear: bool = True  # else the LLM may know better what is meant


def follow_up(question: str, history: Sequence[Answer]) -> FollowUp | None:
    """Return what to search for instead; None for a question that stands alone, as a long one does."""
    rules = _rules(question)
    if not history or len(question) > MOST_CHARACTERS or not rules.depends(question):
        return None
    last = history[-1]
    before = _ends(last.searched_for or last.question)
    said = "" if last.refused else MARKERS.sub("", last.text)
    meant = rules.resolved(question, before, said)
    if meant and language(meant) == language(question):
        pointers = len(rules.PRONOUN.findall(question)) + len(OF_SEVERAL.findall(question))
        return FollowUp(question=meant, whole=pointers <= 1 and not rules.depends(meant))
    named = said if len(said) <= MOST_NAMED and rules.ASKS.search(before) else ""
    joined = " ".join(filter(None, [before, named, question]))
    return FollowUp(question=joined, whole=False, clear=not rules.IN_LIST.search(question))


def accepted(rewritten: str, question: str, history: Sequence[Answer]) -> str:
    """Return what the LLM made of a question, or nothing where that is no better or says what nobody said."""
    line = rewritten.strip().partition("\n")[0].strip(" \"'“”")
    known = " ".join([question, *(f"{turn.question} {turn.searched_for} {turn.text}" for turn in history)])
    said = _said(line)
    asks = line.endswith(("?", "？")) and language(line) == language(question)
    if not asks or not said or said - _said(known) or _rules(line).depends(line):
        return ""
    return line[:MOST_CHARACTERS]


def _rules(question: str) -> ModuleType:
    return chinese if language(question) == "zh" else english


def _said(text: str) -> frozenset[str]:
    words = [*LATIN.findall(text.lower()), *(word for word in chinese_words(text) if word.isalnum())]
    return frozenset(words) - FUNCTION - HAN_FUNCTION


def _ends(text: str) -> str:
    """Return the first and the last sentence: what the conversation is about, and what was asked last."""
    spans = sentence_spans(text)
    kept = dict.fromkeys([*spans[:1], *spans[-1:]])
    return " ".join(text[start:end] for start, end in kept)[-MOST_CHARACTERS:]
