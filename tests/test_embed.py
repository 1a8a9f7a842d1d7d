from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag.benchmark.embedding import measure_embedding, to_json, to_table
from rag.config import Config
from rag.datatypes import Passage
from rag.embed import HashingEmbedder, SentenceEmbedder, open_embedder, prefixes_of, text_for_embedding
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


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with mean pooling and random weights, as sentence-transformers saves it."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from tokenizers import Tokenizer, processors
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    transformers: Any = importlib.import_module("transformers")
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "lamp", "boat", "log", "灯", "塔"]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[1]))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder / "bare")
    torch.manual_seed(0)
    transformers.BertModel(
        transformers.BertConfig(
            vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=512, initializer_range=0.3,
        )
    ).save_pretrained(folder / "bare")  # fmt: skip
    encoder = models.Transformer(str(folder / "bare"), max_seq_length=64)
    SentenceTransformer(modules=[encoder, models.Pooling(32)], device="cpu").save(str(folder / "whole"))
    return folder / "whole"


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


def test_a_conversion_gives_nearly_the_vectors_of_the_model_in_the_order_of_the_texts(
    bert: Path, tmp_path: Path
) -> None:
    converted = SentenceEmbedder(bert, name="b", threads=1, converted=tmp_path / "int8")
    plain = SentenceEmbedder(bert, name="b", threads=1)
    assert converted.prepare(lambda _: None) == ""
    made, want = converted.embed_passages(LAMPS), plain.embed_passages(LAMPS)
    np.testing.assert_array_less(0.995, (made * want).sum(axis=1))
    assert converted.max_tokens == plain.max_tokens
    assert converted.token_offsets("red lamp") == plain.token_offsets("red lamp")


def test_a_damaged_conversion_is_made_again(bert: Path, tmp_path: Path) -> None:
    target = tmp_path / "int8"
    want = SentenceEmbedder(bert, name="b", threads=1, converted=target).embed_query("red lamp")
    weights = target / "encoder.bin"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100] + bytes([whole[100] ^ 255]) + whole[101:])
    again = SentenceEmbedder(bert, name="b", threads=1, converted=target).embed_query("red lamp")
    np.testing.assert_allclose(again, want, atol=1e-3)
    assert weights.read_bytes() == whole


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
