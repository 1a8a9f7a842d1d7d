"""Whether a question is about the collection itself; what is not surely so, is a question like any other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rag.collection import chinese, english
from rag.collection.names import IT, POINTING, QUOTES, Names, is_document, is_name
from rag.collection.wishes import Everything, Mentions, Sides, Summary, Task, Unclear, Wish
from rag.datatypes import Answer
from rag.index.lexical import plain
from rag.prompt import language

LONGEST: Final = 300  # characters; a longer question tells a story
LONGEST_TOPIC: Final = 120
PAIR: Final = 2
PDF: Final = re.compile(r"(?<![A-Za-z])pdfs?(?![A-Za-z])", re.IGNORECASE)


def recognise(question: str, history: Sequence[Answer], names: Callable[[], Names]) -> Task | None:
    """Return what a question asks of the collection; None for any other question.

    `names`, of the documents in the question's scope, are only asked for where its wording is of that kind;
    `history` holds the earlier turns of the same scope.
    """
    if len(question) > LONGEST:
        return None
    text = plain(question)
    known: list[Names] = []
    for wish in _wishes(text):
        if wish.kind == "list":
            return Everything(kind=_kind_asked(text))
        if wish.kind == "mention":
            about = _as_written(wish.topic, question, text)
            return Mentions(topic=about, kind=_kind_asked(text.replace(wish.topic, " ", 1)))
        known = known or [names()]
        if task := _of_documents(wish, history, known[0]):
            return task
    return None


def _wishes(text: str) -> Iterator[Wish]:
    """Read it in its own language, then in the other: "Summarise 员工手册.md" is English."""
    rules = (chinese, english) if language(text) == "zh" else (english, chinese)
    for wish in (wish for each in rules for wish in each.read(" ".join(text.split()))):
        if len(wish.topic) <= LONGEST_TOPIC:
            yield wish


def _as_written(topic: str, question: str, text: str) -> str:
    """Return the topic as the question writes it, without quotes around it."""
    start = text.rfind(topic)
    said = question[start : start + len(topic)] if len(text) == len(question) and start >= 0 else topic
    return said.strip(f"{QUOTES} ")


def _kind_asked(text: str) -> str:
    return "pdf" if PDF.search(text) else ""


def _of_documents(wish: Wish, history: Sequence[Answer], names: Names) -> Task | None:
    found = [_meant(name.strip(), wish, history, names) for name in wish.names]
    unclear = next((each for each in found if isinstance(each, Unclear)), None)
    if None in found or not (unclear or _is_of_documents(wish)):
        return None
    sources = tuple(dict.fromkeys(each for each in found if isinstance(each, str)))
    if unclear or len(sources) < len(found):
        return unclear
    return Summary(source=sources[0]) if wish.kind == "summary" else Sides(sources=sources, topic=wish.topic)


def _meant(name: str, wish: Wish, history: Sequence[Answer], names: Names) -> str | Unclear | None:
    """Return the document of that name, or why it cannot be told; None where no document need be meant."""
    found = names.find(name)
    if len(found) == 1:
        return found[0]
    if found:
        return Unclear(name=name, known=found) if _is_of_documents(wish) else None
    it = IT.fullmatch(name) and wish.kind == "about" and len(wish.names) == 1
    if it or POINTING.fullmatch(name):
        pointed = _pointed_at(history, names)
        return pointed or (None if it else Unclear(name=name))
    return Unclear(name=name, unknown=True) if wish.sure and names.may_be_a_file(name) else None


def _pointed_at(history: Sequence[Answer], names: Names) -> str:
    """Return the only document that the last answer cites, or that there is."""
    cited = {citation.document for citation in history[-1].citations} if history else set()
    last = next(iter(cited)) if len(cited) == 1 else ""
    return last if last and names.holds(last) else names.alone()


def _is_of_documents(wish: Wish) -> bool:
    """Tell whether documents are meant, not the things that two files happen to be named after."""
    if wish.sure or len(wish.names) < PAIR:
        return True
    return all(map(is_document, wish.names)) or any(map(is_name, wish.names))
