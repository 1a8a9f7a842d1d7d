"""A mean with its 95 % interval: Wilson's for shares, the percentile bootstrap's for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float64]  # shape (n,)

RESAMPLES: Final = 2000
TAILS: Final = (2.5, 97.5)  # percent
Z: Final = 1.959964  # of 95 %, two-sided


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean over `n` questions, and the interval that holds the true one 95 times of 100."""

    value: float
    low: float
    high: float
    n: int


def mean_of(values: Sequence[float], *, seed: int = 0) -> Figure | None:
    """Return the mean; None of nothing.

    Of zeros and ones Wilson's score interval (1927), which stays honest near 0 and 1; else the percentile
    bootstrap (Efron 1979).
    """
    if not values:
        return None
    if set(values) <= {0.0, 1.0}:
        return _share(sum(values), len(values))
    low, high = _bootstrap(np.asarray(values, dtype=float), seed)
    return Figure(value=float(np.mean(values)), low=low, high=high, n=len(values))


def difference_of(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Figure | None:
    """Return by how much the second is higher than the first, question by question; None of nothing."""
    if not first:
        return None
    differences = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    low, high = _bootstrap(differences, seed)
    return Figure(value=float(differences.mean()), low=low, high=high, n=len(differences))


def median_of(values: Sequence[float], *, seed: int = 0) -> Figure | None:
    """Return the median, which a few slow moments don't move, and its bootstrap interval; None of nothing."""
    if not values:
        return None
    known = np.asarray(values, dtype=float)
    low, high = np.percentile(np.median(_resampled(known, seed), axis=1), TAILS)
    return Figure(value=float(np.median(known)), low=float(low), high=float(high), n=len(values))


def _share(hits: float, n: int) -> Figure:
    share = hits / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return Figure(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half), n=n)


def _bootstrap(values: Values, seed: int) -> tuple[float, float]:
    low, high = np.percentile(_resampled(values, seed).mean(axis=1), TAILS)
    return float(low), float(high)


def _resampled(values: Values, seed: int) -> NDArray[np.float64]:
    return values[np.random.default_rng(seed).integers(0, len(values), size=(RESAMPLES, len(values)))]
