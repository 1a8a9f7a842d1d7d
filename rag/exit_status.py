"""What a command ends with, for whoever called it; 2, a wrong command line, is argparse's."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FAILED: Final = 1
REFUSED: Final = 3  # the documents hold no answer
INTERRUPTED: Final = 130  # as a shell says of SIGINT
INTERRUPTION: Final = "\nrag: interrupted; run the same command again to go on"
