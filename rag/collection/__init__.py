"""Questions about the collection itself take a route of their own; any other is answered from passages.

Which documents there are and which talk of something is told from the index; what one document says, or each
of several, is told in its own sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from rag.collection.listing import Inventory, Listing
from rag.collection.names import Names
from rag.collection.recognise import recognise
from rag.collection.route import Asked, Route
from rag.collection.said import Said
from rag.collection.says import joined, say
from rag.collection.wishes import Everything, Mentions, Sides, Summary, Task, Unclear
from rag.datatypes import Answer, Event, Scope
from rag.prompt import Language, language

if TYPE_CHECKING:
    from rag.pipeline import Rag

__all__ = ["Asked", "route_for"]

UNCLEAR: Final = "it is not clear which document is meant"
CANONICAL: Final[dict[Language, tuple[str, str]]] = {
    "en": ("Summarise {source}", "What does {source} say about {topic}?"),
    "zh": ("总结{source}", "{source}里关于{topic}怎么说？"),
}


def route_for(rag: Rag, asked: Asked, history: Sequence[Answer]) -> Route | None:
    """Return the route of a question about the collection; None for any other."""
    scope = asked.scope
    earlier = [turn for turn in history if turn.scope == scope]
    task = recognise(asked.question, earlier, lambda: Names(rag.index.titles(scope)))
    if task is None:
        return None
    spoken = language(_without_names(asked.question, task))
    understood = _as_understood(task, asked.question, spoken)
    return _route(rag, replace(asked, searched_for=understood, spoken=spoken), task)


def _without_names(question: str, task: Task) -> str:
    """Return the question without the documents' names, whose language is not its own."""
    sources = (task.source,) if isinstance(task, Summary) else task.sources if isinstance(task, Sides) else ()
    for path in map(PurePosixPath, sources):
        for name in (str(path), path.name, path.stem):
            question = question.replace(name, " ")
    return question


def _route(rag: Rag, asked: Asked, task: Task) -> Route:
    if isinstance(task, Everything):
        return Inventory(rag, asked, where=_of_kind(asked.scope, task.kind))
    if isinstance(task, Mentions):
        return Listing(rag, asked, topic=task.topic, where=_of_kind(asked.scope, task.kind))
    if isinstance(task, Summary):
        return Said(rag, asked, (task.source,))
    if isinstance(task, Sides):
        return Said(rag, asked, task.sources, topic=task.topic)
    return Asking(rag, asked, task)


def _of_kind(scope: Scope, kind: str) -> Scope:
    """Return the scope, narrowed to documents of a kind where it has none of its own."""
    return replace(scope, types=(kind,)) if kind and not scope.types else scope


def _as_understood(task: Task, question: str, spoken: Language) -> str:
    """Return the question with the document's name where it does not name it itself."""
    summary, said = CANONICAL[spoken]
    if isinstance(task, Summary) and task.source.casefold() not in question.casefold():
        return summary.format(source=task.source)
    if isinstance(task, Sides) and len(task.sources) == 1 and task.sources[0] not in question:
        return said.format(source=task.sources[0], topic=task.topic)
    return ""


class Asking(Route):
    """Which document is meant."""

    def __init__(self, rag: Rag, asked: Asked, task: Unclear) -> None:
        super().__init__(rag, asked)
        self._task = task

    def events(self) -> Iterator[Event]:
        name = self._task.name
        known = self._task.known or tuple(file.source for file in self.rag.index.titles(self.asked.scope))
        saying = "unknown" if self._task.unknown else "which"
        text = say(self.spoken, saying, name=name, names=joined(self.spoken, known))
        yield from self.refusal(text, UNCLEAR)
