"""What a reader is given: a file's bytes, its name, and the limits it shares with whatever lies inside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from rag.errors import LoadError

MAX_DEPTH: Final = 4  # containers within containers
MAX_UNPACKED: Final = 1_000_000_000  # bytes that all members of one file may unpack to
MAX_MEMBER: Final = 256_000_000  # bytes that one member may unpack to
MAX_MEMBERS: Final = 100_000


class LimitError(LoadError):
    """The whole file has used up what one may: its reader keeps what it has and reads no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user says about reading."""

    passwords: tuple[str, ...] = ()  # tried on encrypted files after the empty one
    ocr: bool = True  # read images and scanned pages


@dataclass(slots=True)
class Budget:
    """What one file may still unpack to; shared by all that lies inside it."""

    unpacked: int = MAX_UNPACKED  # bytes
    members: int = MAX_MEMBERS

    def spend(self, size: int) -> None:
        """Take a member of `size` bytes.

        Raises:
            LimitError: when it is one too many, or makes the file unpack to too much.
        """
        self.unpack(size)
        self.members -= 1
        if self.members < 0:
            raise LimitError(f"it holds more than {MAX_MEMBERS:,} members")

    def unpack(self, size: int) -> None:
        """Take `size` bytes that are no member of their own, such as a part of an Office file.

        Raises:
            LimitError: when they make the file unpack to too much.
        """
        self.unpacked -= size
        if self.unpacked < 0:
            raise LimitError(f"it unpacks to more than {MAX_UNPACKED // 1_000_000} MB")


def _unheard(stage: str) -> None:
    del stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file, or one member of a file."""

    data: bytes
    name: str = ""  # without folders
    settings: Settings = field(default_factory=Settings)
    budget: Budget = field(default_factory=Budget)
    depth: int = 0  # containers around it
    advance: Callable[[str], None] = _unheard
    """Tell that reading goes on and how far it is ("page 3 of 90"); it renews the time the file may take.

    It raises LimitError when the file has had all the time that one may have.
    """

    def member(self, data: bytes, name: str) -> Source:
        """Return what lies inside this file, for `rag.load.read`.

        Raises:
            LoadError: when it lies too deep.
            LimitError: when the file holds or unpacks to too much.
        """
        self.refuse_depth()
        self.budget.spend(len(data))
        return replace(self, data=data, name=name, depth=self.depth + 1)

    def refuse_depth(self) -> None:
        """Raise LoadError when nothing within this file may be read, for it lies too deep itself."""
        if self.depth >= MAX_DEPTH:
            raise LoadError(f"it lies in more than {MAX_DEPTH} containers, one inside the other")
