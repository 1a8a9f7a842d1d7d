"""Which models a server has, and how long a prompt each takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from rag.engines.server.endpoint import Endpoint, RefusedError
from rag.errors import ConfigError

MISSING: Final = frozenset({404, 405, 501})
MOST_NAMED: Final = 20
# What servers call it: vLLM and SGLang, LM Studio, OpenRouter, Groq.
CONTEXTS: Final = ("max_model_len", "loaded_context_length", "context_length", "context_window")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model of a server; `context` is in tokens, 0 where it does not tell."""

    name: str
    context: int = 0


def list_served(endpoint: Endpoint) -> list[Served]:
    """Return the server's models, none where it does not list them.

    Raises:
        EngineError: when it cannot be reached, refuses the key, or answers with what is no list.
    """
    try:
        found = endpoint.ask("GET", f"{endpoint.url}/models")
    except RefusedError as exc:
        if exc.status in MISSING:
            return []
        raise
    entries = found.get("data") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise RefusedError(endpoint.not_an_api(str(found)))
    told = (entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str))
    return [Served(name=entry["id"], context=_context(entry)) for entry in told][:MOST_NAMED]


def choose_served(endpoint: Endpoint, name: str) -> Served:
    """Return the model `name`, or where that is empty the only one.

    A name that is not listed is taken as it is: servers have aliases.

    Raises:
        ConfigError: when none is named, and none or more than one is served.
        EngineError: when the server cannot be reached.
    """
    served = list_served(endpoint)
    if not name and len(served) != 1:
        names = ", ".join(each.name for each in served)
        raise ConfigError(
            f"{endpoint.url} serves {names}; set model to one of them"
            if names
            else f"{endpoint.url} does not tell which models it serves; set model to the name of one"
        )
    chosen = next((each for each in served if not name or each.name == name), Served(name=name))
    return Served(name=chosen.name, context=chosen.context or _context_of_slot(endpoint))


def _context(entry: dict[str, Any]) -> int:
    numbers = (entry.get(name) for name in CONTEXTS)
    return next((number for number in numbers if isinstance(number, int) and number > 0), 0)


def _context_of_slot(endpoint: Endpoint) -> int:
    """Return what llama.cpp's server gives each request: less than its models were trained for."""
    try:
        found = endpoint.impatient().ask("GET", f"{endpoint.root}/props")
        number = found["default_generation_settings"]["n_ctx"]
    except (RefusedError, KeyError, TypeError):
        return 0
    return number if isinstance(number, int) and number > 0 else 0
