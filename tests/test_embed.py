from __future__ import annotations

import importlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from rag.benchmark.embedding import measure_embedding, to_json, to_table
from rag.config import Config
from rag.datatypes import Passage, Progress, Vectors
from rag.embed import (
    HashingEmbedder,
    SentenceEmbedder,
    conversion,
    convert,
    open_embedder,
    prefixes_of,
    text_for_embedding,
)
from rag.embed.fast import MODEL, FastEncoder
from rag.embed.graph import build
from rag.embed.plain import PlainEncoder
from rag.errors import ModelError


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("multilingual-e5-small", "query: ", "passage: "),
        ("intfloat/multilingual-e5-base", "query: ", "passage: "),
        ("bge-small-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("bge-m3", "", ""),
        ("all-MiniLM-L6-v2", "", ""),
    ],
)
def test_each_family_gets_the_words_its_card_asks_for(name: str, query: str, passage: str) -> None:
    assert prefixes_of(name) == (query, passage)


def test_the_titles_above_a_passage_are_embedded_with_it() -> None:
    passage = Passage(source="a.md", digest="d", start=0, end=4, text="Text", heading="Handbook > Lamps")
    assert text_for_embedding(passage) == "Handbook > Lamps\nText"
    assert text_for_embedding(Passage(source="a.md", digest="d", start=0, end=4, text="Text")) == "Text"


def test_hashing_agrees_with_counting_shared_words() -> None:
    embedder = HashingEmbedder()
    one, two, three = embedder.embed_passages(["red lamp", "red book", "grey cat"])
    assert one @ two == pytest.approx(0.5, abs=1e-6)
    assert one @ three == pytest.approx(0.0, abs=1e-6)


def test_hashing_is_the_same_in_every_process() -> None:
    code = (
        "from rag.embed import HashingEmbedder\n"
        "print(HashingEmbedder().embed_query('考据 Kaoju').tobytes().hex())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    vector = np.frombuffer(bytes.fromhex(shown), dtype=np.float32)
    np.testing.assert_array_equal(vector, HashingEmbedder().embed_query("考据 Kaoju"))


def test_hashing_is_opened_by_name_and_loads_no_torch() -> None:
    code = (
        "import sys; from rag.config import Config; from rag.embed import open_embedder\n"
        "print(open_embedder(Config(embedder='hashing')).name, 'torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["hashing", "False"]


def test_a_model_that_is_not_here_says_how_to_fetch_it(tmp_path: Path) -> None:
    config = Config(embedder="bge-m3", models_dir=tmp_path)
    with pytest.raises(ModelError, match="rag models pull bge-m3"):
        open_embedder(config)


def test_a_folder_that_holds_no_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded"):
        SentenceEmbedder(tmp_path, name="e5", threads=0)


WORDS = ["red", "lamp", "boat", "log", "灯", "塔"]


def make_model(folder: Path, kind: str, pooling: str) -> Path:
    """Save a tiny encoder with random weights as sentence-transformers does."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from tokenizers import Tokenizer, processors
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    transformers: Any = importlib.import_module("transformers")
    special = (
        ["[CLS]", "[PAD]", "[SEP]", "[UNK]"] if kind == "XLMRoberta" else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    )
    ids = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=special[3] if kind == "XLMRoberta" else special[1]))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(mark, ids[mark]) for mark in ("[CLS]", "[SEP]")]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder / "bare")
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(ids), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=514, type_vocab_size=1 if kind == "XLMRoberta" else 2, initializer_range=0.3,
        pad_token_id=ids["[PAD]"], layer_norm_eps=1e-5,
    )  # fmt: skip
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder / "bare")
    encoder = models.Transformer(str(folder / "bare"), max_seq_length=64)
    modules = [encoder, models.Pooling(32, pooling_mode=pooling), models.Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "whole"))
    return folder / "whole"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("bert"), "Bert", "mean")


@pytest.fixture(scope="module")
def converted(bert: Path) -> Path:
    """The conversion of `bert`, made by the child."""
    target = bert.with_name("int8")
    assert SentenceEmbedder(bert, name="b", threads=1, converted=target).prepare(lambda _: None) == ""
    return target


LAMPS = [
    "red lamp",
    "boat log 灯塔 red " * 30,
    "",
    "灯 塔",
    "unknown words",
    "log",
    "red",
    "boat " * 9,
    "lamp",
]


@pytest.mark.parametrize(("kind", "pooling"), [("Bert", "mean"), ("Bert", "cls"), ("XLMRoberta", "cls")])
def test_a_conversion_gives_nearly_the_vectors_of_the_model_in_the_order_of_the_texts(
    kind: str, pooling: str, tmp_path: Path
) -> None:
    import openvino

    model = make_model(tmp_path, kind, pooling)
    (tmp_path / "int8").mkdir()
    openvino.save_model(build(model), tmp_path / "int8" / MODEL, compress_to_fp16=False)
    fast = FastEncoder(model, tmp_path / "int8", threads=1)
    plain = PlainEncoder(model, name="b", threads=1)
    made, want = fast.encode(LAMPS), plain.encode(LAMPS)
    np.testing.assert_array_less(0.995, (made * want).sum(axis=1))
    np.testing.assert_array_less((want @ want.T)[0, 3], 0.9)  # the texts do differ
    assert (fast.longest, fast.dim) == (plain.longest, plain.dim) == (64, 32)
    assert fast.tokenizer.encode("red lamp").ids == plain.tokenizer.encode("red lamp").ids


def test_a_damaged_conversion_is_made_again(bert: Path, converted: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8"
    shutil.copytree(converted, target)
    weights = target / "encoder.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100] + bytes([whole[100] ^ 255]) + whole[101:])
    again = SentenceEmbedder(bert, name="b", threads=1, converted=target).embed_query("red lamp")
    want = SentenceEmbedder(bert, name="b", threads=1, converted=converted).embed_query("red lamp")
    np.testing.assert_allclose(again, want, atol=1e-3)
    assert weights.read_bytes() == whole


def test_the_process_that_embeds_by_a_conversion_never_loads_torch(bert: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rag.embed import SentenceEmbedder\n"
        f"embedder = SentenceEmbedder(Path({str(bert)!r}), name='b', threads=1, converted=Path('int8'))\n"
        "said = []; print([embedder.prepare(lambda step: said.append(step.done)), said])\n"
        "print(embedder.max_tokens, embedder.embed_passages(['red lamp']).shape)\n"
        "print({'torch', 'transformers', 'sentence_transformers'} & sys.modules.keys())"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert shown.splitlines() == ["['', [0, 1, 2]]", "62 (1, 32)", "set()"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8", "int8.lock"]


def kill_the_child(event: Progress) -> None:
    if event.done == 1:
        (child,) = (each for each in psutil.Process().children() if "rag.embed.convert" in each.cmdline())
        child.kill()


def test_a_conversion_that_is_killed_leaves_nothing_half_done(bert: Path, tmp_path: Path) -> None:
    embedder = SentenceEmbedder(bert, name="b", threads=1, converted=tmp_path / "int8")
    assert "killed by SIGKILL" in embedder.prepare(kill_the_child)
    assert [path.name for path in tmp_path.iterdir()] == ["int8.lock"]


def test_a_conversion_ends_with_the_process_that_wanted_it(bert: Path, tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from rag.embed import SentenceEmbedder\n"
        f"embedder = SentenceEmbedder(Path({str(bert)!r}), name='b', threads=1, converted=Path('int8'))\n"
        "embedder.prepare(lambda step: os.kill(os.getpid(), 9))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == -signal.SIGKILL
    )
    deadline = time.monotonic() + 20
    while is_locked(tmp_path / "int8"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["int8.lock"]


def is_locked(target: Path) -> bool:
    try:
        with conversion.locked(target):
            return False
    except ModelError:
        return True


def test_a_folder_that_cannot_be_written_says_so_and_pytorch_embeds(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    embedder = SentenceEmbedder(bert, name="b", threads=1, converted=tmp_path / "file" / "int8")
    assert str(tmp_path / "file") in embedder.prepare(lambda _: None)
    assert embedder.embed_query("red lamp").shape == (32,)


def test_a_conversion_on_another_processor_is_proven_anew(
    bert: Path, converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert conversion.is_whole(bert, converted)
    (tmp_path / "cpuinfo").write_text("flags : fpu sse2 avx avx2 avx512_vnni_of_another\n", encoding="utf-8")
    monkeypatch.setattr(conversion, "CPU_INFO", tmp_path / "cpuinfo")
    assert not conversion.is_whole(bert, converted)


@pytest.mark.parametrize("busy", [False, True])
def test_a_conversion_is_kept_where_it_is_faster_or_the_machine_busy_and_gives_the_same_vectors(
    *, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "Others", lambda: SimpleNamespace(busy=busy))

    def encoder(vector: list[float], seconds: float) -> Any:
        row = np.array([vector], np.float32)

        def encode(texts: Sequence[str]) -> Vectors:
            time.sleep(seconds)
            return np.repeat(row, len(texts), axis=0)

        return SimpleNamespace(encode=encode)

    plain = encoder([1, 0], 0.02)
    assert convert.compare(encoder([1, 0], 0.001), plain) == ""
    slower = convert.compare(encoder([1, 0], 0.04), plain)
    assert slower == "" if busy else "no faster" in slower
    assert "differs too much (cosine 0.600)" in convert.compare(encoder([0.6, 0.8], 0.001), plain)
    assert "differs too much" in convert.compare(encoder([float("nan"), 0], 0.001), plain)


def test_a_model_that_cannot_be_converted_runs_on_pytorch_and_says_why(bert: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(bert, source)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (source / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}), encoding="utf-8")
    embedder = SentenceEmbedder(source, name="b", threads=1, converted=tmp_path / "int8")
    assert "not converted" in embedder.prepare(lambda _: None)
    plain = SentenceEmbedder(source, name="b", threads=1)
    np.testing.assert_array_equal(embedder.embed_query("red lamp"), plain.embed_query("red lamp"))


def test_the_benchmark_embeds_the_same_passages_in_both_ways(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "boats.txt").write_text("The red boat has a lamp. " * 40, encoding="utf-8")
    config = Config(embedder=str(bert), data_dir=tmp_path / "data", models_dir=tmp_path / "models")
    report = measure_embedding(config, rounds=1, progress=lambda _: None)
    assert (report.passages > 1, report.rounds) == (True, 1)
    assert 10 < report.tokens <= 62
    assert report.ratio == pytest.approx(report.converted.median / report.plain.median)
    assert json.loads(to_json(report))["plain"]["median"] > 0
    assert f"{report.ratio:.2f} times as fast" in to_table(report)
