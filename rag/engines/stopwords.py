"""Ending a streamed text before a stop word, although the word may come in pieces."""

from __future__ import annotations


class StopWords:
    """Passes text on, holding back what may yet turn out to be the beginning of a stop word."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = tuple(word for word in words if word)
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """Return what can be shown now; once `found`, nothing more will be."""
        if self.found:
            return ""
        self._held += text
        places = [place for word in self._words if (place := self._held.find(word)) >= 0]
        self.found = bool(places)
        cut = min(places) if places else len(self._held) - self._uncertain()
        shown = self._held[:cut]
        self._held = "" if self.found else self._held[cut:]
        return shown

    def rest(self) -> str:
        """Return what was held back, when the text has ended."""
        held, self._held = self._held, ""
        return held

    def _uncertain(self) -> int:
        """Return the length of the longest end of the held text that begins a stop word."""
        longest = max((len(word) for word in self._words), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(word.startswith(self._held[-length:]) for word in self._words):
                return length
        return 0
