"""What a conversion was made from: the size, age and hash of its source, and of the adapter in it.

Of a folder these are its weights and what says how they are read and spoken to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rag.engines.remembered import remember
from rag.weights.adapter import SETTINGS, WEIGHTS
from rag.weights.sources import reading

TOUCHED: Final = "touched.json"  # beside a conversion: the time of a source that is the same but for it
HASHED: Final = 1 << 22  # bytes at a time
READ: Final = (  # of a folder, beside its weights
    *("config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"),
    *("added_tokens.json", "chat_template.json", "chat_template.jinja"),
)


def describe(source: Path, adapter: Path | None = None) -> dict[str, Any]:
    """Return name, bytes, mtime_ns and sha256; raises ModelError when `source` cannot be read."""
    digest = hashlib.sha256()
    with reading(source):
        for path in _files(source, adapter):
            with path.open("rb") as file:
                while block := file.read(HASHED):
                    digest.update(block)
    name = f"{source.name} + {adapter.name}" if adapter else source.name
    return {"name": name, **stamp(source, adapter), "sha256": digest.hexdigest()}


def stamp(source: Path, adapter: Path | None = None) -> dict[str, int]:
    """Return bytes and mtime_ns, which cost nothing; raises ModelError when `source` is not there."""
    with reading(source):
        stats = [path.stat() for path in _files(source, adapter)]
    return {
        "bytes": sum(stat.st_size for stat in stats),
        "mtime_ns": max((stat.st_mtime_ns for stat in stats), default=0),
    }


def is_same(
    described: Mapping[str, Any], source: Path, adapter: Path | None = None, *, note: Path | None = None
) -> bool:
    """Tell whether `source` is what was described, if only touched since.

    A copy may have another time than what it was made from: then it is hashed, which `note` remembers.
    """
    now = stamp(source, adapter)
    if described.get("bytes") != now["bytes"]:
        return False
    if described.get("mtime_ns") == now["mtime_ns"]:
        return True
    touched = {"sha256": described.get("sha256"), **now}
    if note and _read(note) == touched:
        return True
    same = bool(described.get("sha256") == describe(source, adapter)["sha256"])
    if note and same:
        remember(note, touched)
    return same


def _read(note: Path) -> Any:
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _files(source: Path, adapter: Path | None) -> list[Path]:
    files = [source]
    if not source.is_file():
        read = (source / name for name in READ)
        files = [*sorted(source.glob("*.safetensors")), *(path for path in read if path.is_file())]
    return [*files, adapter / SETTINGS, adapter / WEIGHTS] if adapter else files
