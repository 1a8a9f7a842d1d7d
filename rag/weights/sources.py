"""Float weights of a model, read a few rows at a time from a GGUF file or a safetensors folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelError, RagError
from rag.tokenizer.settings import FILE as CHAT
from rag.tokenizer.settings import Said, said_by_folder, said_by_gguf, settle
from rag.tokenizer.tiktoken_file import from_tiktoken, is_tiktoken
from rag.tokenizer.vocabularies import added_tokens, from_gguf, from_sentencepiece, mark_added_tokens
from rag.weights.architectures import architecture_of, head_size
from rag.weights.configs import read_config
from rag.weights.gguf_config import REGROUPED, gguf_config, gguf_name
from rag.weights.gguf_file import GgufFile
from rag.weights.tensors import Tensors, open_tensors

if TYPE_CHECKING:
    import torch

    from rag.weights.adapter import Adapter

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


def open_source(path: Path, adapter: Adapter | None = None) -> Source:
    """Open a .gguf file or a folder of safetensors; what `adapter` adds to the weights is in them.

    Raises:
        ModelError: when it is neither, damaged, of no family that runs here, or the adapter does not fit.
    """
    with reading(path):
        return GgufSource(path, adapter) if path.is_file() else SafetensorsSource(path, adapter)


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
    except (
        ArithmeticError,
        AttributeError,
        IndexError,
        RuntimeError,
        SafetensorError,
        TypeError,
        ValueError,
    ) as exc:
        raise ModelError(f"{path} cannot be read as a model: {exc}; fetch it again") from exc


class GgufTensors:
    """Tensors of a GGUF file under their Hugging Face names, laid out as there."""

    def __init__(self, file: GgufFile, regrouped: int) -> None:
        """`regrouped` is the size of heads whose rows llama.cpp's converter put in another order, or 0."""
        self._file = file
        self._regrouped = regrouped

    def shape(self, name: str) -> tuple[int, ...]:
        return self._file.tensors[gguf_name(name)].shape

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        import torch

        if self._regrouped and QUERY_OR_KEY.search(name):
            return torch.from_numpy(self._in_halves(gguf_name(name), start, stop))
        return torch.from_numpy(self._file.rows(gguf_name(name), start, stop))

    def _in_halves(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Return rows with those turned against each other half a head apart; in the file they touch."""
        size = self._regrouped
        begin, end = start // size * size, -(-stop // size) * size
        heads = self._file.rows(name, begin, end)
        rows = heads.reshape(-1, size // 2, 2, *heads.shape[1:]).swapaxes(1, 2).reshape(heads.shape)
        return np.ascontiguousarray(rows[start - begin : stop - begin])


class GgufSource:
    """Dequantises a GGUF file."""

    def __init__(self, path: Path, adapter: Adapter | None = None) -> None:
        self._file = GgufFile(path)
        self._metadata = self._file.metadata
        self._path = path
        self.config: Mapping[str, Any] = gguf_config(path, self._file)
        is_regrouped = self._metadata["general.architecture"] in REGROUPED
        stored = GgufTensors(self._file, head_size(self.config) if is_regrouped else 0)
        self._tensors: Tensors = adapter.merged(stored, self.config) if adapter else stored

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors.shape(name)

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        return self._tensors.rows(name, start, stop)

    def tokenizer(self) -> str:
        return from_gguf(self._metadata, self._path)

    def chat(self) -> Said:
        return said_by_gguf(self._metadata)


class SafetensorsSource:
    """Reads a Hugging Face folder: config.json, tokenizer.json and *.safetensors."""

    def __init__(self, folder: Path, adapter: Adapter | None = None) -> None:
        from safetensors import safe_open

        self._folder = folder
        with reading(folder / "config.json"):
            self.config: Mapping[str, Any] = read_config(folder / "config.json")
        files: dict[str, Any] = {}
        for path in sorted(folder.glob("*.safetensors")):
            with reading(path):
                file: Any = safe_open(path, framework="pt")
                files |= dict.fromkeys(file.keys(), file)
        stored = open_tensors(folder, self.config, files)
        self._tensors = adapter.merged(stored, self.config) if adapter else stored

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors.shape(name)

    def rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        return self._tensors.rows(name, start, stop)

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
