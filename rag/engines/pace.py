"""What reading several tokens at once costs an engine on this machine, measured once and remembered.

Whether it pays to guess an answer's next tokens (lookup.py) depends on it: to fetch the weights takes as long
for several tokens as for one, to multiply by them does not, and which of the two takes longer differs between
processors. Eight tokens of Qwen2.5-Coder-1.5B took llama.cpp 4.6 and 7 times as long as one, on two machines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from rag.engines.busy import Others, is_quiet
from rag.engines.cores import cpu_name
from rag.engines.lookup import ALONE, Costs, costs_between
from rag.engines.remembered import remember
from rag.models.files import read_json
from rag.race import race

FILE: Final = "pace.json"
MOST: Final = 16  # tokens read at once
ROUNDS: Final = 2


def costs_here(
    file: Path, made_of: Mapping[str, object], read: Callable[[int], object], *, most: int = MOST
) -> Costs:
    """Return what reading 1, 2, 3, ... `most` tokens costs, as `file` remembers, else after measuring it.

    `read` reads so many tokens at once. `made_of`, which JSON can hold, tells what it depends on beside the
    processor: another is measured anew, and so is what was measured beside other work once that has ended.
    """
    counts = _counts(most)
    if len(counts) == 1:
        return ALONE
    machine = {"cpu": cpu_name(), **made_of}
    known = read_json(file)
    seconds = _seconds(known, counts) if known.get("machine") == machine else {}
    if not seconds or (known.get("busy") and is_quiet()):
        others = Others()
        seconds = race({count: partial(read, count) for count in counts}, rounds=ROUNDS)
        remember(file, {"machine": machine, "seconds": seconds, "busy": others.busy})
    return costs_between(seconds)


def _counts(most: int) -> Sequence[int]:
    """Return the numbers of tokens to measure: 1, 2, 4 and so on, and `most`."""
    return [*(2**power for power in range((most - 1).bit_length())), most]


def _seconds(known: Mapping[str, Any], counts: Sequence[int]) -> dict[int, float]:
    """Return the seconds by the number of tokens, or nothing if they are not as they should be."""
    try:
        seconds = {count: float(known["seconds"][str(count)]) for count in counts}
    except (KeyError, TypeError, ValueError):
        return {}
    return seconds if min(seconds.values()) > 0 else {}
