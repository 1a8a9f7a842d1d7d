"""The LangChain chain: say what is meant -> retrieve -> prompt -> answer.

Takes a question, or `{"question": str}`, and if you like a `list[Answer]` as "history" and a `Scope` as
"scope", which earlier answers must share to count. Adds, in this order when streamed: `rewriting`, piece by
piece, where the LLM is asked what a follow-up means; `searched_for`, `hits` and `chosen`, what is worth
reading of them; `fitted` and `message`, the model's, piece by piece, again for every prompt that is read;
`cited`, which holds the text of the answer and its citations.
The steps stand in one generator, since LangChain's sequences read whatever
calls the model to its end before the next step; so closing this one stops the model at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, Protocol, TypeAlias, cast

from langchain.messages import AIMessage, AIMessageChunk
from langchain_core.language_models import LanguageModelInput
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import AddableDict, Runnable, RunnableGenerator
from langchain_core.runnables.config import run_in_executor

from rag.as_written import AsWritten
from rag.chat_model import EngineChatModel, from_prompt
from rag.cite import cite
from rag.datatypes import Answer, Hit, Prompt, Scope
from rag.evidence import Nearness
from rag.follow_up import FollowUp, accepted, follow_up
from rag.prompt import (
    NO_ANSWER,
    UNANSWERABLE,
    Fitted,
    Language,
    check_question,
    fit,
    language,
    rewriting,
)
from rag.refuse import LEAST_ANSWERABLE, SURELY, Told

Choice: TypeAlias = Callable[[str, Sequence[Hit]], Sequence[Sequence[Hit]]]
State: TypeAlias = dict[str, Any]
REWRITTEN_TOKENS: Final = 64  # most of a rewritten question


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a model wrote; nothing, where it has no answer."""

    text: str
    answerable: float  # log-odds for which it was not let write; -inf where it had no answer of its own


class Stage(Protocol):
    """What an answer passes through as it is written."""

    def feed(self, piece: str) -> str:
        """Return what may be passed on by now."""
        ...

    def flush(self) -> str:
        """Return what is left when the answer has ended."""
        ...


def build_chain(
    retriever: BaseRetriever,
    model: EngineChatModel,
    *,
    choose: Choice,
    budget: int,
    caution: float = 0.0,
    nearness: Nearness | None = None,
) -> Runnable[State | str, State]:
    """Chain the steps; `budget` is the most tokens a prompt may take, `caution` raises the bar for an answer.

    A question that depends on the conversation is searched for as what it means. So it is put to the model,
    too, unless that is only known by its words: then as it was asked, after what was said before.
    `choose` says which hits are worth reading, and which of them together. Where none is, the chain refuses
    without calling the model.
    """
    rewriter = model.model_copy(update={"max_tokens": REWRITTEN_TOKENS, "temperature": 0.0})

    def answer(states: Iterator[State | str]) -> Generator[State]:
        for asked in states:
            state: State = {"question": asked} if isinstance(asked, str) else asked
            question, scope = check_question(state["question"]), state.get("scope", Scope())
            history = [turn for turn in state.get("history", ()) if turn.scope == scope]
            yield AddableDict(state)
            meant = yield from _meant(question, history, rewriter)
            query = meant.question if meant else question
            hits = [document.metadata["hit"] for document in retriever.invoke(query, scope=scope)]
            chosen = choose(query, hits)
            yield AddableDict(searched_for=meant.question if meant else "", hits=hits, chosen=chosen)
            put, before = (question, history) if meant and not meant.whole else (query, ())
            readings = [
                fit(put, some, before=before, count=model.count_tokens, budget=budget)
                for some in chosen or [()]
            ]
            fitted, text = yield from _read(language(question), readings, model, caution)
            cited = cite(text, fitted.shown, fitted.question, nearness)
            if cited.refused:
                cited = replace(cited, text=NO_ANSWER[language(question)])
            yield AddableDict(cited=cited)

    async def aanswer(states: AsyncIterator[State | str]) -> AsyncIterator[State]:
        async for state in states:
            async with aclosing(_from_thread(answer(iter([state])))) as chunks:
                async for chunk in chunks:
                    yield chunk

    chain: Runnable[State | str, State] = RunnableGenerator(answer, aanswer)
    return chain


def _meant(
    question: str, history: Sequence[Answer], model: EngineChatModel
) -> Generator[State, None, FollowUp | None]:
    """Return what to search for in place of the question, or nothing."""
    meant = follow_up(question, history)
    if meant is None or meant.clear:
        return meant
    written = yield from _written("rewriting", rewriting(question, history), model)
    rewritten = accepted(written.text, question, history)
    return FollowUp(question=rewritten, whole=True) if rewritten else meant


def _read(
    spoken: Language, readings: Sequence[Fitted], model: EngineChatModel, caution: float
) -> Generator[State, None, tuple[Fitted, str]]:
    """Read one prompt after the other until one surely holds the answer, else answer from the likeliest.

    Where that is unlikely, too, nothing is written. Return what the answer was made from, and the answer.
    """
    least, surely = LEAST_ANSWERABLE[spoken] + caution, SURELY[spoken] + max(caution, 0.0)
    tried = [each for each in readings if each.shown]
    likely: list[float] = []
    for fitted in tried:
        yield AddableDict(fitted=fitted)
        written = yield from _answered(spoken, fitted, model, surely if len(tried) > 1 else least)
        if written.text:
            return fitted, written.text
        likely.append(written.answerable)
    best = tried[likely.index(max(likely))] if tried else readings[0]
    if len(tried) != 1:
        yield AddableDict(fitted=best)
    if len(tried) > 1 and max(likely) >= least:
        written = yield from _answered(spoken, best, model, least)
        if written.text:
            return best, written.text
    yield AddableDict(message=AIMessageChunk(content=NO_ANSWER[spoken]))
    return best, NO_ANSWER[spoken]


def _answered(
    spoken: Language, fitted: Fitted, model: EngineChatModel, least: float
) -> Generator[State, None, Written]:
    texts = [hit.passage.text for hit in fitted.shown]
    stages = (Told(texts), AsWritten(texts, spoken))
    doubting = model.bind(
        least_answerable=least,
        refusals=tuple(UNANSWERABLE.values()),
        answer_from=LEAST_ANSWERABLE[spoken],
    )
    return (yield from _written("message", fitted.prompt, doubting, stages))


def _written(
    key: str, prompt: Prompt, model: Runnable[LanguageModelInput, AIMessage], stages: Sequence[Stage] = ()
) -> Generator[State, None, Written]:
    """Yield what the model writes piece by piece as the stages pass it on, and return the whole of it."""
    pieces: list[str] = []
    answerable = -inf
    bound = model.bind(constant=prompt.constant)
    with closing(cast("Generator[AIMessageChunk]", bound.stream(from_prompt(prompt)))) as chunks:
        for chunk in chunks:
            text, ends = str(chunk.text), chunk.chunk_position == "last"
            for stage in stages:
                text = stage.feed(text) + (stage.flush() if ends else "")
            pieces.append(text)
            if chunk.response_metadata.get("finish_reason") == "unanswerable":
                answerable = chunk.response_metadata["answerable"]
            yield AddableDict({key: chunk.model_copy(update={"content": text})})
    return Written(text="".join(pieces), answerable=answerable)


async def _from_thread(chunks: Generator[State]) -> AsyncGenerator[State]:
    """Run the generator in a thread, a step at a time: neither the index nor the engines are asynchronous."""
    step: asyncio.Future[State | None] | None = None
    try:
        while True:
            step = asyncio.ensure_future(run_in_executor(None, next, chunks, None))
            chunk = await asyncio.shield(step)
            if chunk is None:
                return
            yield chunk
    finally:
        if step is not None:
            await asyncio.wait([step])  # a generator that is running cannot be closed
        chunks.close()
