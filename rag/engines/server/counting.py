"""How many tokens a prompt takes, asked of the server whose tokenizer it is.

OpenAI's API has no call for it, but most servers have one of their own. Where there is none it is estimated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from rag.datatypes import Message, Prompt
from rag.engines.server.endpoint import Endpoint, RefusedError

Kind = TypeVar("Kind")
Count: TypeAlias = Callable[[Prompt], int]

MARKS: Final = 8  # tokens around a message: ChatML has 3 beside the role, Llama 3 has 4
TEMPLATE: Final = 40  # tokens a template may add: its own system message, and where the answer begins
# Shorter than a tokenizer's tokens are in the mean, so that a prompt that fits by this estimate does fit.
ESTIMATED: Final = re.compile(r"[A-Za-z]{1,3}|[^\S\n]{2,}|[^\sA-Za-z]|\n+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Counts prompts, chat template included, and texts by themselves."""

    prompt: Count
    text: Callable[[str], int]
    exact: bool  # the template's own tokens are counted, not estimated


def find_counter(endpoint: Endpoint, model: str) -> Counter:
    """Return the first way of counting that the server knows.

    Raises:
        EngineError: when it cannot be reached.
    """
    trial = Prompt(messages=(Message(role="user", parts=("a b",)),))
    impatient = endpoint.impatient()
    for way in (_vllm, _llama_server, _openvino, _llama_cpp_python):
        try:
            if way(impatient, model).prompt(trial) > 0:
                return way(endpoint, model)
        except RefusedError as exc:
            if not exc.status:  # nothing answers at all
                raise
    return Counter(prompt=_whole(estimate), text=estimate, exact=False)


def estimate(text: str) -> int:
    """Return more tokens than a text is likely to have, so that fewer passages may be given than would fit.

    1.2 to 1.5 times those of Qwen2 in Chinese documents, 1.4 to 1.6 in English, up to 1.9 in source code.
    """
    astral = sum(character > "\uffff" for character in text)  # emoji take up to 3 tokens each
    return len(ESTIMATED.findall(text)) + 2 * astral


def _vllm(endpoint: Endpoint, model: str) -> Counter:
    """https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#tokenizer-api."""

    def count(body: dict[str, Any]) -> int:
        found = endpoint.ask("POST", f"{endpoint.root}/tokenize", {"model": model, **body})
        return _field(found, "count", int)

    return Counter(
        prompt=lambda prompt: count({"messages": as_messages(prompt), "add_generation_prompt": True}),
        text=lambda text: count({"prompt": text, "add_special_tokens": False}),
        exact=True,
    )


def _llama_server(endpoint: Endpoint, model: str) -> Counter:
    """https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md."""
    del model  # it serves one

    def count(text: str, *, special: bool) -> int:
        body = {"content": text, "add_special": special, "parse_special": special}
        return len(_field(endpoint.ask("POST", f"{endpoint.root}/tokenize", body), "tokens", list))

    def rendered(prompt: Prompt) -> str:
        found = endpoint.ask("POST", f"{endpoint.root}/apply-template", {"messages": as_messages(prompt)})
        return str(_field(found, "prompt", str))

    return Counter(
        prompt=lambda prompt: count(rendered(prompt), special=True),
        text=lambda text: count(text, special=False),
        exact=True,
    )


def _openvino(endpoint: Endpoint, model: str) -> Counter:
    """https://docs.openvino.ai/2026/model-server/ovms_docs_rest_api_tokenize.html."""

    def count(text: str) -> int:
        body = {"model": model, "text": text, "add_special_tokens": False}
        return len(_field(endpoint.ask("POST", f"{endpoint.url}/tokenize", body), "tokens", list))

    return Counter(prompt=_whole(count), text=count, exact=False)


def _llama_cpp_python(endpoint: Endpoint, model: str) -> Counter:
    """https://github.com/abetlen/llama-cpp-python/blob/main/llama_cpp/server/app.py."""

    def count(text: str) -> int:
        body = {"model": model, "input": text}
        return _field(endpoint.ask("POST", f"{endpoint.root}/extras/tokenize/count", body), "count", int)

    return Counter(prompt=_whole(count), text=count, exact=False)


def _whole(count: Callable[[str], int]) -> Count:
    """Count all texts of a prompt at once, and add what a chat template may."""

    def count_prompt(prompt: Prompt) -> int:
        said = "\n".join(f"{message.role}\n{message.text}" for message in prompt.messages)
        return count(said) + MARKS * len(prompt.messages) + TEMPLATE

    return count_prompt


def as_messages(prompt: Prompt) -> list[dict[str, str]]:
    """Return a prompt as OpenAI's API takes it, the parts of each message joined."""
    return [
        {"role": message.role, "content": message.text.encode("utf-8", "replace").decode("utf-8")}
        for message in prompt.messages
    ]


def _field(found: Any, name: str, kind: type[Kind]) -> Kind:
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, kind):
        raise RefusedError(f"the server's tokenizer sent no {name}; see the server's log", status=200)
    return value
