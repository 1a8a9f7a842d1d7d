"""What a sync does and leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be indexed, and why."""

    document: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentState:
    """One file of data/ as the index knows it."""

    source: str
    state: Literal["indexed", "failed"]
    size: int  # bytes
    passages: int = 0
    reason: str = ""  # why it failed
    notes: tuple[str, ...] = ()  # what of an indexed one could not be read or had to be repaired
    synced_at: float = 0.0  # seconds since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did; `passages` counts the whole index afterwards."""

    added: int
    changed: int
    removed: int
    unchanged: int
    failed: tuple[Failure, ...]
    passages: int
    seconds: float
    waiting: int = 0  # files still being written, left for the next sync
    ignored: int = 0  # files and folders that .kaojuignore leaves out
    notice: str = ""  # what had to be mended first, for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a long stage, for whoever draws the bar."""

    stage: str  # what is being done, for a person
    done: float
    total: float | None  # None while unknown
    unit: Literal["bytes", "files", "passages", "layers", "rounds", "questions"]
    item: str = ""  # the file or layer at hand
    passages: int = 0  # embedded so far
    rate: float = 0.0  # passages a second, lately
    left: float | None = None  # seconds, about; None while unknown
    failed: int = 0  # files that could not be read so far


ProgressCallback: TypeAlias = Callable[[Progress], None]
