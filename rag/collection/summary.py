"""What one document says: its passages read in order, a few at a time, and a note made of each few.

The notes are the answer, passed on as they are written, each sentence held against the passages; a last call
says from them what it is all about. A document that one call can read is summarised by it. Of a long one,
its beginning is read, and of the rest as many passages, evenly spread, as a minute or two allow; the answer
says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from rag.collection.checked import Checked
from rag.collection.route import Asked, Route, cited_only
from rag.collection.says import say
from rag.datatypes import Event, Hit, Message, Passage, Prompt, Reading, Scope
from rag.prompt import joining, passage_part, summarising
from rag.scope import under_its_name
from rag.sentences import sentence_spans

if TYPE_CHECKING:
    from rag.pipeline import Rag

ONE_CALL: Final = 1600  # tokens of passages that are summarised at once
PART: Final = 1000  # tokens of passages that a note is made of
MOST_READ: Final = 8000  # tokens of all: 100 seconds at 80 tokens a second
HEAD: Final = 4  # the share of what is read that is the document's beginning: a quarter
ORDER: Final = 120  # tokens of a prompt besides its passages
BREAK: Final = re.compile(r"\s*\n\s*")
BULLET: Final = re.compile(r"^\s*(?:[-*•]|\d+[.)、])\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Most:
    """How long a text may become."""

    sentences: int
    tokens: int


WHOLE: Final = Most(sentences=8, tokens=320)
NOTE: Final = Most(sentences=2, tokens=120)


class Summarised(Route):
    """What one document says."""

    def __init__(self, rag: Rag, asked: Asked, source: str, *, most: int = MOST_READ) -> None:
        """At most so many tokens of it are read."""
        super().__init__(rag, asked)
        self._source = source
        self._most = most

    def events(self) -> Iterator[Event]:
        passages = self.rag.index.passages(self._source)
        named = Scope(places=(f"./{self._source}",))
        sizes = [self._size(passage) for passage in passages]
        chosen = sampled(sizes, self._most)
        read = [under_its_name(passages[at], named) for at in chosen]
        hits = [Hit(passage=passage, score=0.0, marker=at) for at, passage in enumerate(read, start=1)]
        yield self.retrieved(hits)
        checked = Checked(hits)
        parts = grouped(hits, [sizes[at] for at in chosen], self._room())
        yield from self._whole(hits, checked) if len(parts) == 1 else self._by_parts(parts, checked)
        yield from self.token(checked.flush())
        text = checked.text
        if len(chosen) < len(passages):
            left = say(self.spoken, "sampled", read=f"{len(chosen):,}", count=f"{len(passages):,}")
            yield from self.token(f"\n\n{left}")
            text += f"\n\n{left}"
        citations = checked.citations()
        yield self.answer(
            text, citations=citations, unsupported=checked.unsupported, hits=cited_only(hits, citations)
        )

    def _room(self) -> int:
        return min(ONE_CALL, self.rag.engine.context - WHOLE.tokens - ORDER)

    def _size(self, passage: Passage) -> int:
        shown = passage_part(Hit(passage=passage, score=0.0, marker=1))
        return self.rag.engine.count_tokens(Prompt(messages=(Message(role="user", parts=(shown,)),)))

    def _whole(self, hits: Sequence[Hit], checked: Checked) -> Iterator[Event]:
        prompt = summarising(hits, self.spoken, length="whole")
        yield from self._checked(self._told(prompt, WHOLE), checked)

    def _by_parts(self, parts: Sequence[Sequence[Hit]], checked: Checked) -> Iterator[Event]:
        prompts = [summarising(part, self.spoken, length="part") for part in parts]
        sizes = [self.rag.engine.count_tokens(prompt) for prompt in prompts]
        last = ORDER + len(parts) * NOTE.tokens
        total = sum(sizes) + last
        notes: list[str] = []
        for prompt, before in zip(prompts, accumulate(sizes, initial=0), strict=False):
            yield from self.token(checked.feed("\n- " if notes else "- "))
            started = len(checked.text)
            yield from self._checked(_within(self._told(prompt, NOTE), before, total), checked)
            notes.append(checked.text[started:])
        yield from self.token(checked.feed(f"\n\n{say(self.spoken, 'gist')} "))
        gist = self._told(joining(notes, self._source, self.spoken), NOTE)
        yield from self._checked(_within(gist, total - last, total), checked)

    def _told(self, prompt: Prompt, most: Most) -> Iterator[str | Reading]:
        """Yield what the engine writes a whole sentence at a time, all in one line.

        A small model does not count its sentences; the last one, when broken off, is left out.
        """
        line, told = "", 0
        with closing(self.written(prompt, most=most.tokens)) as events:
            for event in events:
                if isinstance(event, Reading):
                    yield event
                    continue
                line = BULLET.sub("", BREAK.sub(" ", line + event).lstrip())
                ends = [end for _, end in sentence_spans(line)[:-1]]
                for end in (end for end in ends[: most.sentences] if end > told):
                    yield line[told:end]
                    told = end
                if len(ends) >= most.sentences:
                    return
        if not told or not self.broken_off:
            yield line[told:]

    def _checked(self, events: Iterator[str | Reading], checked: Checked) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Reading):
                yield event
            else:
                yield from self.token(checked.feed(event))


def sampled(sizes: Sequence[int], most: int) -> list[int]:
    """Return which passages to read, in order: all where they have no more tokens, else a sample."""
    if sum(sizes) <= most or len(sizes) == 1:
        return list(range(len(sizes)))
    head = max(1, sum(size <= most // HEAD for size in accumulate(sizes)))
    for count in range(len(sizes) - head, -1, -1):
        chosen = [*range(head), *_spread(head, len(sizes), count)]
        if sum(sizes[at] for at in chosen) <= most:
            return chosen
    return list(range(head))


def _spread(first: int, end: int, count: int) -> list[int]:
    """Return so many numbers from `first` up to, without, `end`, evenly spread."""
    return [first + (2 * at + 1) * (end - first) // (2 * count) for at in range(count)]


def grouped(hits: Sequence[Hit], sizes: Sequence[int], room: int) -> list[list[Hit]]:
    """Return all as one part where there is room for them in one call, else parts of fewer tokens."""
    if sum(sizes) <= room:
        return [list(hits)]
    parts: list[list[Hit]] = []
    filled = room
    for hit, size in zip(hits, sizes, strict=True):
        if not parts or filled + size > min(PART, room):
            parts.append([])
            filled = 0
        parts[-1].append(hit)
        filled += size
    return parts


def _within(events: Iterator[str | Reading], before: int, total: int) -> Iterator[str | Reading]:
    """Tell how far all that is to be read has been read."""
    for event in events:
        if isinstance(event, Reading):
            yield Reading(done=min(before + event.done, total), total=total)
        else:
            yield event
