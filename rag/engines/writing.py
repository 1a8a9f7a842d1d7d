"""Writing an answer token by token, whatever computes the chances of the next one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from math import inf
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.datatypes import Finish, Generation
from rag.engines.lookup import Costs, Lookup
from rag.engines.stopwords import StopWords
from rag.errors import EngineError
from rag.tokenizer.chat import ChatTokenizer

Logits: TypeAlias = NDArray[np.float32]  # (vocabulary,), or a row of it for each token

NO_ROOM: Final = (
    "the prompt takes {prompt} tokens and the answer up to {answer}, but {model} has room for {context}; "
    "give fewer passages or lower max_tokens"
)


class Continuation(Protocol):
    """A prompt that has been read, and what is written after it."""

    @property
    def costs(self) -> Costs:
        """What reading 1, 2, 3, ... tokens at once costs, in readings of one; no more are read at once."""
        ...

    def extend(self, tokens: Sequence[int]) -> Logits:
        """Read tokens after all others; return the logits that follow each, (tokens, vocabulary)."""
        ...

    def take_back(self, count: int) -> None:
        """Forget the last so many tokens."""
        ...


def check_room(prompt_tokens: int, answer_tokens: int, *, model: str, context: int) -> None:
    """See that a prompt and its answer fit; raises EngineError."""
    if prompt_tokens + answer_tokens > context:
        raise EngineError(
            NO_ROOM.format(prompt=prompt_tokens, answer=answer_tokens, model=model, context=context)
        )


class Writing:
    """One answer, which knows once it has ended how many tokens it has and why it ended."""

    def __init__(self, tokenizer: ChatTokenizer, options: Generation, answerable: float | None) -> None:
        """`answerable` are the log-odds that the prompt holds the answer, where they are known."""
        self._tokenizer = tokenizer
        self._options = options
        self._answerable = answerable
        self._chance = np.random.default_rng(options.seed)
        self.count = 0
        self.finish: Finish = "length"

    def pieces(self, prompt: Sequence[int], logits: Logits, continuation: Continuation) -> Iterator[str]:
        """Yield the answer piece by piece, from the logits (vocabulary,) that follow the prompt."""
        least, known = self._options.least_answerable, self._answerable
        if known is not None and least is not None and known < least:
            self.finish = "unanswerable"
            return
        if known is not None and known >= self._options.answer_from:
            logits = self._allowed(logits, continuation)
        text, stop = self._tokenizer.decoder(), StopWords(self._options.stop)
        for token in self._tokens(prompt, logits, continuation):
            self.count += 1
            if token in self._tokenizer.ends:
                self.finish = "stop"
                break
            if piece := stop.feed(text.feed(token)):
                yield piece
            if stop.found:
                self.finish = "stop"
                break
        if rest := stop.rest():
            yield rest

    def _tokens(self, prompt: Sequence[int], logits: Logits, continuation: Continuation) -> Generator[int]:
        """Yield the answer's tokens as they are sure, at most as many as asked for."""
        guesses = self._options.temperature == 0 and len(continuation.costs) > 1
        lookup = Lookup(prompt, continuation.costs) if guesses else None
        left = self._options.max_tokens
        while True:
            token = self._choose(logits)
            yield token
            left -= 1
            if not left:
                return
            guessed = lookup.guess(token, room=left - 1) if lookup else ()
            rows = continuation.extend([token, *guessed])
            chosen = [int(row.argmax()) for row in rows[:-1]]
            right = _same(guessed, chosen)
            continuation.take_back(len(guessed) - right)
            if lookup:
                lookup.learn(guessed[:right])
            yield from guessed[:right]
            left -= right
            logits = rows[right]

    def _choose(self, logits: Logits) -> int:
        if self._options.temperature == 0:
            return int(logits.argmax())
        scaled = (logits - logits.max()) / self._options.temperature
        chances = np.exp(scaled, dtype=np.float64)
        return int(self._chance.choice(len(chances), p=chances / chances.sum()))

    def _allowed(self, logits: Logits, continuation: Continuation) -> Logits:
        """Keep the answer from beginning with a refusal; what shares only its first token, may.

        A token is looked ahead and taken back.
        """
        forms = [form for text in self._options.refusals for form in (text, text.capitalize(), f" {text}")]
        rest = {first: others for first, *others in map(self._tokenizer.encode, forms)}
        logits = logits.copy()
        while (token := int(logits.argmax())) in rest:
            if rest[token]:
                following = int(continuation.extend([token])[-1].argmax())
                continuation.take_back(1)
                if following != rest[token][0]:
                    return logits
            logits[token] = -inf
        return logits


def _same(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many tokens are the same from the beginning on."""
    pairs = zip(left, right, strict=True)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), len(left))
