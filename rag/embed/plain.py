"""The unconverted encoder: sentence-transformers on PyTorch, which takes any model and all of its memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from rag.datatypes import Vectors
from rag.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST: Final = 512  # tokens; longer inputs of bge-m3 would only cost time: a passage is shorter
BATCH: Final = 16  # texts; larger batches are no faster on a CPU and pad more


class PlainEncoder:
    """Embeds by a sentence-transformers model in float32."""

    def __init__(self, folder: Path, *, name: str, threads: int, trust_remote_code: bool = False) -> None:
        """Load the model in `folder`, called `name`; `threads` 0 takes one per core.

        Raises:
            ModelError: when the folder does not hold such a model.
        """
        import torch
        from sentence_transformers import SentenceTransformer
        from tokenizers import Tokenizer

        for library in ("transformers", "sentence_transformers"):
            logging.getLogger(library).setLevel(logging.ERROR)
        if threads:
            torch.set_num_threads(threads)
        try:
            model = SentenceTransformer(
                str(folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as exc:
            raise ModelError(
                f"embedder {name!r} in {folder} cannot be loaded ({type(exc).__name__}: {str(exc)[:200]}); "
                f"delete the folder and fetch it again with `rag models pull {name}`"
            ) from exc
        self.longest = model.max_seq_length = min(model.max_seq_length or LONGEST, LONGEST)
        self.dim = model.get_sentence_embedding_dimension() or 0
        self._model = model
        # A copy, since encoding sets truncation on the model's own.
        self.tokenizer: Tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, in the order given."""
        vectors = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)
