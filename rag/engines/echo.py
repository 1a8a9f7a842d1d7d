"""An engine without a model: it copies a sentence of the first passage, for tests and for trying the rest."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from math import log
from statistics import fmean
from typing import TYPE_CHECKING, Final

from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.errors import EngineError

if TYPE_CHECKING:
    from rag.config import Config

TOKEN = re.compile(r"\w+\s*|[^\w]", re.ASCII)  # Latin words; any other character by itself
SEEN: Final = 0.9  # chance of a word that the prompt holds
BODY = re.compile(r"\[(\d+)\][^\n]*\n(.*)", re.DOTALL)


class EchoEngine:
    """Deterministic: the same prompt gives the same words; a token is a Latin word or a character."""

    name = "echo"
    model = "echo"
    context = 4096
    judges = False

    def __init__(self, *, seconds_per_token: float = 0.0) -> None:
        self.seconds_per_token = seconds_per_token

    @classmethod
    def open(cls, config: Config) -> EchoEngine:
        return cls(seconds_per_token=config.echo_seconds_per_token)

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        total = self.count_tokens(prompt)
        if total + options.max_tokens > self.context:
            raise EngineError(f"{total} tokens and an answer are more than {self.model} has room for")
        yield Reading(done=total, total=total)
        tokens = TOKEN.findall(_cut(_reply(prompt), options.stop))
        for token in tokens[: options.max_tokens]:
            time.sleep(self.seconds_per_token)
            yield token
        yield Usage(
            prompt_tokens=total,
            answer_tokens=min(len(tokens), options.max_tokens),
            finish="stop" if len(tokens) <= options.max_tokens else "length",
        )

    def likelihood(self, prompt: Prompt, continuation: str) -> Generator[Reading, None, float]:
        """Return how many of the words the prompt holds, as if that were their chance."""
        total = self.count_tokens(prompt)
        tokens = _words(continuation)
        if total + len(tokens) > self.context:
            raise EngineError(f"{total} tokens and a continuation are more than {self.model} has room for")
        yield Reading(done=total, total=total)
        known = {token for message in prompt.messages for token in _words(message.text)}
        return fmean(log(SEEN if token in known else 1 - SEEN) for token in tokens) if tokens else 0.0

    def count_tokens(self, prompt: Prompt) -> int:
        return sum(len(TOKEN.findall(message.text)) for message in prompt.messages)


def _reply(prompt: Prompt) -> str:
    for message in prompt.messages[prompt.constant :]:
        for part in message.parts[:-1]:
            if found := BODY.match(part):
                return f"{found[2].strip()} [{found[1]}]"
    return prompt.messages[-1].parts[-1].strip()


def _words(text: str) -> list[str]:
    return [token.strip() for token in TOKEN.findall(text.casefold()) if token.strip()]


def _cut(text: str, stops: tuple[str, ...]) -> str:
    for stop in stops:
        text = text.partition(stop)[0]
    return text
