"""What was measured on this machine, in files of JSON beside the models."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def remember(path: Path, measured: Mapping[str, Any]) -> None:
    """Write it at once or not at all: in a read-only folder it is lost."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as exc:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        logger.warning("%s cannot be written, so what was measured is not remembered: %s", path, exc)
