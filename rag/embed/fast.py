"""The int8 encoder on OpenVINO: loaded from a conversion (`rag.embed.conversion`), without torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from rag.datatypes import Vectors
from rag.embed.plain import LONGEST
from rag.engines.cores import usable_cores

MODEL: Final = "encoder.xml"
BATCH: Final = 8  # texts
PAD_TO: Final = 16  # tokens; few lengths, since each new one is compiled


class FastEncoder:
    """Embeds by a conversion; any number of threads may."""

    def __init__(self, source: Path, target: Path, *, threads: int) -> None:
        """Load the conversion at `target` with the tokenizer of `source`; `threads` 0: one per core."""
        import openvino
        from tokenizers import Tokenizer

        settings = {"INFERENCE_NUM_THREADS": threads or usable_cores(), "NUM_STREAMS": 1}
        self.tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.longest = _longest(source)
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        self._pad = int(config.get("pad_token_id") or 0)
        self._model = openvino.Core().compile_model(target / MODEL, "CPU", settings)
        self.dim: int = self._model.output(0).partial_shape[1].get_length()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, in the order given; the longest are embedded first, in batches."""
        rows = [self._cut(encoding.ids) for encoding in self.tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(rows)), key=lambda row: -len(rows[row]))
        vectors = np.zeros((len(rows), self.dim), np.float32)
        request = self._model.create_infer_request()  # of its own, since one serves one thread at a time
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            ids, mask = self._padded([rows[row] for row in some])
            vectors[some] = request.infer([ids, mask])[0]
        return vectors

    def _cut(self, ids: list[int]) -> list[int]:
        return ids if len(ids) <= self.longest else [*ids[: self.longest - 1], ids[-1]]

    def _padded(self, rows: Sequence[list[int]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        longest = max(map(len, rows))
        width = min(-(-longest // PAD_TO) * PAD_TO, self.longest)
        ids = np.full((len(rows), width), self._pad, np.int32)
        mask = np.zeros((len(rows), width), np.float32)
        for line, row in enumerate(rows):
            ids[line, : len(row)] = row
            mask[line, : len(row)] = 1.0
        return ids, mask


def _longest(source: Path) -> int:
    """Return how many tokens the model reads, at most `LONGEST`."""
    try:
        found = json.loads((source / "sentence_bert_config.json").read_text(encoding="utf-8"))
        return min(int(found.get("max_seq_length") or LONGEST), LONGEST)
    except OSError:
        return LONGEST
