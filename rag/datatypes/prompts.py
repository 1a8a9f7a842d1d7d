"""What an engine is given, and what it tells while it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]
Finish: TypeAlias = Literal["stop", "length", "unanswerable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One chat message; the parts of a user message are its passages and last the question."""

    role: Role
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What an engine answers: parts, not a string, so that an engine can reuse the state of each."""

    messages: tuple[Message, ...]
    constant: int = 0  # of the messages, those that stand before whatever is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How an engine continues a prompt."""

    max_tokens: int = 512
    temperature: float = 0.0  # 0: greedy
    seed: int = 0
    stop: tuple[str, ...] = ()  # the text ends before the first of these
    least_answerable: float | None = None  # log-odds, as in `Usage`, below which nothing is written
    refusals: tuple[str, ...] = ()  # not to begin with, where those log-odds are known and
    answer_from: float = 0.0  # no lower than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The last thing an engine's stream yields: what the answer cost."""

    prompt_tokens: int
    answer_tokens: int
    cached_tokens: int = 0  # of the prompt, not prefilled again
    finish: Finish = "stop"
    answerable: float | None = None  # log-odds that the prompt holds the answer, where the engine judges


def together(usages: Sequence[Usage]) -> Usage:
    """Return what several prompts cost in all; the last tells how it ended, the likeliest the chance."""
    known = [usage.answerable for usage in usages if usage.answerable is not None]
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        answer_tokens=sum(usage.answer_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        finish=usages[-1].finish if usages else "stop",
        answerable=max(known, default=None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How far the engine has read the prompt, in tokens; each one is a moment at which it can be stopped."""

    done: int
    total: int
