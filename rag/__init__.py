"""Ask questions of your own documents on an ordinary CPU; every claim is traceable to its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rag.datatypes import Answer, Citation, Hit, Passage, Queued, Reading, Retrieved, Scope, SyncReport, Token
from rag.errors import (
    ConfigError,
    DiskError,
    EngineError,
    IndexDamagedError,
    IndexMismatchError,
    InputError,
    LoadError,
    LockedError,
    MissingExtraError,
    ModelError,
    RagError,
)

if TYPE_CHECKING:
    from rag.config import Config
    from rag.default import ask, stream, sync
    from rag.pipeline import Rag

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Citation",
    "Config",
    "ConfigError",
    "DiskError",
    "EngineError",
    "Hit",
    "IndexDamagedError",
    "IndexMismatchError",
    "InputError",
    "LoadError",
    "LockedError",
    "MissingExtraError",
    "ModelError",
    "Passage",
    "Queued",
    "Rag",
    "RagError",
    "Reading",
    "Retrieved",
    "Scope",
    "SyncReport",
    "Token",
    "ask",
    "stream",
    "sync",
]


def __getattr__(name: str) -> Any:
    """Import what needs more than the standard library only when it is asked for."""
    if name == "Config":
        from rag.config import Config

        return Config
    if name == "Rag":
        from rag.pipeline import Rag

        return Rag
    if name in {"ask", "stream", "sync"}:
        import rag.default

        return getattr(rag.default, name)
    raise AttributeError(f"module 'rag' has no attribute {name!r}")
