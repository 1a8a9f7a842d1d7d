"""Passages about boats, and prompts that show them."""

from __future__ import annotations

from rag.datatypes import Message, Prompt

TEXTS = (
    "The Heron is a rowing boat for four people.\n\n",
    "The Kestrel is a sailing dinghy, an hour costs nineteen crowns.\n\n",
    "The Egret is an electric launch, and half a day of it costs ninety.\n\n",
)
CONSTANT = (
    Message(role="system", parts=("Answer from the passages.",)),
    Message(role="user", parts=("[1] An example. ", "Who?")),
    Message(role="assistant", parts=("Nobody [1]",)),
)


def asking(question: str, *texts: str) -> Prompt:
    passages = (f"[{number}] {text}" for number, text in enumerate(texts, 1))
    return Prompt(
        messages=(*CONSTANT, Message(role="user", parts=(*passages, question))), constant=len(CONSTANT)
    )
