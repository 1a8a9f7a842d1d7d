"""The e5 container: a small one written here, and the real one."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag import models
from rag.config import Config
from rag.datatypes import Progress
from rag.errors import ModelError
from rag.models import e5

HIDDEN, INNER, POSITIONS = 32, 64, 48
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
PIECES = [*SPECIAL, "▁", "▁query", ":", "▁ab", "a", "b", "c", "北京", "北", "京", "～", "1", "<mask>"]
ROWS = len(PIECES) + 3  # padding rows, as in the real one
SCORES = [0.0] * 4 + [-float(i) for i in range(1, len(PIECES) - 3)]


def ignore(progress: Progress) -> None:
    del progress


def q4_0(weights: NDArray[np.float32]) -> tuple[bytes, NDArray[np.float32]]:
    """Quantise row by row as ggml's reference does, and return the blocks and what they stand for."""
    packed, meant = b"", []
    for block in weights.reshape(-1, 32):
        biggest = block[np.argmax(np.abs(block))]
        scale = np.float16(biggest / -8)
        nibbles = [min(15, int(value / float(scale) + 8.5)) for value in block]
        packed += scale.tobytes() + bytes(nibbles[i] | nibbles[i + 16] << 4 for i in range(16))
        meant += [(nibble - 8) * float(scale) for nibble in nibbles]
    return packed, np.array(meant, dtype=np.float32).reshape(weights.shape)


def tensors() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (ROWS, HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (2, HIDDEN),
        "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,),
    }  # fmt: skip
    square, wide, tall = (HIDDEN, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER)
    for part, shape in {**dict.fromkeys(("q", "k", "v", "ao"), square), "fi": wide, "fo": tall}.items():
        shapes |= {f"l0.{part}.w": shape, f"l0.{part}.b": shape[:1]}
    shapes |= {f"l0.{part}.{kind}": (HIDDEN,) for part in ("aln", "oln") for kind in "wb"}
    return {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def write_container(path: Path) -> dict[str, NDArray[np.float32]]:
    """Write an E5S1 file and return the weights that it stands for."""
    pieces = [piece.encode() for piece in PIECES]
    text = b"".join(pieces)
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, 1, 2, INNER, ROWS, POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(text))
    head += struct.pack(f"<{len(pieces) + 1}I", *np.cumsum([0, *map(len, pieces)]))
    head += struct.pack(f"<{len(pieces)}f", *SCORES) + text
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0x3000, 1, 0x20)
    packed: dict[str, tuple[int, bytes]] = {}
    meant = {}
    for name, weights in tensors().items():
        if weights.ndim == 2 and name not in {"emb.pos", "emb.type"}:
            blocks, meant[name] = q4_0(weights)
            packed[name] = (1, blocks)
        else:
            packed[name], meant[name] = (0, weights.tobytes()), weights
    start = len(head) + 4 + sum(2 + len(name) + 21 for name in packed)
    directory, body = struct.pack("<i", len(packed)), b""
    for name, (kind, data) in packed.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, meant[name].size, start + len(body), len(data))
        body += data
    path.write_bytes(head + directory + body)
    return meant


@pytest.fixture
def container(tmp_path: Path) -> Path:
    write_container(tmp_path / "small.bin")
    return tmp_path / "small.bin"


def test_weights_come_out_as_the_blocks_say(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    meant = write_container(tmp_path / "small.bin")
    events: list[Progress] = []
    e5.unpack(tmp_path / "small.bin", tmp_path / "out", events.append)
    found = load_file(tmp_path / "out" / "model.safetensors")
    places = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "l0.ao.w": "encoder.layer.0.attention.output.dense.weight",
        "l0.fi.w": "encoder.layer.0.intermediate.dense.weight",
        "l0.fo.w": "encoder.layer.0.output.dense.weight",
        "l0.aln.b": "encoder.layer.0.attention.output.LayerNorm.bias",
    }
    for short, name in places.items():
        np.testing.assert_allclose(found[name].astype(np.float32), meant[short], rtol=5e-4, err_msg=name)
    assert len(found) == len(meant) + 2  # and the pooler that nothing reads
    assert events[-1].done == events[-1].total


def test_the_folder_loads_and_embeds_as_transformers_bert_computed_by_hand(
    container: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    e5.unpack(container, tmp_path / "out", ignore)
    model = SentenceTransformer(str(tmp_path / "out"), device="cpu", local_files_only=True)
    assert model.max_seq_length == POSITIONS
    text = "query: ab 北京"
    ids = model.tokenizer(text)["input_ids"]
    assert ids == [PIECES.index(piece) for piece in ("<s>", "▁query", ":", "▁ab", "▁", "北京", "</s>")]
    np.testing.assert_allclose(model.encode([text])[0], bert_by_hand(container, ids), atol=2e-3)


def bert_by_hand(container: Path, ids: list[int]) -> NDArray[np.float64]:
    """One BERT layer, mean pooling and unit length in plain numpy (Devlin et al., arXiv 1810.04805)."""
    w = {name: value.astype(np.float64) for name, value in write_container(container).items()}

    def norm(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        x = x - x.mean(-1, keepdims=True)
        scaled: NDArray[np.float64] = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * w[f"{name}.w"] + w[f"{name}.b"]

    def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
        grown: NDArray[np.float64] = np.exp(x - x.max(-1, keepdims=True))
        shares: NDArray[np.float64] = grown / grown.sum(-1, keepdims=True)
        return shares

    def linear(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        product: NDArray[np.float64] = x @ w[f"l0.{name}.w"].T + w[f"l0.{name}.b"]
        return product

    x = norm(w["emb.word"][ids] + w["emb.pos"][: len(ids)] + w["emb.type"][0], "emb.ln")
    heads = [slice(0, 16), slice(16, 32)]
    q, k, v = (linear(x, name) for name in "qkv")
    mixed = [softmax(q[:, h] @ k[:, h].T / 4.0) @ v[:, h] for h in heads]
    x = norm(x + linear(np.concatenate(mixed, axis=-1), "ao"), "l0.aln")
    inner = linear(x, "fi")
    x = norm(x + linear(inner * 0.5 * (1 + np.vectorize(math.erf)(inner / np.sqrt(2))), "fo"), "l0.oln")
    mean: NDArray[np.float64] = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("ab\tab", ["▁ab", "▁ab"]),
        ("ab \u3000 ab", ["▁ab", "▁ab"]),  # an ideographic space is a space, and runs of spaces are one
        ("ａｂ ①", ["▁ab", "▁", "1"]),  # NFKC
        ("北京～", ["▁", "北京", "～"]),  # but nmt_nfkc leaves the fullwidth tilde
        ("a\u200bb", ["▁", "a", "▁", "b"]),
        ("a\x07b", ["▁ab"]),
        ("北x", ["▁", "北", "<unk>"]),
    ],
)  # fmt: skip
def test_text_is_cut_by_the_rules_of_sentencepiece_nmt_nfkc(
    container: Path, tmp_path: Path, text: str, pieces: list[str]
) -> None:
    from tokenizers import Tokenizer

    e5.unpack(container, tmp_path / "out", ignore)
    tokenizer = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert [PIECES[i] for i in ids] == pieces


@pytest.mark.parametrize("size", [0, 3, 60, 400, 2000])
def test_a_truncated_container_is_refused(container: Path, tmp_path: Path, size: int) -> None:
    container.write_bytes(container.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"small\.bin is damaged"):
        e5.unpack(container, tmp_path / "out", ignore)


FULL = """
import resource, sys
from pathlib import Path
from rag.errors import DiskError
from rag.models import e5
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    e5.unpack(Path(sys.argv[1]), Path(sys.argv[2]), lambda _: None)
except DiskError as exc:
    print(exc)
"""


def test_a_full_disk_is_a_disk_error(container: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(container), str(tmp_path / "out")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "model.safetensors cannot be written: File too large; free some space" in said


def test_another_file_is_refused(container: Path, tmp_path: Path) -> None:
    container.write_bytes(b"GGUF" + container.read_bytes()[4:])
    with pytest.raises(ModelError, match="does not start with E5S1"):
        e5.unpack(container, tmp_path / "out", ignore)


@pytest.mark.model
def test_the_real_model_finds_the_right_passage_in_both_languages(real_config: Config) -> None:
    from sentence_transformers import SentenceTransformer

    path = models.find_embedder("multilingual-e5-small", real_config)
    model = SentenceTransformer(str(path), device="cpu", local_files_only=True)
    passages = [
        "passage: The Normans gave their name to Normandy, a region in France.",
        "passage: 故宫位于北京市中心，是明清两代的皇家宫殿。",
        "passage: Women aged 19 to 70 need 46 grams of protein per day.",
    ]
    queries = [
        "query: Which region is named after the Normans?",
        "query: 皇帝住在哪里？",
        "query: how much protein",
    ]
    found = model.encode(queries) @ model.encode(passages).T
    assert found.argmax(axis=1).tolist() == [0, 1, 2]
    assert model.tokenizer("query: hello")["input_ids"] == [0, 41, 1294, 12, 33600, 31, 2]
