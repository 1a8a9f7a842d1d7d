"""What is installed, what is wrong and how to mend it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rag.config import Config
from rag.errors import RagError
from rag.index.store import DATABASE
from rag.render import counted

PACKAGES: Final = (
    "ipex-llm", "torch", "transformers", "langchain", "faiss-cpu", "sentence-transformers", "gradio",
)  # fmt: skip
FEATURES: Final = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
GIGABYTE: Final = 1e9
LEAST_DISK: Final = 0.5 * GIGABYTE  # for an index to grow; fetching checks what it needs by itself
LEAST_MEMORY: Final = 4 * GIGABYTE  # an int4 1.5B model, the embedder and the web UI


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing examined; `mend` is what to do where it is not well."""

    subject: str
    fact: str
    well: bool = True
    mend: str = ""


def examine(settings: dict[str, Any]) -> list[Finding]:
    """Examine the machine, the settings, the models and the index; raises nothing."""
    findings = [*_packages(), *_machine()]
    try:
        config = Config(**settings)
    except RagError as exc:
        findings.append(Finding(subject="settings", fact=str(exc), well=False, mend="correct it"))
        return findings
    return [*findings, *_folders(config), *_engines(config), *_models(config), _index(config), *_read(config)]


def _packages() -> Iterator[Finding]:
    from rag import __version__

    yield Finding(subject="kaoju", fact=f"{__version__} on Python {platform.python_version()}")
    for name in PACKAGES:
        try:
            yield Finding(subject=name, fact=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(subject=name, fact="not installed", well=False, mend="make clean install")
    if any(each.name.startswith("nvidia-") for each in importlib.metadata.distributions()):
        yield Finding(
            subject="torch",
            fact="its CUDA libraries are installed, gigabytes that no part of Kaoju uses",
            well=False,
            mend="name an index with the CPU build in PIP_EXTRA_INDEX_URL, then make clean install",
        )


def _machine() -> Iterator[Finding]:
    import cpuinfo
    import psutil

    found = cpuinfo.get_cpu_info()
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count()
    features = [name for name in FEATURES if name in found.get("flags", [])]
    x86 = platform.machine() in {"x86_64", "AMD64"}
    name = found.get("brand_raw", platform.machine())
    yield Finding(
        subject="processor",
        fact=f"{name}, {cores} cores, {' '.join(features) or 'no AVX2'}",
        well=x86,
        mend="" if x86 else "the ipex engine needs an x86-64 processor",
    )
    free = psutil.virtual_memory().available
    yield Finding(
        subject="memory",
        fact=f"{free / GIGABYTE:.1f} GB free",
        well=free >= LEAST_MEMORY,
        mend="" if free >= LEAST_MEMORY else "close other programs, or choose a smaller model",
    )


def _folders(config: Config) -> Iterator[Finding]:
    yield Finding(
        subject="data",
        fact=str(config.data_dir.resolve()),
        well=config.data_dir.is_dir(),
        mend="" if config.data_dir.is_dir() else "create the folder and put documents into it",
    )
    for subject, folder in (("index disk", config.index_dir), ("models disk", config.models_dir)):
        free = shutil.disk_usage(_existing(folder)).free
        yield Finding(
            subject=subject,
            fact=f"{free / GIGABYTE:.1f} GB free at {folder.resolve()}",
            well=free >= LEAST_DISK,
            mend="" if free >= LEAST_DISK else "free some space, or choose another folder in the settings",
        )


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())


def _engines(config: Config) -> Iterator[Finding]:
    """Which LLM engine answers, and why; an optional one that is not there is no fault."""
    from rag.engines.choice import findings

    for subject, fact in findings(config):
        yield Finding(subject=subject, fact=fact)


def _models(config: Config) -> Iterator[Finding]:
    from rag.setup import SERVER, model_findings

    for subject, fact, well in model_findings(config):
        mend = "" if well or subject == SERVER else "rag models pull"
        yield Finding(subject=subject, fact=fact, well=well, mend=mend)


def _read(config: Config) -> Iterator[Finding]:
    """What the LLM has read of the documents."""
    from rag.reuse import Tally, bytes_kept, states_folder

    folder = states_folder(config)
    if not folder.is_dir():
        return
    tokens = Tally(folder).tokens()
    share = tokens.reused / tokens.wanted if tokens.wanted else 0.0
    yield Finding(
        subject="passages read",
        fact=f"{bytes_kept(folder) / GIGABYTE:.1f} of {config.reuse_gb:g} GB kept; "
        f"{share:.0%} of the tokens asked about were read before",
    )


def _index(config: Config) -> Finding:
    from rag.pipeline import Rag

    empty = Finding(
        subject="index",
        fact="there is none yet",
        well=False,
        mend=f"put documents into {config.data_dir}/ and run `rag sync`",
    )
    if not (config.index_dir / DATABASE).exists():  # opening it would make one
        return empty
    try:
        with Rag(config) as rag:
            documents = rag.documents()
            passages = rag.index.passage_count()
    except RagError as exc:
        return Finding(
            subject="index",
            fact=str(exc),
            well=False,
            mend="" if "`" in str(exc) else "rag models pull, then rag sync",
        )
    failed = sum(document.state == "failed" for document in documents)
    return Finding(
        subject="index",
        fact=f"{counted(len(documents), 'document')}, {counted(passages, 'passage')}, "
        f"{counted(failed, 'file')} failed",
        well=bool(passages),
        mend="" if passages else empty.mend,
    )
