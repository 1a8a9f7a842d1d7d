"""FAISS indexes by size: exact while small, then lists of 8-bit codes whose best are scored again exactly.

A million vectors of 384 dimensions take 1.5 GB as they are and 0.4 GB so.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.datatypes import Vectors

Numbers: TypeAlias = NDArray[np.int64]  # of passages

FEW: Final = 4096  # passages to choose from that are read and compared one by one, in about 20 ms
LARGE: Final = 50_000  # vectors; up to here every one is compared, in 10 ms at 384 dimensions
PROBES: Final = 128  # lists looked into: of a million vectors every sixteenth, in 7 ms
PER_LIST: Final = 64  # vectors that train each list
OUTGROWN: Final = 4  # times the vectors, or that part of them, for which the lists were made


def lists_for(count: int, *, now: int, large: int) -> int:
    """Return in how many lists `count` vectors belong, being in `now`; 0: compare them all.

    Lists are kept while they fit, and the exact index comes back only at half the size at which it was left:
    training takes a minute for a million.
    """
    if count < (large // 2 if now else large):
        return 0
    made_for = (now / 2) ** 2
    if now and made_for / OUTGROWN < count < made_for * OUTGROWN:
        return now
    return max(1, 2 * isqrt(count))


def exact(dim: int) -> Any:
    import faiss

    return faiss.IndexIDMap2(faiss.IndexFlatIP(dim))


def quantised(dim: int, lists: int, sample: Vectors) -> Any:
    """Return an empty index of `lists` lists trained on `sample`."""
    import faiss

    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim),
        dim,
        min(lists, len(sample)),
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.cp.spherical = True  # else long centroids would draw the vectors between two lists
    index.cp.min_points_per_centroid = 1  # a small sample is no reason for a warning
    index.train(sample)
    return index


def is_quantised(index: Any) -> bool:
    return hasattr(index, "nlist")


def lists_of(index: Any) -> int:
    return int(index.nlist) if is_quantised(index) else 0


def fits(index: Any, dim: int) -> bool:
    """Say whether this is an index of ours: a file is only as good as what reads it."""
    import faiss

    return isinstance(index, faiss.IndexIDMap2 | faiss.IndexIVFScalarQuantizer) and index.d == dim


def nearest(
    index: Any, row: Vectors, depth: int, *, among: Numbers | None = None
) -> Iterator[tuple[int, float]]:
    """Yield (number, score) of the best, best first; a quantised index scores roughly.

    With `among` only these count; the fewer they are, the more lists are looked into.
    """
    import faiss

    parameters: Any = faiss.SearchParametersIVF() if is_quantised(index) else faiss.SearchParameters()
    if among is not None:
        parameters.sel = faiss.IDSelectorBatch(among)
    if is_quantised(index):
        share = 1.0 if among is None else max(len(among), 1) / index.ntotal
        parameters.nprobe = min(round(PROBES / share), index.nlist)
    scores, numbers = index.search(row, depth, params=parameters)
    for number, score in zip(numbers[0].tolist(), scores[0].tolist(), strict=True):
        if number >= 0:  # -1: there are fewer
            yield number, score


def remove(index: Any, numbers: list[int]) -> None:
    """Remove the vectors of these numbers; those it does not hold are passed over."""
    index.remove_ids(np.array(numbers, dtype=np.int64))
