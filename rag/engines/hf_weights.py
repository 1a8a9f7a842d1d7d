"""Weights as transformers loads them, and the tokenizer that goes with them."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn.functional import normalize

from rag.engines.answerable import Probe
from rag.engines.cores import cpu_features
from rag.engines.gguf_folder import gguf_model
from rag.errors import ModelError, RagError
from rag.tokenizer.chat import ChatTokenizer
from rag.weights.architectures import architecture_of, head_size
from rag.weights.rotary import frequencies
from rag.weights.sources import TOKENIZER, open_source, tokenizer_files

if TYPE_CHECKING:
    from rag.config import Config

HALVES: Final = frozenset({"avx512_bf16", "amx_bf16"})  # processors that multiply in bfloat16
TROUBLES: Final = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError)
MOST_SHOWN: Final = 200  # characters of what transformers says
IPEX: Final = "intel_extension_for_pytorch"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What is on this machine of a model."""

    path: Path  # a GGUF file or a folder of safetensors
    tokenizer: ChatTokenizer
    probe: Probe | None


def find_weights(name: str, config: Config) -> Weights:
    """Return the weights of the LLM `name`; raises ModelError when they are not on this machine."""
    from rag.models import model_here

    path = model_here(name, config)
    if path.is_file():
        found = gguf_model(name, config)
        return Weights(path=path, tokenizer=ChatTokenizer(found.tokenizer), probe=found.probe)
    with TemporaryDirectory() as folder:
        for file, content in tokenizer_files(open_source(path)).items():
            (Path(folder) / file).write_bytes(content)
        return Weights(path=path, tokenizer=ChatTokenizer(Path(folder) / TOKENIZER), probe=None)


def load(path: Path, *, trust_remote_code: bool = False) -> Any:
    """Return transformers' network, ready to be asked.

    Raises:
        ModelError: when it cannot be loaded, or not all of its weights are there.
    """
    kind = float_kind()
    with _loading(path):
        network = _from_gguf(path, kind) if path.is_file() else _from_folder(path, kind, trust_remote_code)
        return _optimised(network.eval(), kind)


def _from_folder(path: Path, kind: torch.dtype, trust_remote_code: bool) -> Any:  # noqa: FBT001
    from transformers import AutoModelForCausalLM

    network, found = AutoModelForCausalLM.from_pretrained(
        path,
        torch_dtype=kind,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
    )
    if lacking := found["missing_keys"]:
        raise ModelError(f"{path} lacks {', '.join(sorted(lacking)[:3])}: not a whole model; fetch it again")
    return network


def _from_gguf(path: Path, kind: torch.dtype) -> Any:
    """Read the file here: transformers can, too, but takes a minute over the words of its vocabulary."""
    import transformers
    from accelerate import init_empty_weights

    source = open_source(path)
    if architecture_of(source.config).is_told_by_code:
        raise ModelError(f"{path} is of a family that transformers does not have; choose another engine")
    family = getattr(transformers, source.config["architectures"][0])
    factors = source.config["rope_scaling"].get("rope_type") == "factors"  # of GGUF files only
    unsaid = {"rope_scaling"} if factors or not source.config["rope_scaling"] else set()
    said = {name: value for name, value in source.config.items() if name not in unsaid}
    said |= {"head_dim": head_size(source.config), "pad_token_id": None}  # whose defaults fit other sizes
    with init_empty_weights():
        network = family(family.config_class(**said))
    tied = {"lm_head.weight"} if network.config.tie_word_embeddings else set()
    names = network.state_dict().keys() - tied
    state = {name: source.rows(name, 0, source.shape(name)[0]).to(kind) for name in names}
    if source.config["normalised_head"]:
        state["lm_head.weight"] = normalize(state["lm_head.weight"].float()).to(kind)
    network.load_state_dict(state, strict=False, assign=True)
    network.tie_weights()
    if factors:
        network.model.rotary_emb.inv_freq = frequencies(source.config, head_size(source.config))
    return network


def float_kind() -> torch.dtype:
    """Return bfloat16 where the processor multiplies in it, else float32."""
    return torch.bfloat16 if HALVES & cpu_features() else torch.float32


def _optimised(network: Any, kind: torch.dtype) -> Any:
    """Apply Intel Extension for PyTorch where it is installed with its own torch: no other imports it."""
    if importlib.util.find_spec(IPEX) is None:
        return network
    theirs, torchs = (version(package).split(".")[:2] for package in ("intel-extension-for-pytorch", "torch"))
    if theirs != torchs:
        logger.warning("Intel Extension for PyTorch %s needs its own torch: not applied", ".".join(theirs))
        return network
    return importlib.import_module(IPEX).optimize(network, dtype=kind, inplace=True)


@contextmanager
def _loading(path: Path) -> Iterator[None]:
    """Keep transformers from talking, and make a ModelError of whatever it raises."""
    from safetensors import SafetensorError
    from transformers import utils

    logging: Any = utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except RagError:
        raise
    except (*TROUBLES, SafetensorError) as exc:
        reason = " ".join(str(exc).split())[:MOST_SHOWN]
        mend = "choose another model, or another engine"
        if "trust_remote_code" in str(exc):
            mend = "it brings code of its own: set trust_remote_code if you trust it"
        raise ModelError(f"transformers cannot load {path}: {reason}; {mend}") from exc
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
