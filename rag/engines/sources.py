"""Float weights of a model, read a few rows at a time from a GGUF file or a safetensors folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.engines.architectures import architecture_of
from rag.engines.chat_settings import FILE as CHAT
from rag.engines.chat_settings import Said, said_by_folder, said_by_gguf, settle
from rag.engines.configs import read_config
from rag.engines.gguf_config import REGROUPED, gguf_config, gguf_name
from rag.engines.gguf_file import GgufFile
from rag.engines.tiktoken_file import from_tiktoken, is_tiktoken
from rag.engines.vocabularies import added_tokens, from_gguf, from_sentencepiece, mark_added_tokens
from rag.errors import ModelError, RagError

if TYPE_CHECKING:
    import torch

TOKENIZER: Final = "tokenizer.json"
QUERY_OR_KEY: Final = re.compile(r"\.[qk]_proj\.")


class Source(Protocol):
    """Weights under their family's Hugging Face names, laid out as there."""

    @property
    def config(self) -> Mapping[str, Any]:
        """As in Llama's config.json, whatever the family, which `architectures` names."""
        ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        """Return rows `start` to `stop` of a tensor in float32; of a vector, those elements."""
        ...

    def tokenizer(self) -> str:
        """Return Hugging Face's tokenizer.json."""
        ...

    def chat(self) -> Said:
        """Return what the checkpoint says of how it is spoken to."""
        ...


def open_source(path: Path) -> Source:
    """Open a .gguf file or a folder of safetensors.

    Raises:
        ModelError: when it is neither, damaged, or of no family that runs here.
    """
    with reading(path):
        return GgufSource(path) if path.is_file() else SafetensorsSource(path)


def tokenizer_files(source: Source) -> dict[str, bytes]:
    """Return the files from which `ChatTokenizer` knows a model, by their names.

    Raises:
        ModelError: when the model is not for chats.
    """
    tokenizer = source.tokenizer()
    chat = settle(source.chat(), tokenizer, source.config.get("model_type", ""))
    return {TOKENIZER: tokenizer.encode(), CHAT: chat}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make a ModelError that names the file of whatever a damaged or unreadable model raises."""
    from safetensors import SafetensorError

    try:
        yield
    except RagError:
        raise
    except FileNotFoundError as exc:
        raise ModelError(f"{exc.filename or path} is missing; fetch the model again") from exc
    except OSError as exc:
        raise ModelError(
            f"{exc.filename or path} cannot be read: {exc.strerror or exc}; mend it or fetch the model again"
        ) from exc
    except KeyError as exc:
        raise ModelError(f"{path} lacks {exc}: not a whole model; fetch it again") from exc
    except (ValueError, TypeError, AttributeError, IndexError, SafetensorError) as exc:
        raise ModelError(f"{path} cannot be read as a model: {exc}; fetch it again") from exc


class GgufSource:
    """Dequantises a GGUF file."""

    def __init__(self, path: Path) -> None:
        self._file = GgufFile(path)
        self._metadata = self._file.metadata
        self._path = path
        self.config: Mapping[str, Any] = gguf_config(path, self._file)
        self._regrouped = self._metadata["general.architecture"] in REGROUPED

    def shape(self, name: str) -> tuple[int, ...]:
        return self._file.tensors[gguf_name(name)].shape

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        import torch

        if self._regrouped and QUERY_OR_KEY.search(name):
            return torch.from_numpy(self._in_halves(gguf_name(name), start, stop))
        return torch.from_numpy(self._file.rows(gguf_name(name), start, stop))

    def _in_halves(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Return rows as Hugging Face orders them: those turned against each other are half a head apart.

        llama.cpp's converter makes them neighbours.
        """
        config = self.config
        size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        begin, end = start // size * size, -(-stop // size) * size
        heads = self._file.rows(name, begin, end)
        rows = heads.reshape(-1, size // 2, 2, *heads.shape[1:]).swapaxes(1, 2).reshape(heads.shape)
        return np.ascontiguousarray(rows[start - begin : stop - begin])

    def tokenizer(self) -> str:
        return from_gguf(self._metadata, self._path)

    def chat(self) -> Said:
        return said_by_gguf(self._metadata)


class SafetensorsSource:
    """Reads a Hugging Face folder: config.json, tokenizer.json and *.safetensors."""

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open

        self._folder = folder
        with reading(folder / "config.json"):
            self.config: Mapping[str, Any] = read_config(folder / "config.json")
        self._files: dict[str, Any] = {}
        for path in sorted(folder.glob("*.safetensors")):
            with reading(path):
                file: Any = safe_open(path, framework="pt")
                self._files |= dict.fromkeys(file.keys(), file)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._files[name].get_slice(name).get_shape())

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        tensor: torch.Tensor = self._files[name].get_slice(name)[start:stop]
        return tensor.float().contiguous()

    def tokenizer(self) -> str:
        path, older = self._folder / "tokenizer.json", self._folder / "tokenizer.model"
        with reading(path):
            if path.exists() or not older.exists():
                return mark_added_tokens(path.read_text(encoding="utf-8"))
        with reading(older):
            if is_tiktoken(older):
                return from_tiktoken(older, added_tokens(self._folder), "glm4")
            return from_sentencepiece(older, added_tokens(self._folder), architecture_of(self.config).added)

    def chat(self) -> Said:
        with reading(self._folder):
            return said_by_folder(self._folder)
