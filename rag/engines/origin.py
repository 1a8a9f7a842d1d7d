"""What a conversion was made from: the size, age and hash of its source."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rag.engines.sources import reading

HASHED: Final = 1 << 22  # bytes at a time


def describe(source: Path) -> dict[str, Any]:
    """Return name, bytes, mtime_ns and sha256; raises ModelError when `source` cannot be read."""
    digest = hashlib.sha256()
    with reading(source):
        for path in _files(source):
            with path.open("rb") as file:
                while block := file.read(HASHED):
                    digest.update(block)
    return {"name": source.name, **stamp(source), "sha256": digest.hexdigest()}


def stamp(source: Path) -> dict[str, int]:
    """Return bytes and mtime_ns, which cost nothing; raises ModelError when `source` is not there."""
    with reading(source):
        stats = [path.stat() for path in _files(source)]
    return {
        "bytes": sum(stat.st_size for stat in stats),
        "mtime_ns": max((stat.st_mtime_ns for stat in stats), default=0),
    }


def is_same(described: Mapping[str, Any], source: Path) -> bool:
    """Tell whether `source` is what was described, if only touched since."""
    now = stamp(source)
    if described.get("bytes") != now["bytes"]:
        return False
    if described.get("mtime_ns") == now["mtime_ns"]:
        return True
    return bool(described.get("sha256") == describe(source)["sha256"])


def _files(source: Path) -> list[Path]:
    return [source] if source.is_file() else sorted(source.glob("*.safetensors"))
