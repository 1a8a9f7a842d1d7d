"""What reading several tokens at once costs an engine on this machine, measured once and remembered.

Whether it pays to guess an answer's next tokens (lookup.py) depends on it: to fetch the weights takes as long
for several tokens as for one, to multiply by them does not, and which of the two takes longer differs between
processors. Eight tokens of Qwen2.5-Coder-1.5B took llama.cpp 4.6 and 7 times as long as one, on two machines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from rag.engines.busy import Others, is_quiet
from rag.engines.cores import cpu_name
from rag.engines.lookup import Costs, costs_between
from rag.engines.remembered import recall, remember
from rag.race import race

FILE: Final = "pace.json"
COUNTS: Final = (1, 2, 4, 8, 16)  # tokens at once
ROUNDS: Final = 2


def costs_here(file: Path, made_of: Mapping[str, object], read: Callable[[int], object]) -> Costs:
    """Return what reading 1, 2, 3, ... tokens costs, as `file` remembers, else after measuring it.

    `read` reads so many tokens at once. What it depends on beside the processor is `made_of`: another is
    measured anew, and so is what was measured beside other programs' work once they have ended.
    """
    machine = {"cpu": cpu_name(), **made_of}
    known = recall(file)
    seconds = _seconds(known) if known.get("machine") == machine else {}
    if not seconds or (known.get("busy") and is_quiet()):
        others = Others()
        seconds = race({count: partial(read, count) for count in COUNTS}, rounds=ROUNDS)
        remember(file, {"machine": machine, "seconds": seconds, "busy": others.busy})
    return costs_between(seconds)


def _seconds(known: Mapping[str, Any]) -> dict[int, float]:
    """Return the seconds by the number of tokens, or nothing if they are not as they should be."""
    try:
        seconds = {count: float(known["seconds"][str(count)]) for count in COUNTS}
    except (KeyError, TypeError, ValueError):
        return {}
    return seconds if min(seconds.values()) > 0 else {}
