"""Any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp's or OpenVINO's, a cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rag.datatypes import Finish, Generation, Prompt, Reading, Usage
from rag.engines.server.counting import as_messages, find_counter
from rag.engines.server.endpoint import Endpoint, RefusedError
from rag.engines.server.replies import Reply
from rag.engines.server.served import Served, choose_served, list_served
from rag.engines.server.streaming import stream_events
from rag.engines.stopwords import StopWords
from rag.errors import EngineError
from rag.models import chosen_model

if TYPE_CHECKING:
    from rag.config import Config

CONTEXT: Final = 4096  # tokens, where neither the server nor the settings tell
MOST_STOPS: Final = 4  # words that the API takes
SEEDS: Final = 2**31  # servers take 32 bits, and some a sign
NOT_FOUND: Final = 404
PICKY: Final = frozenset({400, 422})  # of servers that refuse what they do not know
OPTIONAL: Final = (
    "stream_options",
    "seed",
    "top_p",
    "temperature",
)  # a server that refuses them does without
RENAMED: Final = {"max_tokens": "max_completion_tokens"}  # as OpenAI's models that think first want it
ENDING: Final = 5  # seconds that the usage may come after the answer
COUNTED: Final = 256  # prompts whose count is remembered: each is counted when made, and when asked


class OpenAIEngine:
    """Continues prompts on another server, which keeps what it read of them as it sees fit."""

    name = "openai"
    judges = False

    def __init__(self, endpoint: Endpoint, served: Served, *, context: int = 0) -> None:
        """Ask how the server counts tokens; `context` 0 means what it tells, else at most that.

        Raises:
            EngineError: when it cannot be reached.
        """
        self._endpoint = endpoint
        self.model = served.name
        told = served.context or context or CONTEXT
        self.context = min(told, context or told)
        self._counter = find_counter(endpoint, served.name)
        self._count = lru_cache(maxsize=COUNTED)(self._counter.prompt)
        self._unwanted: set[str] = set()
        self._names: dict[str, str] = {}  # as this server calls what has another name elsewhere

    @classmethod
    def open(cls, config: Config) -> OpenAIEngine:
        """Open the model that `config.model` names, or the only one that is served.

        Raises:
            ConfigError: when the address is none, or more than one model is served and none is named.
            EngineError: when the server cannot be reached or refuses the key.
        """
        endpoint = endpoint_of(config)
        served = choose_served(endpoint, chosen_model(config))
        return cls(endpoint, served, context=config.openai_context)

    def count_tokens(self, prompt: Prompt) -> int:
        return self._count(prompt)

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        count = self.count_tokens(prompt)
        if count + options.max_tokens > self.context:
            raise EngineError(
                f"the prompt takes {count} tokens and the answer up to {options.max_tokens}, but "
                f"{self.model} has room for {self.context}; give fewer passages, lower max_tokens, or set "
                "openai_context if the server has more"
            )
        yield Reading(done=0, total=count)
        reply = Reply(self._endpoint)
        with closing(self._events(prompt, options)) as events:
            finish = yield from _written(events, reply, options, count)
        answer_tokens = reply.answer_tokens
        if answer_tokens is None:
            length = finish == "length"
            answer_tokens = options.max_tokens if length else self._counter.text(reply.text)
        yield Usage(
            prompt_tokens=count if reply.prompt_tokens is None else reply.prompt_tokens,
            answer_tokens=answer_tokens,
            cached_tokens=reply.cached_tokens,
            finish=finish,
        )

    def _events(self, prompt: Prompt, options: Generation) -> Generator[str | None]:
        """Yield the server's events, leaving out of the request what it says it does not know."""
        body = self._body(prompt, options)
        while True:
            wanted = {name: value for name, value in body.items() if name not in self._unwanted}
            sent = {self._names.get(name, name): value for name, value in wanted.items()}
            try:
                yield from stream_events(self._endpoint, f"{self._endpoint.url}/chat/completions", sent)
            except RefusedError as exc:
                unwanted = {name for name in OPTIONAL if name in sent and name in str(exc)}
                names = {old: new for old, new in RENAMED.items() if old in sent and new in str(exc)}
                if exc.status in PICKY and (unwanted or names):
                    self._unwanted |= unwanted
                    self._names |= names
                    continue
                if exc.status == NOT_FOUND:
                    self._explain_missing(exc)
                raise
            return

    def _body(self, prompt: Prompt, options: Generation) -> dict[str, Any]:
        stop = [word for word in options.stop if word][:MOST_STOPS]
        return {
            "model": self.model,
            "messages": as_messages(prompt),
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "top_p": 1.0,  # servers have a smaller one of their own
            "seed": options.seed % SEEDS,
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"stop": stop} if stop else {}),
        }

    def _explain_missing(self, refused: RefusedError) -> None:
        """Raise what is to be done where the server has no such model, as far as it tells."""
        names = [each.name for each in list_served(self._endpoint)]
        if names and self.model not in names:
            raise EngineError(
                f"{self._endpoint.url} does not serve {self.model!r} but {', '.join(names)}; set model"
            ) from refused


def endpoint_of(config: Config) -> Endpoint:
    """Return where `config` says that the server is; raises ConfigError when it is no address."""
    return Endpoint(
        config.openai_url,
        key=config.openai_key.get_secret_value(),
        timeout=config.openai_timeout,
        retries=config.openai_retries,
    )


def _to_the_end(events: Iterator[str | None], reply: Reply) -> Iterator[str | None]:
    """Yield the events; once the answer is whole, neither an error nor a silence can take it back."""
    silent = 0
    try:
        for event in events:
            silent = silent + 1 if event is None else 0  # one a second
            if reply.finished and silent > ENDING:
                return
            yield event
    except EngineError:
        if not reply.finished:
            raise


def _written(
    events: Iterator[str | None], reply: Reply, options: Generation, count: int
) -> Generator[str | Reading, None, Finish]:
    """Yield the answer piece by piece, and `Reading` whenever nothing comes; return why it ended."""
    stop = StopWords(options.stop)
    read = 0
    for event in _to_the_end(events, reply):
        text = reply.feed(event) if event is not None else ""
        if reply.pieces > options.max_tokens:  # the server does not keep to what was asked
            break
        if text and not read:
            read = count
            yield Reading(done=read, total=count)
        if piece := stop.feed(text):
            yield piece
        elif event is None:
            yield Reading(done=read, total=count)
        if stop.found or reply.ended:
            break
    else:
        reply.check_whole()
    if not read:
        yield Reading(done=count, total=count)
    if rest := stop.rest():
        yield rest
    if stop.found:
        return "stop"
    return "length" if reply.pieces > options.max_tokens else reply.finish
