"""From an empty machine to models that can answer: fetch what is missing, convert it once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from rag import models
from rag.config import Config
from rag.datatypes import ProgressCallback
from rag.embed import HashingEmbedder, SentenceEmbedder, open_embedder
from rag.engines.choice import AUTO, DEFAULT, WITHOUT_WEIGHTS, chosen_engine
from rag.errors import ModelError, RagError
from rag.rerank import names_model

Notice: TypeAlias = Callable[[str], None]
OPENVINO: Final = "openvino"
SERVER: Final = "server"  # where the model runs elsewhere


def prepare(config: Config, progress: ProgressCallback, *, notice: Notice) -> None:
    """Fetch and convert whatever the settings ask for and this machine lacks.

    Raises:
        ModelError: when a model can be had from no source.
        DiskError: when the disk is full or read-only.
    """
    if config.embedder != HashingEmbedder.name:
        _take_embedder(config, progress, notice)
    if names_model(config.reranker):
        _tell(models.fetch_reranker(config.reranker, config, progress), notice)
    if chosen_engine(config) not in WITHOUT_WEIGHTS and not _is_own_folder(config):
        fetched = models.choose_model(config, progress)
        _tell(fetched, notice)
        _convert(fetched, config, progress, notice=notice)


def pull(name: str, config: Config, progress: ProgressCallback, *, notice: Notice) -> None:
    """Fetch one model by name, asking the hubs again, and convert an LLM; raises as `prepare`."""
    kind = models.show_model(name, None, config).kind
    if kind == "embedder":
        _take_embedder(config.model_copy(update={"embedder": name}), progress, notice)
        return
    if kind == "reranker":
        _tell(models.fetch_reranker(name, config, progress), notice)
        return
    if kind == "adapter":
        name = models.chosen_model(config)
    elif name != models.chosen_model(config):  # the adapter was made for that one
        config = config.model_copy(update={"adapter": models.NO_ADAPTER})
    fetched = models.fetch_model(name, config, progress)
    _tell(fetched, notice)
    _convert(fetched, config, progress, notice=notice)


def _take_embedder(config: Config, progress: ProgressCallback, notice: Notice) -> None:
    _tell(models.fetch_embedder(config.embedder, config, progress), notice)
    try:
        embedder = open_embedder(config)
        reason = embedder.prepare(progress) if isinstance(embedder, SentenceEmbedder) else ""
    except ModelError as exc:
        reason = str(exc)
    if reason:
        notice(f"{config.embedder} embeds by PyTorch, slower: {reason}")


def _is_own_folder(config: Config) -> bool:
    """Tell whether the model is a folder that was converted for the engine elsewhere."""
    from rag.engines import openvino_folder

    own = chosen_engine(config) == OPENVINO
    return own and openvino_folder.ready_folder(config.model, config) is not None


def _convert(fetched: models.Fetched, config: Config, progress: ProgressCallback, *, notice: Notice) -> None:
    """Convert for the engine that answers, and for ipex where another is chosen that may be gone some day."""
    from rag.engines import openvino_folder
    from rag.engines.low_bit import conversion

    engine = chosen_engine(config)
    if engine == OPENVINO:
        openvino_folder.make_ready(fetched.name, fetched.path, config, progress)
    if engine == DEFAULT or config.engine == AUTO:
        adapter = models.fetch_adapter(config, progress)
        if adapter:
            _tell(adapter, notice)
        merged = adapter.path if adapter else None
        target = models.lowbit_folder(fetched.name, config)
        if not conversion.is_converted(target, fetched.path, config.low_bit, merged):
            conversion.convert(fetched.path, target, config.low_bit, progress, merged)


def _is_converted(name: str, config: Config) -> bool:
    """Tell whether the engine that answers can run a model as it is here."""
    from rag.engines import openvino_folder
    from rag.engines.low_bit import conversion

    engine = chosen_engine(config)
    if engine == OPENVINO:
        return openvino_folder.is_ready(name, config)
    return engine != DEFAULT or conversion.is_converted(
        models.lowbit_folder(name, config), None, config.low_bit
    )


def _tell(fetched: models.Fetched, notice: Notice) -> None:
    if fetched.source != "local":
        for attempt in fetched.attempts:
            notice(f"{fetched.replaced or fetched.name}: {attempt.source}: {attempt.reason}")
        notice(f"{fetched.name} came from {fetched.source} and is verified")
    if fetched.replaced:
        notice(f"{fetched.replaced} cannot be had here, so {fetched.name} answers in its place; see --model")


def model_findings(config: Config) -> Iterator[tuple[str, str, bool]]:
    """Yield (subject, fact, whether it is well) for the embedder and the LLM of the settings.

    What is not well with a server says itself what to do.
    """
    if config.embedder != HashingEmbedder.name:
        yield "embedder", *_state(config.embedder, config)
    if names_model(config.reranker):
        yield "reranker", *_state(config.reranker, config)
    if chosen_engine(config) not in WITHOUT_WEIGHTS:
        yield "model", *_state(models.chosen_model(config), config)
        if config.adapter != models.NO_ADAPTER:
            yield "adapter", *_state(config.adapter, config)
    if config.engine == "openai":
        yield SERVER, *_served(config)


def _state(name: str, config: Config) -> tuple[str, bool]:
    if name == config.model and _is_own_folder(config):
        return f"{name}, converted for OpenVINO", True
    try:
        state = models.show_model(name, None, config)
    except ModelError as exc:
        return str(exc), False
    if state.path is None:
        return f"{name} is not on this machine", False
    if state.kind == "llm" and not _is_converted(name, config):
        form = "for OpenVINO" if chosen_engine(config) == OPENVINO else f"to {config.low_bit}"
        return f"{name} is at {state.path} but not, or not wholly, converted {form}", False
    return f"{name} at {state.path}", True


def _served(config: Config) -> tuple[str, bool]:
    from rag.engines.openai import endpoint_of
    from rag.engines.server.served import choose_served

    try:
        endpoint = endpoint_of(config).impatient()
        served = choose_served(endpoint, models.chosen_model(config))
    except RagError as exc:
        return str(exc), False
    room = f", {served.context:,} tokens" if served.context else ""
    return f"{served.name} at {endpoint.url}{room}", True


def names_in_use(config: Config) -> list[str]:
    """Return the LLM with its adapter, the embedder and the reranker that would answer now."""
    rerankers = [config.reranker] if names_model(config.reranker) else []
    adapters = [config.adapter] if config.adapter != models.NO_ADAPTER else []
    names = [models.chosen_model(config), *adapters, config.embedder, *rerankers]
    return [name for name in names if name and name != HashingEmbedder.name]


def describe_models(config: Config) -> str:
    """Return a line for each model of the catalogue."""
    chosen = names_in_use(config)
    rows = [
        f"{'*' if state.name in chosen else ' '} {state.name:32} {state.kind:9} {state.size / 1e9:5.1f} GB  "
        f"{'here' if state.path else '-':5} {state.licence}"
        for state in models.list_models(config)
    ]
    return "\n".join([*rows, "", "* in use; `rag models pull NAME` fetches and converts one"])


def describe_model(name: str, config: Config) -> str:
    """Return all that is known of one model; raises ModelError when the name means none."""
    state = models.show_model(name, None, config)
    lines = [
        f"{state.name} ({state.kind}, {state.licence or 'licence unknown'})",
        f"on this machine: {state.path or 'no'}",
        *(f"source: {source}: {where}" for source, where in state.sources),
        *(f"converted: {folder}" for folder in state.conversions),
        *(f"file: {each.path}, {each.size:,} bytes, sha256 {each.sha256}" for each in state.files),
    ]
    return "\n".join(lines)
