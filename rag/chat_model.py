"""Any engine as a LangChain chat model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from langchain.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

from rag.datatypes import Generation, Message, Prompt, Reading, Role, Usage
from rag.engines import Engine
from rag.errors import EngineError, InputError

ROLES: dict[str, Role] = {"system": "system", "human": "user", "ai": "assistant"}


class EngineChatModel(BaseChatModel):
    """An `Engine` behind LangChain's interface: invoke, stream, batch, their async forms and callbacks.

    The text content blocks of a message become the parts of the prompt's message, so that an engine which
    reuses the state of a passage sees where it begins. Calls are answered one at a time.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Engine
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    stop: list[str] | None = None
    on_reading: Callable[[Reading], None] | None = Field(default=None, exclude=True)

    _one_at_a_time: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return f"kaoju-{self.engine.name}"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"engine": self.engine.name, "model": self.engine.model, "temperature": self.temperature}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(
            ls_provider="kaoju",
            ls_model_name=kwargs.get("model", self.engine.model),
            ls_model_type="chat",
            ls_temperature=self.temperature,
            ls_max_tokens=self.max_tokens,
            **({"ls_stop": stop} if stop else {}),
        )

    def count_tokens(self, prompt: Prompt) -> int:
        return self.engine.count_tokens(prompt)

    def get_num_tokens(self, text: str) -> int:
        return self.engine.count_tokens(Prompt(messages=(Message(role="user", parts=(text,)),)))

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: object = None) -> int:
        del tools
        return self.engine.count_tokens(to_prompt(messages))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with self._one_at_a_time:
            prompt = replace(to_prompt(messages), constant=kwargs.get("constant", 0))
            for event in self.engine.stream(prompt, self._options(stop, kwargs)):
                chunk = self._chunk(event)
                if run_manager and isinstance(event, str):
                    run_manager.on_llm_new_token(event, chunk=chunk)
                yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        chunks = [chunk.message for chunk in self._stream(messages, stop, run_manager, **kwargs)]
        if not chunks:
            raise EngineError("the engine's stream ended without an answer")
        whole = sum(chunks[1:], start=cast(AIMessageChunk, chunks[0]))
        message = cast(AIMessage, message_chunk_to_message(whole))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _options(self, stop: list[str] | None, overrides: dict[str, Any]) -> Generation:
        return Generation(
            max_tokens=overrides.get("max_tokens", self.max_tokens),
            temperature=overrides.get("temperature", self.temperature),
            seed=overrides.get("seed", self.seed),
            stop=tuple(stop or self.stop or ()),
            least_answerable=overrides.get("least_answerable"),
            refusals=tuple(overrides.get("refusals", ())),
            answer_from=overrides.get("answer_from", 0.0),
        )

    def _chunk(self, event: str | Reading | Usage) -> ChatGenerationChunk:
        if isinstance(event, Reading) and self.on_reading:
            self.on_reading(event)
        if not isinstance(event, Usage):
            text = event if isinstance(event, str) else ""
            return ChatGenerationChunk(message=AIMessageChunk(content=text))
        message = AIMessageChunk(
            content="",
            usage_metadata={
                "input_tokens": event.prompt_tokens,
                "output_tokens": event.answer_tokens,
                "total_tokens": event.prompt_tokens + event.answer_tokens,
                "input_token_details": {"cache_read": event.cached_tokens},
            },
            response_metadata={
                "finish_reason": event.finish,
                "model_name": self.engine.model,
                "model_provider": "kaoju",
                **({} if event.answerable is None else {"answerable": event.answerable}),
            },
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)


def to_prompt(messages: Sequence[BaseMessage]) -> Prompt:
    """Turn LangChain messages into a `Prompt`.

    Raises:
        InputError: for a role or a content block that is not text.
    """
    return Prompt(messages=tuple(_message(message) for message in messages))


def from_prompt(prompt: Prompt) -> list[BaseMessage]:
    """Turn a `Prompt` into LangChain messages, each part a text content block."""
    kinds: dict[Role, type[BaseMessage]] = {
        "system": SystemMessage,
        "user": HumanMessage,
        "assistant": AIMessage,
    }
    return [
        kinds[message.role](content=[{"type": "text", "text": part} for part in message.parts])
        for message in prompt.messages
    ]


def _message(message: BaseMessage) -> Message:
    if message.type not in ROLES:
        raise InputError(f"a {message.type!r} message cannot be sent to this model: only text can")
    content = message.content
    blocks = [content] if isinstance(content, str) else content
    return Message(role=ROLES[message.type], parts=tuple(_text(block) for block in blocks))


def _text(block: str | dict[str, Any]) -> str:
    if isinstance(block, str):
        return block
    if block.get("type") == "text":
        return str(block["text"])
    raise InputError(f"a {block.get('type')!r} content block cannot be sent to this model: only text can")
