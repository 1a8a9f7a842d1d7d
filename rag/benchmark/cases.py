"""What engines are asked: how long a prompt, how long an answer, and what they may know of it before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rag.render import counted

Reuse: TypeAlias = Literal["none", "prefix", "passages"]

PASSAGE_TOKENS: Final = 252  # of each passage, at most: 240 or so, since it ends where an entry does


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A prompt of so many passages, or else of as many as fit into `prompt_tokens`, begun like no other.

    With `reuse` "prefix" it is the prompt before it with another question; with "passages" an engine that
    keeps what it reads has read each passage by itself before, and the others, for comparison, read it all.
    """

    name: str
    answer_tokens: int
    reuse: Reuse
    passages: int = 0
    prompt_tokens: int = 0
    keepers_only: bool = False  # engines that keep nothing are left out


COLD: Final = Case(name="cold", passages=4, answer_tokens=24, reuse="none")
PREFIX: Final = Case(name="same passages, another question", passages=4, answer_tokens=24, reuse="prefix")
WARM: Final = Case(name="passages warm", passages=4, answer_tokens=60, reuse="passages")
CASES: Final = (COLD, PREFIX, WARM)
LENGTHS: Final = tuple(
    Case(name=f"{tokens} tokens, cold", prompt_tokens=tokens, answer_tokens=16, reuse="none")
    for tokens in (256, 512, 1024, 2048, 4096)
)
PASSAGES: Final = tuple(
    case
    for count in (1, 2, 4, 8)
    for case in (
        Case(name=f"{counted(count, 'passage')}, cold", passages=count, answer_tokens=16, reuse="none"),
        Case(
            name=f"{counted(count, 'passage')}, warm",
            passages=count,
            answer_tokens=16,
            reuse="passages",
            keepers_only=True,
        ),
    )
)
WARM_UP: Final = Case(name="warm-up", prompt_tokens=120, answer_tokens=4, reuse="none")
