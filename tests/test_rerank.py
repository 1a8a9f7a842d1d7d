"""What puts the best hits into a new order: by sentences, and by a cross-encoder built here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rag.config import Config
from rag.datatypes import Hit, Passage, Ranks, Vectors
from rag.embed import HashingEmbedder
from rag.errors import ModelError
from rag.models import CATALOGUE, find_reranker
from rag.pipeline import Rag
from rag.rerank import POOL, Reranker, open_reranker, reranked
from rag.rerank.cross_encoder import CrossEncoderReranker
from rag.rerank.sentences import SHARE, SentenceReranker
from rag.retrieve import retrieve

LONG = ["The bridge has four lanes.", "Ships pass below it.", "It was painted red by workers in spring."]
ASKED = "who painted the bridge"
TOLD = ["twelve workers painted the bridge red", "the market is held on mondays"]
NEAR = ["How many workers painted it?", "The harbour lies south of the town, and it is deep."]


class Counting(HashingEmbedder):
    """Counts the texts that it embeds."""

    def __init__(self) -> None:
        self.texts = 0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return super().embed_passages(texts)


class Backwards:
    """Likes best what the search likes least."""

    name = "backwards"

    def score(self, question: str, hits: Sequence[Hit]) -> list[float]:
        del question
        return [-hit.score for hit in hits]


def hit(text: str, score: float, dense: float = 0.5) -> Hit:
    passage = Passage(source="a.txt", digest=text, start=0, end=len(text), text=text)
    return Hit(passage=passage, score=score, dense=dense, ranks=Ranks(fused=1))


def test_the_best_hits_are_ordered_anew_and_the_rest_stay_behind() -> None:
    hits = [hit(f"Passage {number}.", 1 - number / 100) for number in range(POOL + 3)]
    new = reranked("Which?", hits, Backwards())
    assert [each.passage for each in new] == [each.passage for each in [*reversed(hits[:POOL]), *hits[POOL:]]]
    assert [each.ranks.reranked for each in new] == [*range(1, POOL + 1), None, None, None]
    assert [each.reranked for each in new[:2]] == [-hits[POOL - 1].score, -hits[POOL - 2].score]
    assert (new[-1].reranked, new[0].score) == (None, hits[POOL - 1].score)


def test_no_hits_stay_no_hits() -> None:
    assert reranked("Which?", [], SentenceReranker(HashingEmbedder())) == []


def test_the_nearest_sentence_decides_between_close_hits() -> None:
    embedder, question = HashingEmbedder(), "How many workers painted it?"
    hits = [hit(" ".join(LONG), 0.52, 0.4), hit(" ".join(NEAR), 0.5, 0.3)]
    scores = SentenceReranker(embedder).score(question, hits)
    vector = embedder.embed_query(question)
    nearest = [float((embedder.embed_passages(each) @ vector).max()) for each in (LONG, NEAR)]
    mean = sum(nearest) / 2
    want = [each.score + SHARE * (cosine - mean) / 0.05 for each, cosine in zip(hits, nearest, strict=True)]
    assert scores == pytest.approx(want, abs=1e-4)
    assert scores[1] > scores[0]


def test_a_hit_far_ahead_costs_nothing() -> None:
    embedder = Counting()
    hits = [hit(LONG[0], 0.9), hit(NEAR[0], 0.5)]
    assert SentenceReranker(embedder).score("Who?", hits) == [0.9, 0.5]
    assert embedder.texts == 0


def test_sentences_lately_seen_are_known() -> None:
    embedder = Counting()
    reranker = SentenceReranker(embedder)
    hits = [hit(" ".join(LONG), 0.52), hit(" ".join(NEAR), 0.5)]
    first = reranker.score("Who painted it?", hits)
    assert embedder.texts == 5
    assert reranker.score("Who painted it?", hits) == first
    assert embedder.texts == 5


def test_the_setting_opens_each_kind(config: Config) -> None:
    embedder = HashingEmbedder()
    assert open_reranker(config, embedder) is None
    sentences = open_reranker(config.model_copy(update={"reranker": "sentences"}), embedder)
    assert isinstance(sentences, SentenceReranker)
    assert isinstance(sentences, Reranker)


def test_a_reranker_that_is_not_here_says_how_to_fetch_it(config: Config, tmp_path: Path) -> None:
    wanted = config.model_copy(update={"reranker": "bge-reranker-v2-m3", "models_dir": tmp_path / "models"})
    with pytest.raises(ModelError, match="rag models pull bge-reranker-v2-m3"):
        open_reranker(wanted, HashingEmbedder())
    with pytest.raises(ModelError, match="is an embedder; choose another reranker"):
        find_reranker("multilingual-e5-small", wanted)
    assert {entry.id for entry in CATALOGUE.values() if entry.kind == "reranker"} >= {"bge-reranker-v2-m3"}


def test_what_is_asked_is_reranked(config: Config, write: Callable[[str, str], Path]) -> None:
    for number in range(4):
        write(f"{number}.txt", f"The bridge of town {number} was painted by {number + 2} workers.")
    with Rag(config.model_copy(update={"reranker": "sentences"})) as rag:
        rag.sync()
        answer = rag.ask("How many workers painted the bridge of town 3?")
    assert answer.hits[0].passage.source == "3.txt"
    assert [each.ranks.reranked for each in answer.hits] == [1, 2, 3, 4]
    assert all(each.reranked is not None for each in answer.hits)


def test_a_comparison_is_reranked_side_by_side(rag: Rag, write: Callable[[str, str], Path]) -> None:
    write("acme.txt", "Acme gives its staff thirty days of leave.")
    write("globex.txt", "Globex gives its staff twenty days of leave.")
    rag.sync()
    hits = retrieve(
        "Compare the leave at Acme and Globex",
        index=rag.index,
        embedder=rag.embedder,
        top_k=2,
        reranker=SentenceReranker(rag.embedder),
    )
    assert {each.passage.source for each in hits} == {"acme.txt", "globex.txt"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of random weights, as a hub would send it."""
    transformers: Any = import_module("transformers")
    folder = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(f"{ASKED} {' '.join(TOLD)}".split()))]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    transformers.set_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = transformers.BertForSequenceClassification(
        transformers.BertConfig(vocab_size=len(words), num_labels=1, **size)
    )
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def test_a_cross_encoder_scores_each_pair_as_transformers_does(tiny: Path, config: Config) -> None:
    torch: Any = import_module("torch")
    transformers: Any = import_module("transformers")
    texts = [*TOLD, "\ud800 red"]
    reranker = open_reranker(config.model_copy(update={"reranker": str(tiny)}), HashingEmbedder())
    assert isinstance(reranker, CrossEncoderReranker)
    got = reranker.score(ASKED, [hit(text, 0.5) for text in texts])
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tiny).eval()
    with torch.inference_mode():
        for text, score in zip([*TOLD, "? red"], got, strict=True):
            logit = model(**tokenizer(ASKED, text, return_tensors="pt")).logits[0, 0]
            assert score == pytest.approx(float(torch.sigmoid(logit)), abs=1e-5)
    assert len({round(score, 6) for score in got}) == 3
    assert reranker.score(ASKED, []) == []


def test_a_model_of_several_outputs_is_no_reranker(tiny: Path, tmp_path: Path) -> None:
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    settings |= {"id2label": {"0": "A", "1": "B"}, "label2id": {"A": 0, "B": 1}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(ModelError, match=r"cannot be loaded|not one"):
        CrossEncoderReranker(tmp_path, name="tiny").score("who", [hit("red", 0.5)])


def test_pickled_weights_are_refused(tiny: Path, tmp_path: Path, config: Config) -> None:
    for file in tiny.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(ModelError, match="pickled"):
        find_reranker(str(tmp_path), config)
    with pytest.raises(ModelError, match="cannot be loaded"):
        CrossEncoderReranker(tmp_path, name="tiny").score("who", [hit("red", 0.5)])
