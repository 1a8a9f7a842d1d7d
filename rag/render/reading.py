"""Which of the passages the model reads now, and how far it has come with all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.datatypes import Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The reading of one passage of several, or of some together; each begins with a `Retrieved`."""

    place: int = 0  # 1 is the first
    count: int = 0  # passages to be read one after the other until one holds the answer; 0: together

    def next(self, hits: Sequence[Hit]) -> Step:
        """Return the step that begins when the hits are as `Retrieved` tells them."""
        apart = [hit.left_out in {"doubted", "unread"} for hit in hits]
        count = sum(bool(hit.marker) or alone for hit, alone in zip(hits, apart, strict=True))
        return Step(place=self.place + 1, count=count if any(apart) else 0)

    @property
    def is_one_of_several(self) -> bool:
        """False, too, where the likeliest is read again, after all."""
        return 0 < self.place <= self.count

    def share(self, read: float) -> float:
        """Return how much of all is read when this share of the step is."""
        if self.is_one_of_several:
            return (self.place - 1 + read) / self.count
        return 1.0 if self.count else read
