"""Raised numbers, lest ten to the sixth become 106."""

from __future__ import annotations

import re
from typing import Final

EXPONENT: Final = re.compile(r"\s*[-+−]?\d{1,4}\s*")
SIGNS: Final = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")


def raised(text: str) -> str:
    """Return what stands above the line as it is printed, where it is a number: 10⁶."""
    return text.strip().translate(SIGNS) if EXPONENT.fullmatch(text) else text
