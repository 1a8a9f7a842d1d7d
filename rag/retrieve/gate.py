"""Whether any hit may answer the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rag.datatypes import Hit
from rag.retrieve.languages import WORDS_ONLY, Script, script_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A hit counts as relevant from `covered + slope * (dense - unrelated) >= threshold` on."""

    threshold: float
    slope: float  # how much a cosine counts beside a share of words
    unrelated: dict[Script, float]  # a cosine that speaks neither way


# Measured over the four best of 256 paragraphs of each language and, for natural questions, 600 (CLAPNQ).
# Answerable questions wrongly stopped: 0 of 509 (SQuAD 2), 0 of 300 (CLAPNQ), 2 of 1,002 (CMRC 2018; both
# empty). Of the same questions, all paragraphs of their own article taken away, it stops .15 in English and
# .10 in Chinese; 0.15 would stop .33 | .37, 0.30 .64 | .77, with 2 | 8 answerable ones. Over 10 paragraphs,
# where less fits by chance, it stopped .91 | .86 (n=300 each). It stays low because the sets' questions
# borrow a passage's words: 0.30 refused 9 of 20 questions about the sample documents put in everyday words
# (this one 2), and the model refuses what passes. Across scripts the cosines of right and wrong passages
# overlap, but their lead, as in `score`, tells a little: 0.17 passes 45 of 45 Chinese and 36 of 43 English
# questions whose passage in the other language is among the four best; 0.10 would pass 45 and 42, but also
# more about nothing in the folder, of which 0.17 stopped 11 of 30.
# Where the folder has only the other script, scores are lower: of 94 | 99 Chinese and English questions whose
# passage was found 0.17 would stop 65 | 22, 0.10 stops 6 | 1 and passes 53 | 56 of 60 about nothing in it.
ACROSS: Final = 0.17  # the score from which on a hit in the other script counts
ALONE: Final = 0.1  # the same where nothing at all is in the question's script
WORDS: Final = Gate(threshold=0.16, slope=0.0, unrelated={"han": 0.0, "latin": 0.0})
GATES: Final = {
    "multilingual-e5-small": Gate(threshold=0.05, slope=8.0, unrelated={"han": 0.85, "latin": 0.80}),
}


def is_relevant(question: str, hits: Sequence[Hit], *, embedder: str = "") -> bool:
    """Say whether any hit may answer the question, by the shared words and the cosine; see GATES.

    `embedder` names what made the cosines; of one that was never measured only the words are trusted.
    """
    script, gate = script_of(question), GATES.get(embedder, WORDS)
    if any(_may_answer(hit, script, gate) for hit in hits):
        return True
    foreign = [hit for hit in hits if script_of(hit.passage.text) != script]
    return embedder not in WORDS_ONLY and any(
        hit.score >= (ALONE if hit.alone else ACROSS) for hit in foreign
    )


def _may_answer(hit: Hit, script: Script, gate: Gate) -> bool:
    evidence = hit.covered or 0.0
    if hit.dense is not None and script_of(hit.passage.text) == script:
        evidence += gate.slope * (hit.dense - gate.unrelated[script])
    return evidence >= gate.threshold
