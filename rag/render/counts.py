"""How many there are of a thing, in English."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return for example "1 file" or "1,200 files"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
