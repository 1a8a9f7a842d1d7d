"""A summary held against all passages it was made of: one sentence of it may stand in several.

Of 200 first answer sentences of CLAPNQ, each held against 12 passages of other questions, 2 are held by one
of them and 2 by several together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rag.cite import UNSUPPORTED, Citer, citations_of
from rag.datatypes import Citation, Hit
from rag.evidence import Held, features

TOGETHER: Final = 3  # passages that may hold a sentence between them
ENOUGH: Final = 0.75  # share of its words that these must hold


class Checked:
    """`Citer`, but what no single passage holds may be held by some of them together."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits = hits
        self._citer = Citer(hits)
        self._words = {hit.marker: features(hit.passage.text) for hit in hits}
        self._seen = 0  # sentences without a passage, of which one was looked for in several
        self._begun = False
        self.text = ""

    def feed(self, piece: str) -> str:
        piece = piece if self._begun else piece.lstrip()
        self._begun = self._begun or bool(piece)
        return "".join(self._passed_on(self._citer.feed(character)) for character in piece)

    def flush(self) -> str:
        return self._passed_on(self._citer.flush())

    @property
    def unsupported(self) -> tuple[str, ...]:
        return tuple(self._citer.unsupported)

    def citations(self) -> tuple[Citation, ...]:
        passages = {hit.marker: hit.passage for hit in self._hits}
        return tuple(citations_of(self.text, passages, self._citer.held))

    def _passed_on(self, text: str) -> str:
        for sentence in self._citer.unsupported[self._seen :]:
            markers = "".join(f"[{marker}]" for marker in self._together(sentence))
            if markers:
                text = text.replace(UNSUPPORTED, markers, 1)
                self._citer.unsupported.remove(sentence)
            else:
                self._seen += 1
        self.text += text
        return text

    def _together(self, sentence: str) -> list[int]:
        """Return the fewest passages that hold the sentence between them, with its numbers and names."""
        wanted, chosen = features(sentence), list[int]()
        left = set(wanted)
        while left and len(chosen) < TOGETHER:
            best = max(self._words, key=lambda marker: (len(left & self._words[marker]), -marker))
            if not left & self._words[best]:
                break
            chosen.append(best)
            left -= self._words[best]
        enough = len(wanted - left) >= ENOUGH * len(wanted)
        whole = Held("\n".join(self._citer.held[marker].text for marker in chosen))
        return sorted(chosen) if enough and not whole.lacks(sentence) else []
