"""Whether text can be what its author wrote: a font without a character map yields other letters for them."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

# Percent of the letters a to z in English, French, German, Italian, Portuguese and Spanish prose, averaged.
USUAL: Final = (
    8.6, 1.4, 3.4, 4.3, 14.2, 1.3, 1.6, 1.9, 7.6, 0.3, 0.3, 4.5, 2.8,
    7.3, 6.4, 2.6, 0.6, 6.7, 6.9, 6.9, 4.1, 1.4, 0.7, 0.2, 0.8, 0.6,
)  # fmt: skip
FEW: Final = 150  # letters: fewer show no rule
LIKE: Final = 0.75  # cosine below which letters are not those of a language; real prose is above 0.9
COMMON: Final = frozenset(
    "的一是不了在人有我他这中大来上个国和到说们为子时道出而要于就以会可也你对生能の、。，はがをに"
)
FEW_COMMON: Final = 0.01  # part of Chinese or Japanese text; real prose has ten times as much
ENOUGH: Final = 200


def is_plausible(text: str) -> bool:
    """Say whether the letters of `text` are as frequent as those of some language; short text is believed."""
    letters = Counter(char for char in text.lower() if "a" <= char <= "z")
    count = sum(letters.values())
    if count >= FEW and count > len(text) / 2:
        return _cosine([letters[chr(ord("a") + at)] for at in range(len(USUAL))]) >= LIKE
    ideographs = [char for char in text if "\u4e00" <= char <= "\u9fff"]
    if len(ideographs) >= ENOUGH and len(ideographs) > len(text) / 2:
        return sum(char in COMMON for char in text) >= FEW_COMMON * len(text)
    return True


def _cosine(counts: list[int]) -> float:
    product = sum(count * usual for count, usual in zip(counts, USUAL, strict=True))
    return product / (math.hypot(*counts) * math.hypot(*USUAL))
