"""When the model says that the passages hold no answer, or has none of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rag.prompt import EXAMPLES, NO_ANSWER, UNANSWERABLE, Language

# Log-odds, of the probe in rag/engines/answerable.py, from which on an answer is tried. What share of the
# answerable and of the other questions lies below, for a probe that has not seen their article:
# Qwen2.5-Coder-1.5B in sym_int4, shown the best passage of their own document or of another one.
#   SQuAD 2, n=509: of 256 unanswerable     .05 .42   .10 .55   .15 .63   .20 .69   .30 .75   (area .82)
#                   of 175 shown another    .05 .73   .10 .78   .15 .82   .20 .86   .30 .89   (area .91)
#   CLAPNQ, n=140: of 110 unanswerable      .05 .56   .10 .66   .15 .85   .20 .88   .30 .95   (area .92)
#                  of 70 shown another      .05 .83   .10 .89   .15 .96   .20 .96   .30 .96   (area .96)
#   CMRC 2018, n=177: of 62 shown another   .05 .98   .10 .98   .15 .98                       (area .996)
LEAST_ANSWERABLE: Final[dict[Language, float]] = {"en": -0.5, "zh": 0.5}
# From here on no other passage is read: above it lie about a tenth and a twentieth of those shown another.
SURELY: Final[dict[Language, float]] = {"en": 0.4, "zh": 1.0}
OPENING: Final = " \t\n\"'“‘*`"  # what a model may put before its word


def _squeezed(text: str) -> str:
    return "".join(text.casefold().split())


REPEATED: Final = tuple(_squeezed(answer.partition(" [")[0]) for _, answer in EXAMPLES)


class Told:
    """Passes an answer on as it is written; the model's word for no answer becomes nothing.

    A model without an answer may also repeat that of an example. What may become one or the other is held
    back, and whatever follows it has no source.
    """

    def __init__(self, passages: Sequence[str]) -> None:
        """What stands in a passage is no example's."""
        texts = [_squeezed(text) for text in passages]
        repeated = (each for each in REPEATED if not any(each in text for text in texts))
        self._empty = (*UNANSWERABLE.values(), *repeated)
        self._held = ""
        self._decided = self._refused = False

    def feed(self, piece: str) -> str:
        if self._decided:
            return "" if self._refused else piece
        self._held += piece
        said = _squeezed(self._held.lstrip(OPENING))
        self._refused = said.startswith(self._empty)
        self._decided = self._refused or not any(each.startswith(said) for each in self._empty)
        return self._held if self._decided and not self._refused else ""

    def flush(self) -> str:
        """Return what is left when the answer has ended."""
        return "" if self._decided or not self._held.strip() else self._held


def refuses(text: str) -> bool:
    """Tell whether an answer is the sentence for none, or says nothing."""
    said = _letters(text)
    return not said or any(said.startswith(_letters(sentence)) for sentence in NO_ANSWER.values())


def refusal(text: str) -> str:
    """Return the sentence for no answer that `text` begins with; what a model adds to it has no source."""
    said = _letters(text)
    return next((each for each in NO_ANSWER.values() if said.startswith(_letters(each))), NO_ANSWER["en"])


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
