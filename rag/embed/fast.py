"""The int8 encoder on OpenVINO: made once beside the weights and loaded without torch.

It is kept only where, on this processor, it gives the weights' own vectors and gives them sooner.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from rag.datatypes import Progress, ProgressCallback, Vectors
from rag.engines.cores import cpu_name, usable_cores
from rag.engines.origin import describe, is_same
from rag.errors import ModelError
from rag.models.files import sha256_of
from rag.race import race

FORMAT: Final = 1  # raise it when the graph is built otherwise
MANIFEST: Final = "manifest.json"
MODEL: Final = "encoder.xml"
LEAST_COSINE: Final = 0.995  # to the vectors of the unconverted model; e5-small has .9998
BATCH: Final = 8  # texts
PAD_TO: Final = 16  # tokens; few lengths, since each new one is compiled
ROUNDS: Final = 3  # of the race against the unconverted model
PROOF: Final = (
    "When does the canteen open? It opens at nine in the morning.",
    "灯塔的看守人养了两只灰猫，每天晚上点亮灯塔。",
    "Ünïcödé CAPITALS, 3.5 % and a_name() 🙂",
    "The harbour log 港口日志 lists every boat and its berth. " * 60,
)
Encode: TypeAlias = Callable[[Sequence[str]], Vectors]


def prepare(source: Path, target: Path, original: Encode, progress: ProgressCallback) -> None:
    """Make the conversion of the model in `source` at `target`, unless it is there and whole.

    `original` embeds by the unconverted model, to prove the conversion by. A model that cannot be converted
    is remembered with the reason.

    Raises:
        ModelError: when this model cannot be converted.
        OSError: when the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(target.with_name(f"{target.name}.lock"), timeout=0):
            if not is_whole(source, target):
                _convert(source, target, original, progress)
    except Timeout as exc:
        raise ModelError("another process is converting it") from exc


def is_whole(source: Path, target: Path) -> bool:
    """Tell whether `target` is the undamaged conversion of `source`.

    Raises:
        ModelError: when an earlier run found that this model cannot be converted.
    """
    try:
        manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
        fits = manifest["made_by"] == _made_by() and is_same(manifest["source"], source)
        intact = all(sha256_of(target / name) == digest for name, digest in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if fits and manifest.get("reason"):
        raise ModelError(str(manifest["reason"]))
    return bool(fits and intact and manifest["files"])


def _convert(source: Path, target: Path, original: Encode, progress: ProgressCallback) -> None:
    steps = ("reading its weights", "proving it", "")

    def tell(done: int) -> None:
        progress(
            Progress(stage="Converting the embedder", done=done, total=2, unit="rounds", item=steps[done])
        )

    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    tell(0)
    reason = _build(source, partial)
    tell(1)
    reason = reason or _disprove(source, partial, original)
    files = {} if reason else {path.name: sha256_of(path) for path in sorted(partial.glob("encoder.*"))}
    manifest = {"made_by": _made_by(), "source": describe(source), "files": files, "reason": reason}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    tell(2)
    if reason:
        raise ModelError(reason)


def _build(source: Path, folder: Path) -> str:
    """Write the graph of `source`; return why it has none, or ""."""
    import openvino

    from rag.embed.graph import build

    try:
        openvino.save_model(build(source), folder / MODEL, compress_to_fp16=False)
    except ModelError as exc:
        return str(exc)
    except OSError:
        raise
    except Exception as exc:  # noqa: BLE001 - whatever a model lacks, it is run unconverted
        return f"it cannot be converted ({type(exc).__name__}: {str(exc)[:200]})"
    return ""


def _disprove(source: Path, folder: Path, original: Encode) -> str:
    try:
        encoder = FastEncoder(source, folder, threads=0)
        made = encoder.encode(PROOF)
    except Exception as exc:  # noqa: BLE001 - as above
        return f"its conversion does not run ({type(exc).__name__}: {str(exc)[:200]})"
    cosine = float((made * original(PROOF)).sum(axis=1).min())
    if cosine < LEAST_COSINE:
        return f"its conversion differs too much (cosine {cosine:.3f})"
    times = race({"fast": lambda: encoder.encode(PROOF), "original": lambda: original(PROOF)}, rounds=ROUNDS)
    return "" if times["fast"] < times["original"] else f"its conversion is no faster on {cpu_name()}"


def _made_by() -> dict[str, Any]:
    return {"format": FORMAT, "openvino": version("openvino"), "processor": cpu_name()}


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

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, in the order given; the longest are embedded first, in batches."""
        rows = [self._cut(encoding.ids) for encoding in self.tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(rows)), key=lambda row: -len(rows[row]))
        vectors = np.zeros((len(rows), self._model.output(0).partial_shape[1].get_length()), np.float32)
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
    """Return how many tokens the model reads, at most 512."""
    try:
        found = json.loads((source / "sentence_bert_config.json").read_text(encoding="utf-8"))
        return min(int(found.get("max_seq_length") or 512), 512)
    except OSError:
        return 512
