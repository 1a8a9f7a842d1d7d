"""Which LLM engine to use: the one asked for, or of those installed the fastest, as measured here once.

`rag benchmark --engines` measures them (see `rag.benchmark.fastest`) and remembers what it found in the
folder of models. That counts for this processor, model and version alone; without it ipex answers.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from rag.engines import remembered
from rag.errors import ModelError
from rag.models import NO_ADAPTER, chosen_model, find_model, lowbit_folder
from rag.models.files import read_json

if TYPE_CHECKING:
    from rag.config import Config

AUTO: Final = "auto"
DEFAULT: Final = "ipex"
FILE: Final = "engines.json"  # in models_dir
WITHOUT_WEIGHTS: Final = frozenset({"echo", "openai"})  # of their own
# hf reads float weights for each word, so that it cannot be the fastest, and may need all the memory.
NEVER_CHOSEN: Final = WITHOUT_WEIGHTS | {"hf"}
MODULES: Final = {"ipex": "ipex_llm", "llamacpp": "llama_cpp", "openvino": "openvino_genai"}
PACKAGES: Final = {  # whose version makes an engine fast or slow
    "ipex": ("ipex-llm", "torch"),
    "llamacpp": ("llama-cpp-python",),
    "openvino": ("openvino-genai",),
}
WRITTEN: Final = 60  # tokens of the answer to a typical question
MEASURED_BUSY: Final = (
    "other programs kept the processors busy while the engines were measured: the next `rag run` that finds "
    "them at rest measures again, and so does `rag benchmark --engines`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast an engine answered a typical question: a passage of about 240 tokens.

    That had been read before where it keeps what it reads; else it was read then.
    """

    first_token: float  # seconds
    decode_tps: float  # tokens per second after the first
    warm: bool  # the passages had been read before
    versions: Mapping[str, str]
    judges: bool = False  # it tells whether passages hold the answer

    @property
    def seconds(self) -> float:
        """Until the last word of an answer of `WRITTEN` tokens."""
        return self.first_token + ((WRITTEN - 1) / self.decode_tps if self.decode_tps else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The speed of each engine that answered, and why the others did not."""

    machine: Mapping[str, Any]  # and what else the figures hold for
    speeds: Mapping[str, Speed]
    busy: bool  # other programs took much of the processors meanwhile
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def fastest(self) -> str:
        """Of those that judge, where one does: without that more is answered that no passage holds."""
        return min(self.speeds, key=lambda name: (not self.speeds[name].judges, self.speeds[name].seconds))


def told(speed: Speed) -> str:
    """Return for example "8.4 s: first token 1.2 s (passages read before), then 8.2 tokens/s"."""
    read = "passages read before" if speed.warm else "passages read then"
    return (
        f"{speed.seconds:.1f} s: first token {speed.first_token:.1f} s ({read}), "
        f"then {speed.decode_tps:.1f} tokens/s"
    )


def chosen_engine(config: Config) -> str:
    """Return the name of the engine to open: `config.engine`, or what "auto" comes to."""
    if config.engine != AUTO:
        return config.engine
    if config.adapter != NO_ADAPTER:
        return DEFAULT  # the only one that merges it
    measured = recall(config)
    return measured.fastest if measured else DEFAULT


def recall(config: Config) -> Measured | None:
    """Return what was measured of the engines that can run now, as they are now; None where none was."""
    try:
        data = read_json(config.models_dir / FILE)
        speeds = {name: Speed(**speed) for name, speed in data["speeds"].items()}
        measured = Measured(**{**data, "speeds": speeds})
        if measured.machine != holds_for(config):
            return None
        speeds = {name: speed for name, speed in speeds.items() if _is_still_so(name, speed, config)}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return replace(measured, speeds=speeds) if speeds else None


def _is_still_so(name: str, speed: Speed, config: Config) -> bool:
    known = name in candidates() and speed.first_token > 0 and speed.versions == versions_of(name)
    return known and not why_missing(name, config)


def remember(config: Config, measured: Measured) -> None:
    """Note the speeds; in a read-only folder they are lost, and ipex stays what answers."""
    remembered.remember(config.models_dir / FILE, asdict(measured))


def holds_for(config: Config) -> dict[str, Any]:
    """Return what speeds depend on beside an engine's own version."""
    from rag import __version__
    from rag.engines.cores import cpu_name, usable_cores

    return {
        "cpu": cpu_name(),
        "threads": config.threads or usable_cores(),
        "model": chosen_model(config),
        "low_bit": config.low_bit,
        "reuse": config.reuse,
        "kaoju": __version__,
    }


def versions_of(name: str) -> dict[str, str]:
    found = {}
    for package in PACKAGES.get(name, ()):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def candidates() -> list[str]:
    """Return the engines that may be chosen by themselves, whether they are installed or not."""
    from rag.engines import ENGINES

    return [name for name in ENGINES if name not in NEVER_CHOSEN]


def unmeasured(config: Config) -> list[str]:
    """Return the engines that can run and have not been measured as they are now.

    One that was tried and failed is not tried again until the processor, the model or Kaoju changes.
    """
    measured = recall(config)
    tried = {*measured.speeds, *measured.failed} if measured else set()
    return [name for name in candidates() if name not in tried and not why_missing(name, config)]


def to_measure(config: Config) -> list[str]:
    """Return the engines to measure now: what is new, or all again that were measured beside other work.

    The latter only where other programs leave the processors alone by now; none where there is no choice.
    """
    from rag.engines.busy import is_quiet

    usable = [name for name in candidates() if not why_missing(name, config)]
    if len(usable) < 2:  # noqa: PLR2004 - a choice is of two
        return []
    measured = recall(config)
    again = measured is not None and measured.busy
    return unmeasured(config) or (usable if again and is_quiet() else [])


def why_missing(name: str, config: Config) -> str:
    """Tell why an engine cannot run, and what to do about it; "" where it can."""
    if how := how_to_install(name):
        return f"it is not installed: {how}"
    try:
        return _missing_files(name, chosen_model(config), config)
    except ModelError as exc:
        return str(exc)


def how_to_install(name: str) -> str:
    """Return the command that installs an engine; "" where it is installed."""
    from rag.engines import EXTRAS

    module = MODULES.get(name)
    if module is None or importlib.util.find_spec(module):
        return ""
    return EXTRAS.get(name, f".venv/bin/pip install -c .constraints.txt -e '.[{name}]'")


def _missing_files(name: str, model: str, config: Config) -> str:
    from rag.engines.low_bit.conversion import is_converted

    if name == "ipex" and not is_converted(lowbit_folder(model, config), None, config.low_bit):
        return f"{model} is not converted to {config.low_bit}: rag models pull {model}"
    if name in MODULES:
        path = find_model(model, config)
        if path is None:
            return f"{model} is not on this machine: rag models pull {model}"
        if name == "llamacpp" and path.is_dir():
            return f"{model} is here as safetensors, and llama.cpp reads GGUF; choose another with --model"
    return ""


def findings(config: Config) -> list[tuple[str, str]]:
    """Return (subject, fact): which engine is chosen and why, and of each that is not there how to get it."""
    found = [("engine", f"{chosen_engine(config)}, {_why_chosen(config)}")]
    for name in candidates():
        why = why_missing(name, config)
        if why and name != chosen_engine(config):
            found.append((f"engine {name}", f"cannot run: {why}"))
    return found


def _why_chosen(config: Config) -> str:
    if config.engine != AUTO:
        return "as set"
    if config.adapter != NO_ADAPTER:
        return "which merges the adapter"
    measured = recall(config)
    if measured is None:
        return "as nothing was measured here; `rag benchmark --engines` finds out which is fastest"
    ordered = sorted(measured.speeds, key=lambda name: measured.speeds[name].seconds)
    speeds = "; ".join(f"{name} {told(measured.speeds[name])}" for name in ordered)
    tried = [*(f"{name} failed: {why}" for name, why in measured.failed.items())]
    waiting = [f"{name} was not measured: `rag benchmark --engines`" for name in unmeasured(config)]
    judging = [name for name in ordered if measured.speeds[name].judges]
    among = f" of those that judge whether passages hold the answer ({', '.join(judging)})" if judging else ""
    busy = [MEASURED_BUSY] if measured.busy else []
    return "; ".join([f"the fastest here{among} for a typical question: {speeds}", *tried, *waiting, *busy])
