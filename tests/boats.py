"""Passages about boats, and prompts that show them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rag.datatypes import Message, Prompt
from rag.engines.layout import Layout

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


def asking(question: str, *hits: str | tuple[str, ...]) -> Prompt:
    """Return a prompt with hits, each of one text or of neighbours."""
    texts = [(hit,) if isinstance(hit, str) else hit for hit in hits]
    passages = (f"[{number}] {text}" for number, hit in enumerate(texts, 1) for text in hit)
    return Prompt(
        messages=(*CONSTANT, Message(role="user", parts=(*passages, question))), constant=len(CONSTANT)
    )


def seen_by(layout: Layout) -> NDArray[np.bool_]:
    """Return what each token of a prompt sees (tokens, tokens) where passages are read apart."""
    owner = np.full(len(layout.tokens), -1)  # the hit that a token is of; -1: it sees all and is seen by all
    for number, part in enumerate(layout.passages):
        owner[part.slots.start : part.slots.stop] = number + 1 - len(part.texts)
    seen: NDArray[np.bool_] = np.tril((owner[:, None] == owner) | (owner == -1) | (owner[:, None] == -1))
    return seen
