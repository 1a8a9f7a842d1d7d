"""What was read of a passage, kept on disk: a passage is read once, and asked about many times.

A passage is read after the constant beginning of every prompt, which is all that it sees, and before the
question. So the keys and values of a passage that is read alone are the same for every question, and the
engine reads only the question. Neighbours that are found together are kept as read in one row. What becomes
of other passages that are read together is told in `rag.engines.layout`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rag.reuse.store import Store, keep_only
from rag.reuse.tally import Tally, Tokens

if TYPE_CHECKING:
    from rag.config import Config

__all__ = ["Tally", "Tokens", "bytes_kept", "keep_only", "open_store", "states_folder"]

GIGABYTE: Final = 1e9


def states_folder(config: Config) -> Path:
    """Return the folder for what was read of the documents, a part of their index."""
    return config.index_dir / "read"


def open_store(config: Config) -> Store | None:
    """Return where an engine keeps what it reads; None where it is to keep nothing."""
    return None if config.reuse == "off" else Store(states_folder(config), int(config.reuse_gb * GIGABYTE))


def bytes_kept(folder: Path) -> int:
    """Return the size of all that is kept in `states_folder`."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # it may be gone by now
            total += file.stat().st_size if file.is_file() else 0
    return total
