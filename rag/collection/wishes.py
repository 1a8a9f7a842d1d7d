"""What a question may ask of the collection itself, and what it comes to once the documents are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One way to read a question; it counts only where all that it names are indexed documents."""

    kind: Literal["list", "mention", "summary", "about"]
    names: tuple[str, ...] = ()  # what may name a document
    topic: str = ""
    sure: bool = True  # the wording speaks of documents, not of the things that they may be named after


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Which documents there are."""

    kind: str = ""  # the ending that they are to have; "": any


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    """Which documents talk of something."""

    topic: str
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one document says."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What each of some documents says of a topic; without one, what it says in short."""

    sources: tuple[str, ...]
    topic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """A document is asked for, but which one cannot be told."""

    name: str  # as it was asked for
    known: tuple[str, ...] = ()  # what may be meant; empty: any
    unknown: bool = False  # it is a file's name, but no indexed one has it


Task: TypeAlias = Everything | Mentions | Summary | Sides | Unclear
