"""The console script `rag`, which `python -m rag` is, too."""

from __future__ import annotations

import sys

from rag.exit_status import INTERRUPTED, INTERRUPTION


def main() -> int:
    """Run one command; it can be interrupted while its modules are still being imported."""
    try:
        from rag.cli import main as command

        return command()
    except KeyboardInterrupt:
        sys.stderr.write(f"{INTERRUPTION}\n")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
