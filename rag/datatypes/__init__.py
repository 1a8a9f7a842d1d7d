"""The values that travel between the steps: frozen, without behaviour beyond their identity."""

from __future__ import annotations

from rag.datatypes.answers import Answer, Citation, Hit, LeftOut, Ranks, Timings
from rag.datatypes.documents import (
    Box,
    Document,
    Heading,
    Page,
    PageUnit,
    Passage,
    Region,
    Scope,
    Vector,
    Vectors,
)
from rag.datatypes.events import Event, Queued, Retrieved, Token
from rag.datatypes.prompts import Finish, Generation, Message, Prompt, Reading, Role, Usage, together
from rag.datatypes.syncing import DocumentState, Failure, Progress, ProgressCallback, SyncReport

__all__ = [
    "Answer",
    "Box",
    "Citation",
    "Document",
    "DocumentState",
    "Event",
    "Failure",
    "Finish",
    "Generation",
    "Heading",
    "Hit",
    "LeftOut",
    "Message",
    "Page",
    "PageUnit",
    "Passage",
    "Progress",
    "ProgressCallback",
    "Prompt",
    "Queued",
    "Ranks",
    "Reading",
    "Region",
    "Retrieved",
    "Role",
    "Scope",
    "SyncReport",
    "Timings",
    "Token",
    "Usage",
    "Vector",
    "Vectors",
    "together",
]
