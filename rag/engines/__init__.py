"""LLM engines: one module each, all behind one Protocol, opened by name."""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard, runtime_checkable

from rag.datatypes import Generation, Prompt, Reading, Usage
from rag.engines.choice import DEFAULT
from rag.engines.choice import chosen_engine as chosen_engine
from rag.errors import ConfigError, MissingExtraError
from rag.models import NO_ADAPTER, chosen_model

if TYPE_CHECKING:
    from rag.config import Config

ENGINES: Final = {
    "echo": "rag.engines.echo:EchoEngine",
    "ipex": "rag.engines.ipex:IpexEngine",
    "llamacpp": "rag.engines.llamacpp:LlamaCppEngine",
    "openvino": "rag.engines.openvino:OpenvinoEngine",
    "hf": "rag.engines.hf:HfEngine",
    "openai": "rag.engines.openai:OpenAIEngine",
}
EXTRAS: Final = {
    "ipex": "make clean install",
    "llamacpp": ".venv/bin/pip install -c .constraints.txt -e '.[llamacpp]'",
    "openvino": ".venv/bin/pip install -c .constraints.txt -e '.[openvino]'",
}


@runtime_checkable
class Engine(Protocol):
    """Continues prompts, one at a time; not thread-safe: `rag.pipeline.Rag` queues questions."""

    name: str
    model: str  # names the weights in every answer
    context: int  # tokens of prompt and answer together

    @property
    def judges(self) -> bool:
        """Whether it tells in `Usage.answerable` if a prompt holds the answer."""
        ...

    def stream(self, prompt: Prompt, options: Generation) -> Iterator[str | Reading | Usage]:
        """Yield `Reading` after each chunk of prefill, the answer's text piece by piece, then one `Usage`.

        An engine that has to wait for another machine yields its last `Reading` again about once a second.
        An engine that judges writes nothing where the prompt is less likely to hold the answer than the
        options ask for.
        Closing the iterator stops at once. A chunk takes about a second at most, so that a question can be
        stopped while its prompt is read.

        Raises:
            EngineError: when the prompt does not fit `context` or the model fails.
        """
        ...

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the tokens `prompt` takes, chat template included."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """An engine that can also tell how likely a text is, without writing one."""

    def likelihood(self, prompt: Prompt, continuation: str) -> Generator[Reading, None, float]:
        """Return the mean log-probability of a text's tokens, were it the answer; 0 for an empty one.

        Yields `Reading` as `stream` does, and may be closed as it. What was read of the prompt is kept: to
        answer it afterwards, or to ask for another continuation, costs no second reading.

        Raises:
            EngineError: when both do not fit the engine's `context` or the model fails.
        """
        ...


@runtime_checkable
class Reader(Engine, Protocol):
    """An engine that keeps what it read of passages, and can read them before they are asked about."""

    @property
    def keeps(self) -> bool:
        """Whether it does so with the present settings."""
        ...

    def read(self, prompt: Prompt) -> Generator[Reading, None, bool]:
        """Read a prompt's first passage, unless it is kept already, and tell whether it is now.

        It is not where there is no room for another. Yields `Reading` as `stream` does, and may be closed as
        it.

        Raises:
            EngineError: when the model fails.
        """
        ...


def keeps(engine: Engine) -> TypeGuard[Reader]:
    """Tell whether what an engine reads of a passage is kept for the next question."""
    return isinstance(engine, Reader) and engine.keeps


def open_engine(config: Config) -> Engine:
    """Open the engine chosen by `config`, fetching and converting nothing: that is `rag.models`' work.

    Raises:
        ConfigError: when it cannot merge the adapter.
        MissingExtraError: when its packages are not installed.
        ModelError: when its model is not on this machine.
    """
    config = config.model_copy(update={"engine": chosen_engine(config), "model": chosen_model(config)})
    if config.adapter != NO_ADAPTER and config.engine != DEFAULT:
        raise ConfigError(
            f"engine={config.engine!r} cannot merge adapter={config.adapter!r}; use --engine {DEFAULT}"
        )
    module, _, name = ENGINES[config.engine].partition(":")
    try:
        engine_class = getattr(importlib.import_module(module), name)
        engine: Engine = engine_class.open(config)
    except ModuleNotFoundError as exc:
        if exc.name and exc.name.startswith("rag."):
            raise  # our own bug, not a missing extra
        raise MissingExtraError(
            f"engine {config.engine!r} needs the package {exc.name!r}: {EXTRAS.get(config.engine, '')}"
        ) from exc
    return engine
