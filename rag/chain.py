"""The LangChain chain: retrieve -> prompt -> answer.

Takes `{"question": str, "history": list[Answer]}` and adds, in this order when streamed, `hits` and `fitted`,
`message` (the model's, piece by piece) and `cited`. The steps stand in one line, since LangChain's maps and
branches read the model to its end when their stream is closed; so closing this one stops the model at once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import Any, TypeAlias

from langchain.messages import AIMessageChunk
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import AddableDict, Runnable, RunnableGenerator, RunnableLambda

from rag.chat_model import EngineChatModel, from_prompt
from rag.cite import Cited, cite
from rag.datatypes import Hit
from rag.prompt import NO_ANSWER, Fitted, fit, language

Relevance: TypeAlias = Callable[[str, Sequence[Hit]], bool]
State: TypeAlias = dict[str, Any]


def build_chain(
    retriever: BaseRetriever, model: EngineChatModel, *, is_relevant: Relevance, budget: int
) -> Runnable[State, State]:
    """Chain the steps; `budget` is the most tokens a prompt may take.

    Where `is_relevant` finds nothing that fits the question, the chain refuses without calling the model;
    in a conversation the model is asked about what earlier turns showed, and must cite what says it.
    """

    def retrieve(state: State) -> State:
        documents = retriever.invoke(state["question"])
        return {**state, "hits": [document.metadata["hit"] for document in documents]}

    def prompt(state: State) -> State:
        question, history = state["question"], state["history"]
        hits = state["hits"] if is_relevant(question, state["hits"]) else []
        return {
            **state,
            "fitted": fit(question, hits, history=history, count=model.count_tokens, budget=budget),
        }

    def answer(states: Iterator[State]) -> Iterator[State]:
        for state in states:
            yield AddableDict(state)
            whole = AIMessageChunk(content="")
            with closing(_chunks(state, model)) as chunks:
                for chunk in chunks:
                    whole += chunk
                    yield AddableDict(message=chunk)
            yield AddableDict(cited=_cited(state, whole.text))

    async def aanswer(states: AsyncIterator[State]) -> AsyncIterator[State]:
        async for state in states:
            yield AddableDict(state)
            whole = AIMessageChunk(content="")
            async with aclosing(_achunks(state, model)) as chunks:
                async for chunk in chunks:
                    whole += chunk
                    yield AddableDict(message=chunk)
            yield AddableDict(cited=_cited(state, whole.text))

    chain: Runnable[State, State] = (
        RunnableLambda(retrieve) | RunnableLambda(prompt) | RunnableGenerator(answer, aanswer)
    )
    return chain


def _chunks(state: State, model: EngineChatModel) -> Generator[AIMessageChunk]:
    if not state["fitted"].shown:
        yield AIMessageChunk(content=NO_ANSWER[language(state["question"])])
        return
    yield from model.stream(from_prompt(state["fitted"].prompt))


async def _achunks(state: State, model: EngineChatModel) -> AsyncGenerator[AIMessageChunk]:
    if not state["fitted"].shown:
        yield AIMessageChunk(content=NO_ANSWER[language(state["question"])])
        return
    async for chunk in model.astream(from_prompt(state["fitted"].prompt)):
        yield chunk


def _cited(state: State, text: str) -> Cited:
    fitted: Fitted = state["fitted"]
    cited = cite(text, fitted.shown)
    if not cited.refused and (fitted.hits or cited.supported):
        return cited
    return Cited(text=NO_ANSWER[language(state["question"])], citations=(), refused=True)
