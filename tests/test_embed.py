from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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
