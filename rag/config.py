"""The settings: `rag.toml`, then `RAG_*` environment variables, then flags; the only reader of all three."""

from __future__ import annotations

import difflib
import hashlib
import os
import tempfile
import tomllib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from rag.errors import ConfigError
from rag.low_bits import LowBit

PREFIX: Final = "RAG_"
TOML: Final = Path("rag.toml")
PLACES: Final = frozenset(
    {"data_dir", "index_dir", "models_dir", "host", "port", "root_path", "threads", "offline", "hub_timeout"}
    | {"hf_endpoint", "modelscope_endpoint", "reuse_gb", "unpacked", "upload_mb", "watch", "measure_engines"}
    | {"openai_url", "openai_key", "openai_timeout", "openai_retries"}
)
UPLOADS: Final = "GRADIO_TEMP_DIR"
TELEMETRY_OFF: Final = {
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
}


Unpacked: TypeAlias = Literal["auto", "on", "off"]
Named: TypeAlias = Annotated[str, Field(min_length=1)]


def _folder(given: object) -> object:
    """Expand ~; an empty name would mean the folder one happens to be in."""
    if given == "":
        raise ValueError("it is empty; name a folder")
    try:
        return Path(given).expanduser() if isinstance(given, str | Path) else given
    except RuntimeError as exc:  # ~ of somebody who is not known here
        raise ValueError("it begins with ~ and no such user is known") from exc


Folder: TypeAlias = Annotated[Path, BeforeValidator(_folder)]


def cache_home() -> Path:
    """Return the folder for what can be fetched again (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if base else Path.home() / ".cache") / "kaoju"


def child_environment(*, without: Collection[str], **changed: str) -> dict[str, str]:
    """Return the environment for a child process: this one's, less some variables, with others changed."""
    return {**{name: value for name, value in os.environ.items() if name not in without}, **changed}


@contextmanager
def uploads_of_our_own() -> Iterator[None]:
    """Give Gradio, imported within, a folder for uploads: its usual one may be another user's."""
    if os.environ.get(UPLOADS):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="kaoju-", ignore_cleanup_errors=True) as folder:
        os.environ[UPLOADS] = folder
        try:
            yield
        finally:
            del os.environ[UPLOADS]


def _environment(*names: str, default: str) -> str:
    return next((value for value in map(os.environ.get, names) if value), default)


def is_secret(setting: str) -> bool:
    """Tell whether a setting is one that no flag may hold, since others see the flags of a process."""
    return setting in Config.model_fields and not Config.model_fields[setting].repr


class Config(BaseSettings):
    """Every setting of Kaoju; frozen.

    Raises:
        ConfigError: for an unknown setting or a wrong value, by name.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", protected_namespaces=()
    )

    data_dir: Folder = Field(Path("data"), description="folder of your documents")
    index_dir: Folder = Field(Path("index"), description="folder of the index made from them")
    models_dir: Folder = Field(
        default_factory=lambda: cache_home() / "models", description="folder of fetched and converted models"
    )
    model: Named = Field(
        "qwen2-1.5b-instruct", description="LLM: catalogue name, hub id, local folder or GGUF file"
    )
    embedder: Named = Field(
        "multilingual-e5-small", description="embedder: catalogue name, hub id or local folder"
    )
    reranker: str = Field(
        "none",
        description="what orders the best passages anew: none, sentences, or a cross-encoder by catalogue "
        "name, hub id or local folder",
    )
    engine: Literal["auto", "ipex", "llamacpp", "openvino", "hf", "openai", "echo"] = Field(
        "auto",
        description="LLM engine: auto (of those installed the fastest here), ipex, llamacpp (GGUF files), "
        "openvino, hf (plain transformers), openai (a server of that API), or echo (no model)",
    )
    measure_engines: bool = Field(
        True, description="with engine=auto `rag run` times the installed engines once, for a minute or two"
    )
    low_bit: LowBit = Field(
        "sym_int4",
        description="how the weights are quantised: sym_int4, asym_int4, sym_int5, asym_int5 or sym_int8",
    )
    unpacked: Unpacked = Field(
        "auto",
        description="keep ipex's weights unpacked, too, which takes two or four bytes a weight: auto (where "
        "memory allows), on or off",
    )
    adapter: str = Field("none", description="LoRA adapter merged into the LLM: none, hub id or local folder")
    reuse: Literal["on", "all", "off"] = Field(
        "on",
        description="keep on disk what was read of a passage, and read it only once: on, all (several at "
        "once, too, which then do not see one another) or off",
    )
    reuse_gb: float = Field(4.0, gt=0, le=1000, description="most gigabytes of what was read that are kept")
    openai_url: str = Field(
        "http://127.0.0.1:8000/v1", description="base address of the openai engine's server"
    )
    openai_key: SecretStr = Field(
        SecretStr(""), description="key of that server, if it wants one, as RAG_OPENAI_KEY", repr=False
    )
    openai_timeout: float = Field(
        300.0, gt=0, description="seconds that server may take to send anything; it reads the prompt in them"
    )
    openai_retries: int = Field(
        3, ge=0, le=20, description="how often a server that is busy or not there is asked again"
    )
    openai_context: int = Field(
        0, ge=0, description="most tokens of prompt and answer on that server; 0: as it tells, else 4096"
    )
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0: one per physical core")
    # Share of 300 questions each of SQuAD 2 | CMRC 2018, their paragraphs joined to 16 | 8 documents, whose
    # answer stands whole in the best passages that fit into 512 and 1024 tokens of prompt (e5-small, hybrid):
    #   tokens             passages     512            1024
    #   96                 690 | 1383   .967 | .943    .983 | .943
    #   128                490 | 1028   .957 | .950    .980 | .960
    #   192                316 |  700   .940 | .970    .983 | .973
    #   256                234 |  533   .933 | .967    .983 | .977
    #   384                161 |  372   .907 | .957    .970 | .983
    #   256, 32 overlap    269 |  615   .907 | .967    .973 | .977
    #   256, 64 overlap    316 |  700   .920 | .957    .967 | .977
    #   256, no titles     234 |  533   .930 | .950    .980 | .967
    # A difference of .02 to .03 can be chance (95 %). Overlap makes a third more passages and finds no more,
    # so there is none; of sizes that find as much as any, this has the fewest passages to embed and to keep.
    passage_tokens: int = Field(
        256, ge=32, le=480, description="most tokens of a passage, counted by the embedder"
    )
    top_k: int = Field(4, ge=1, le=50, description="most passages the LLM reads for a question")
    max_tokens: int = Field(512, ge=1, le=8192, description="most tokens of an answer")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0: always the likeliest word")
    caution: float = Field(
        0.0, ge=-20, le=20, description="above 0 the LLM refuses sooner, below 0 later, in log-odds"
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**63,
        description="seed of what is drawn: words at a temperature above 0, questions to evaluate",
    )
    host: Named = Field("127.0.0.1", description="address the web UI listens on")
    port: int = Field(7860, ge=1, le=65535, description="port the web UI listens on")
    root_path: str = Field("", description="path below which a reverse proxy serves the web UI")
    upload_mb: int = Field(200, ge=1, description="largest file the web UI takes, in megabytes")
    watch: bool = Field(
        True, description="go on, and sync whenever a document changes; the web UI does so by default"
    )
    offline: bool = Field(False, description="fetch nothing")
    hub_timeout: float = Field(5.0, gt=0, description="seconds to find out that a hub cannot be reached")
    hf_endpoint: str = Field(
        default_factory=lambda: _environment("HF_ENDPOINT", default="https://huggingface.co"),
        description="address of Hugging Face or a mirror of it (HF_ENDPOINT)",
    )
    modelscope_endpoint: str = Field(
        default_factory=lambda: _environment("MODELSCOPE_ENDPOINT", default="https://modelscope.cn"),
        description="address of ModelScope (MODELSCOPE_ENDPOINT)",
    )
    trust_remote_code: bool = Field(False, description="run Python code that comes with a model")
    file_timeout: float = Field(
        120.0, gt=0, description="seconds a document, or one scanned page of it, may take to be read"
    )
    passwords: tuple[str, ...] = Field(
        (), description='passwords tried on encrypted documents, as ["one", "two"]', repr=False
    )
    ocr: bool = Field(True, description="read images and scanned pages")
    echo_seconds_per_token: float = Field(0.0, ge=0.0, description="pace of the echo engine")

    def __init__(self, **flags: Any) -> None:
        os.environ.update({name: os.environ.get(name, value) for name, value in TELEMETRY_OFF.items()})
        _refuse_unknown_variables()
        try:
            super().__init__(**flags)
        except ValidationError as exc:
            raise ConfigError("; ".join(_explain(error, flags) for error in exc.errors())) from exc
        except SettingsError as exc:  # a variable that should hold JSON
            raise ConfigError('RAG_PASSWORDS is not valid: write it as ["one", "two"]') from exc
        except ValueError as exc:  # tomllib's, with line and column
            raise ConfigError(f"{TOML} cannot be read: {exc}") from exc

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _TomlFile(settings_cls, toml_file=TOML)

    @property
    def huggingface_offline(self) -> bool:
        """Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE, Hugging Face's own switches, forbid to ask it."""
        said = _environment("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", default="")
        return said.upper() in {"1", "ON", "YES", "TRUE"}

    @property
    def hash(self) -> str:
        """Hash of the settings that shape an answer; where things lie is left out."""
        return hashlib.sha256(self.model_dump_json(exclude=set(PLACES)).encode()).hexdigest()[:12]


class _TomlFile(TomlConfigSettingsSource):
    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        return tomllib.loads(file_path.read_text(encoding="utf-8-sig"))  # some editors begin with a mark


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Config.model_fields}
    for variable in sorted(os.environ):
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            raise ConfigError(f"{variable} is not a setting{_suggest(variable, known)}")


def _explain(error: Any, flags: dict[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else "?"
    named = (each for each, value in os.environ.items() if value and each.upper() == PREFIX + name.upper())
    variable = next(named, "")
    shown = variable if variable and name not in flags else name
    place = "" if name in flags or variable else f"{TOML}: "
    if error["type"] == "extra_forbidden":
        return f"{place}{name!r} is not a setting{_suggest(name, set(Config.model_fields))}"
    field = Config.model_fields.get(name)
    given = "…" if field is not None and not field.repr else repr(error["input"])  # a secret is not shown
    return f"{place}{shown}={given} is not valid: {error['msg'].removeprefix('Value error, ')}"


def _suggest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; the settings are {', '.join(sorted(known))}"
