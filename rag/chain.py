"""The LangChain chain: retrieve -> prompt -> generate -> cite.

Takes `{"question": str, "history": list[Answer]}` and adds, in this order when streamed, `hits`, `fitted`,
`message` (the model's, piece by piece) and `cited`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from langchain.messages import AIMessage
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableBranch, RunnableLambda, RunnablePassthrough

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

    Where `is_relevant` finds nothing that fits the question, the chain refuses without calling the model.
    """

    def fit_prompt(state: State) -> Fitted:
        relevant = is_relevant(state["question"], state["hits"])
        hits = state["hits"] if relevant else []
        return fit(state["question"], hits, history=state["history"], count=model.count_tokens, budget=budget)

    generate: Runnable[State, BaseMessage] = RunnableBranch(
        (_has_nothing_to_read, RunnableLambda(_refuse, name="refuse")),
        RunnableLambda(_messages, name="messages") | model,
    )
    return (
        RunnablePassthrough.assign(hits=itemgetter("question") | retriever | RunnableLambda(_hits))
        | RunnablePassthrough.assign(fitted=RunnableLambda(fit_prompt))
        | RunnablePassthrough.assign(message=generate)
        | RunnablePassthrough.assign(cited=RunnableLambda(_cite))
    )


def _hits(documents: list[Document]) -> list[Hit]:
    return [document.metadata["hit"] for document in documents]


def _has_nothing_to_read(state: State) -> bool:
    fitted: Fitted = state["fitted"]
    return not fitted.shown


def _messages(state: State) -> list[BaseMessage]:
    return from_prompt(state["fitted"].prompt)


def _refuse(state: State) -> AIMessage:
    return AIMessage(content=NO_ANSWER[language(state["question"])])


def _cite(state: State) -> Cited:
    return cite(state["message"].text, state["fitted"].shown)
