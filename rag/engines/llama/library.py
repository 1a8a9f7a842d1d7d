"""llama.cpp by its C API (https://github.com/ggml-org/llama.cpp/blob/master/include/llama.h).

A model with one memory of keys and values, in which sequences of tokens share cells: a token stands at the
position it is given, and sees what stands before that position in its sequence.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import llama_cpp.llama_cpp as library
import numpy as np
from llama_cpp import _utils as package
from numpy.typing import NDArray

from rag.errors import EngineError, ModelError

BATCH: Final = 512  # most tokens read in one call
LINES: Final = 8  # of the library's own words that are kept, for when it fails

logger = logging.getLogger(__name__)


class Llama:
    """A GGUF file opened to read tokens; used by one thread at a time."""

    def __init__(self, path: Path, *, cells: int, sequences: int, threads: int, layer: int | None) -> None:
        """Give it room for so many tokens in all sequences; tell the state after a `layer`, if wanted.

        Raises:
            ModelError: when llama.cpp cannot load the file.
            EngineError: when there is no memory for so many tokens.
        """
        log = started()
        self.threads = threads
        self._model = library.llama_model_load_from_file(
            str(path).encode(), library.llama_model_default_params()
        )
        if not self._model:
            raise ModelError(f"llama.cpp cannot load {path}: {log}; fetch it again")
        self._tap = Tap(layer) if layer is not None else None
        settings = _context_settings(cells, sequences, threads)
        if self._tap:
            settings.cb_eval = self._tap.callback
        self._context = library.llama_init_from_model(self._model, settings)
        if not self._context:
            library.llama_model_free(self._model)
            raise EngineError(f"llama.cpp cannot use {path}: {log}; close other programs")
        self._memory = library.llama_get_memory(self._context)
        self._batch = library.llama_batch_init(BATCH, 0, 1)
        self.vocabulary: int = library.llama_vocab_n_tokens(library.llama_model_get_vocab(self._model))
        self.trained_context: int = library.llama_model_n_ctx_train(self._model)

    def read(
        self, tokens: Sequence[int], position: int, sequence: int, *, rows: int = 0
    ) -> NDArray[np.float32]:
        """Read at most `BATCH` tokens, the first at a position that is the sequence's next.

        Return the logits that follow the last `rows` of them, (rows, vocabulary).

        Raises:
            EngineError: when there is no room for them.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, token in enumerate(tokens):
            batch.token[place], batch.pos[place] = token, position + place
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, sequence
            batch.logits[place] = place >= len(tokens) - rows
        if status := library.llama_decode(self._context, batch):
            raise EngineError(f"llama.cpp could not read on: {started()} (status {status}); ask again")
        logits = np.empty((rows, self.vocabulary), dtype=np.float32)
        for row in range(rows):
            found = library.llama_get_logits_ith(self._context, len(tokens) - rows + row)
            logits[row] = np.ctypeslib.as_array(found, (self.vocabulary,))
        return logits

    def look(self, tokens: Sequence[int], position: int, sequence: int) -> tuple[Any, NDArray[np.float32]]:
        """Read tokens; return the logits (vocabulary,) and the state (hidden size,) of the last one."""
        if self._tap is None:
            raise EngineError("no layer was asked to be looked at when the model was opened")
        with self._tap as tap:
            logits = self.read(tokens, position, sequence, rows=1)
        return logits[0], tap.last

    def copy(self, source: int, target: int, start: int = -1, stop: int = -1) -> None:
        """Let a sequence hold another's tokens at positions from `start` to before `stop`, too."""
        library.llama_memory_seq_cp(self._memory, source, target, start, stop)

    def remove(self, sequence: int, start: int = -1) -> None:
        """Forget a sequence from a position on."""
        library.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def save(self, sequence: int) -> NDArray[np.uint8]:
        """Return the states of a sequence's tokens, with their positions."""
        size = library.llama_state_seq_get_size(self._context, sequence)
        saved = np.empty(size, dtype=np.uint8)
        written = library.llama_state_seq_get_data(self._context, _bytes(saved), size, sequence)
        return saved[:written]

    def load(self, saved: NDArray[np.uint8], sequence: int) -> bool:
        """Let a sequence hold what was saved and nothing else; tell whether it could be taken."""
        saved = np.ascontiguousarray(saved)
        taken = library.llama_state_seq_set_data(self._context, _bytes(saved), saved.nbytes, sequence)
        if taken != saved.nbytes:
            self.remove(sequence)
        return bool(taken == saved.nbytes)

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            library.llama_batch_free(self._batch)
            library.llama_free(self._context)
            library.llama_model_free(self._model)


class Tap:
    """Takes the state after a layer while the model computes, where that is asked for."""

    def __init__(self, layer: int) -> None:
        self._name = f"l_out-{layer}".encode()  # as llama.cpp calls what a decoder layer gives on
        self._open = False
        self.last = np.empty(0, dtype=np.float32)  # (hidden size,) of the last token
        self._ggml = _ggml()
        self.callback = library.ggml_backend_sched_eval_callback(self._seen)

    def __enter__(self) -> Tap:
        self._open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False

    def _seen(self, tensor: int, ask: bool, _: object) -> bool:  # noqa: FBT001 - as the library calls it
        if ask:
            return self._open and self._ggml.ggml_get_name(tensor) == self._name
        count = self._ggml.ggml_nbytes(tensor) // 4
        width = count // self._ggml.ggml_nrows(tensor)
        self.last = np.empty(width, dtype=np.float32)
        offset = (count - width) * 4
        self._ggml.ggml_backend_tensor_get(tensor, self.last.ctypes.data, offset, width * 4)
        return True


def version() -> str:
    """Return what the layout of saved states depends on."""
    from importlib.metadata import version as installed

    return installed("llama-cpp-python")


def _context_settings(cells: int, sequences: int, threads: int) -> Any:
    settings = library.llama_context_default_params()
    settings.n_ctx, settings.n_seq_max = cells, sequences
    settings.kv_unified = True  # so that sequences share cells
    settings.flash_attn_type = library.LLAMA_FLASH_ATTN_TYPE_DISABLED  # on a CPU it writes .03 to .05 slower
    settings.n_batch = settings.n_ubatch = BATCH
    settings.n_threads = settings.n_threads_batch = threads
    return settings


def _bytes(array: NDArray[np.uint8]) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


class Log:
    """What the library says: kept for errors, passed on for debugging, never printed."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LINES)
        self._callback = library.llama_log_callback(self._take)  # the library holds no reference
        library.llama_backend_init()
        library.llama_log_set(self._callback, ctypes.c_void_p())

    def _take(self, _level: int, text: bytes, _: object) -> None:
        line = text.decode("utf-8", "replace").strip()
        if line.strip("."):
            self._lines.append(line)
            logger.debug("%s", line)

    def __str__(self) -> str:
        """The last error that it told."""
        errors = [line for line in self._lines if "error" in line]
        return (errors or list(self._lines) or ["it does not say why"])[-1]


@cache
def started() -> Log:
    """Start the library, of which a process has one."""
    for file in (package.outnull_file, package.errnull_file):
        atexit.register(file.close)  # which the package leaves open, and Python warns of at the end
    return Log()


@cache
def _ggml() -> Any:
    """Return the library below llama.cpp, which knows of tensors."""
    ggml = ctypes.CDLL(str(Path(library.__file__).parent / "lib" / "libggml-base.so"))
    ggml.ggml_get_name.restype, ggml.ggml_get_name.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    for function, result in ((ggml.ggml_nbytes, ctypes.c_size_t), (ggml.ggml_nrows, ctypes.c_int64)):
        function.restype, function.argtypes = result, [ctypes.c_void_p]
    ggml.ggml_backend_tensor_get.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_size_t,
    ]
    return ggml
