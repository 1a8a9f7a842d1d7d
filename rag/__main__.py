"""The console script `rag`, which `python -m rag` is, too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rag.exit_status import INTERRUPTED, INTERRUPTION


def main() -> int:
    """Run one command; it can be interrupted while its modules are still being imported."""
    _open_what_is_closed()
    try:
        from rag.cli import main as command

        return command()
    except KeyboardInterrupt:
        sys.stderr.write(f"{INTERRUPTION}\n")
        return INTERRUPTED


def _open_what_is_closed() -> None:
    """Let whoever started it have closed a stream, or a terminal not know the letters of an answer."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - to the end
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a TextIOWrapper, unless replaced


if __name__ == "__main__":
    sys.exit(main())
