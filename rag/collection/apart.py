"""What each of some documents says: every one is asked by itself, and the answers stand one below another."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from rag.cite import MARKER
from rag.collection.route import Asked, Route, cited_only
from rag.collection.says import code
from rag.collection.summary import ONE_CALL, Summarised
from rag.datatypes import Answer, Event, Hit, Retrieved, Token
from rag.prompt import said_about
from rag.run import Run

if TYPE_CHECKING:
    from rag.pipeline import Rag

NUMBER: Final = re.compile(r"\d+")


class Apart(Route):
    """What each of some documents says of a topic; without one, what it says in short."""

    def __init__(self, rag: Rag, asked: Asked, sources: Sequence[str], *, topic: str) -> None:
        super().__init__(rag, asked)
        self._sources = sources
        self._topic = topic

    def events(self) -> Iterator[Event]:
        text, answers = "", list[Answer]()
        hits: tuple[Hit, ...] = ()
        for source in self._sources:
            title = "\n\n" * bool(text) + f"**{code(source)}**\n\n" if len(self._sources) > 1 else ""
            yield from self.token(title)
            by = max((hit.marker for hit in hits), default=0)
            with closing(cast("Generator[Event]", self._side(source))) as events:
                for event in events:
                    if isinstance(event, Retrieved):
                        found = _moved(event.hits, by)
                        yield self.retrieved((*hits, *found))
                    elif isinstance(event, Token):
                        yield from self.token(_renumbered(event.text, found, by))
                    elif isinstance(event, Answer):
                        answers.append(_renumbered_answer(event, found, by))
                    else:
                        yield event
            self.spent(answers[-1].usage)
            hits = (*hits, *answers[-1].hits)
            text += title + answers[-1].text
        yield self._joined(text, answers, hits)

    def _side(self, source: str) -> Iterator[Event]:
        now = time.perf_counter()
        scope = replace(self.asked.scope, places=(f"./{source}",))
        if self._topic:
            return Run(self.rag, said_about(self._topic, self.spoken), (), scope, asked=now).events()
        asked = replace(self.asked, scope=scope, at=now, begun=now)
        return Summarised(self.rag, asked, source, most=ONE_CALL).events()

    def _joined(self, text: str, answers: Sequence[Answer], hits: tuple[Hit, ...]) -> Answer:
        citations = tuple(citation for answer in answers for citation in answer.citations)
        refused = all(answer.refused for answer in answers)
        return self.answer(
            text,
            citations=citations,
            unsupported=tuple(sentence for answer in answers for sentence in answer.unsupported),
            hits=hits if refused else cited_only(hits, citations),
            refused=refused,
            reason=answers[0].reason if refused else "",
        )


def _moved(hits: Sequence[Hit], by: int) -> tuple[Hit, ...]:
    return tuple(replace(hit, marker=hit.marker + by) if hit.marker else hit for hit in hits)


def _renumbered(text: str, moved: Sequence[Hit], by: int) -> str:
    """Return the text with the markers of the hits as they are after the move; any other stays."""
    known = {hit.marker for hit in moved}

    def marker(found: re.Match[str]) -> str:
        numbers = [int(number) + by for number in NUMBER.findall(found[0])]
        return "".join(f"[{number}]" for number in numbers) if known.issuperset(numbers) else found[0]

    return MARKER.sub(marker, text)


def _renumbered_answer(answer: Answer, moved: Sequence[Hit], by: int) -> Answer:
    return replace(
        answer,
        text=_renumbered(answer.text, moved, by),
        citations=tuple(replace(each, marker=each.marker + by) for each in answer.citations),
        hits=_moved(answer.hits, by),
    )
