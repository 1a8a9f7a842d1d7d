"""Prompts made like the product's own: what is constant, numbered passages, and last the question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from rag.benchmark.cases import PASSAGE_TOKENS, Case
from rag.datatypes import Message, Prompt
from rag.prompt import PASSAGE

Count: TypeAlias = Callable[[Prompt], int]

# Short, so that what is saved is the passages: the product's own beginning is constant and much longer.
SYSTEM: Final = "{number} is the number of this log of a harbour. You answer questions about it."
TITLE: Final = "log {number}, page {page}"
ENTRIES: Final = (
    "Entry {entry}: the boat {name} left berth {berth} with {crates} crates of {goods} for {town}. ",
    "Entry {entry}: {name} came in from {town} and made fast at berth {berth}; {crates} crates were landed. ",
    "Entry {entry}: {name} waits at berth {berth} for {crates} crates of {goods}, sent from {town}. ",
    "Entry {entry}: a merchant of {town} paid for the {crates} crates that {name} took from berth {berth}. ",
)
NAMES: Final = ("Alva", "Brine", "Corrie", "Dunlin", "Esker", "Fulmar", "Gannet")
TOWNS: Final = ("Aalness", "Borrow", "Carrick", "Deal", "Elgol")
GOODS: Final = ("rope", "salt", "barley", "lamp oil", "slate", "wool", "herring", "paper", "tiles")
PER_PROMPT: Final = 1000  # entries, at most
BERTHS: Final = 4
LEAST_TOKENS: Final = 48  # of a passage that fills what is left of a prompt
QUESTION: Final = (
    "\n\nList every entry of log {number} about berth 3, with its boat, its crates and its town."
)
FOLLOW_UP: Final = (
    "\n\nList every entry of log {number} about {town}, with its boat, its crates and its berth."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A prompt, and each of its passages as it is read before anyone asks about it."""

    prompt: Prompt
    alone: tuple[Prompt, ...]


def make_prompt(case: Case, number: int, count: Count) -> Asked:
    """Return a prompt of the case's size; those of different numbers begin differently.

    Its question asks for a list, so that the answer is long.
    """
    system = Message(role="system", parts=(SYSTEM.format(number=number),))
    town = TOWNS[number % len(TOWNS)]
    question = (FOLLOW_UP if case.reuse == "prefix" else QUESTION).format(number=number, town=town)

    def showing(*parts: str) -> Prompt:
        return Prompt(messages=(system, Message(role="user", parts=parts)), constant=1)

    around = count(showing(question))

    def tokens(part: str) -> int:
        return count(showing(part, question)) - around

    texts, entry, room = list[str](), number * PER_PROMPT, case.prompt_tokens - around
    while len(texts) < case.passages or (not case.passages and room >= LEAST_TOKENS):
        size = PASSAGE_TOKENS if case.passages else min(PASSAGE_TOKENS, room)
        text, entry = _passage(len(texts) + 1, number, entry, partial(_fits, tokens, size))
        texts.append(text)
        room -= tokens(_numbered(len(texts), number, text, len(texts)))
    numbered = (_numbered(page, number, text, page) for page, text in enumerate(texts, 1))
    first = (_numbered(1, number, text, page) for page, text in enumerate(texts, 1))
    return Asked(prompt=showing(*numbered, question), alone=tuple(showing(part, "") for part in first))


def _fits(tokens: Callable[[str], int], size: int, part: str) -> bool:
    return tokens(part) <= size


def _passage(page: int, number: int, entry: int, fits: Callable[[str], bool]) -> tuple[str, int]:
    """Return a passage of as many entries as fit, from `entry` on, and the next entry."""
    text = ""
    while fits(_numbered(page, number, longer := text + _entry(entry), page)):
        text, entry = longer, entry + 1
    return text, entry


def _numbered(marker: int, number: int, text: str, page: int) -> str:
    title = TITLE.format(number=number, page=page)
    return f"[{marker}] {PASSAGE.format(title=title, text=text.strip())}"


def _entry(entry: int) -> str:
    return ENTRIES[entry * 7 % 11 % len(ENTRIES)].format(
        entry=entry % PER_PROMPT,
        name=NAMES[entry % len(NAMES)],
        berth=entry * 3 % 7 % BERTHS + 1,
        crates=entry * 37 % 91,
        goods=GOODS[entry % len(GOODS)],
        town=TOWNS[entry % len(TOWNS)],
    )
