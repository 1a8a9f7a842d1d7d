"""A large index, made small by a lowered threshold, against brute force and against FTS5's own ranking."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag.benchmark.synthetic import PER_DOCUMENT, documents, sentences
from rag.datatypes import Document, Passage, Progress, Vectors
from rag.index import FileState, Index
from rag.index.bm25 import RANKED
from rag.index.lexical import match_any, question_words
from rag.index.shapes import lists_for

DIM = 48
COUNT = 6000
LARGE = 1000
SAMPLES = Path(__file__).parent.parent / "data"
QUESTIONS = (
    "When may a boat be taken out?",
    "How many days of leave do employees have?",
    "员工每年有多少天年假？",
    "病假怎么申请？",
    "employee employees employed leaving days 员工",
    "What is it?",
)


def open_index(folder: Path, *, large: int = LARGE, embedder: str = "synthetic") -> Index:
    return Index.open(folder, embedder=embedder, dim=DIM, passage_tokens=64, large=large)


def pool() -> tuple[list[str], Vectors]:
    """Return the sample documents' sentences and vectors for them, those of neighbours alike."""
    found = sentences(SAMPLES)
    random = np.random.default_rng(1)
    themes = random.normal(size=(len(found) // 8 + 1, DIM))
    vectors = themes[np.arange(len(found)) // 8] + 0.6 * random.normal(size=(len(found), DIM)) + 1.0
    return found, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def fill(index: Index, count: int, *, seed: int = 0) -> None:
    with index.writing():
        for file, document, passages, vectors in documents(*pool(), count=count, seed=seed):
            index.add(file, document, passages, vectors)


@pytest.fixture(autouse=True)
def _few_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look into a fifth of the lists; all of so few vectors would be found in as many as usual."""
    monkeypatch.setattr("rag.index.shapes.PROBES", 30)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "index"
    with open_index(folder) as index:
        fill(index, COUNT)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "index"))


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    with open_index(folder) as index:
        yield index


def queries(count: int = 100) -> Vectors:
    _, vectors = pool()
    random = np.random.default_rng(5)
    chosen = vectors[random.integers(len(vectors), size=count)] + 0.05 * random.normal(size=(count, DIM))
    unit: Vectors = (chosen / np.linalg.norm(chosen, axis=1, keepdims=True)).astype(np.float32)
    return unit


def stored(folder: Path) -> tuple[list[str], Vectors]:
    connection = sqlite3.connect(folder / "index.sqlite")
    found = connection.execute("SELECT id, vector FROM passages NATURAL JOIN vectors").fetchall()
    connection.close()
    return [row[0] for row in found], np.stack([np.frombuffer(row[1], "<f4") for row in found])


def recall(index: Index, top_k: int = 10) -> float:
    """Return the share of the true nearest that is found, and check every cosine on the way."""
    ids, vectors = stored(index.folder)
    found = 0
    for query in queries():
        exact = vectors @ query
        scores = dict(zip(ids, exact.tolist(), strict=True))
        hits = index.search_dense(query, top_k)
        assert [score for _, score in hits] == pytest.approx([scores[p.id] for p, _ in hits], abs=1e-6)
        assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)
        found += sum(score >= np.sort(exact)[-top_k] - 1e-6 for _, score in hits)
    return found / top_k / len(queries())


def shape_of(folder: Path) -> tuple[str, int]:
    import faiss

    read: Any = faiss.read_index(str(folder / "vectors.faiss"))
    return type(read).__name__, read.ntotal


def test_a_large_index_is_quantised_and_finds_the_true_nearest(index: Index) -> None:
    assert shape_of(index.folder) == ("IndexIVFScalarQuantizer", COUNT)
    assert recall(index) >= 0.98


def test_the_lists_follow_the_size_both_ways() -> None:
    assert lists_for(49_999, now=0, large=50_000) == 0
    assert lists_for(50_000, now=0, large=50_000) == 446
    assert lists_for(100_000, now=446, large=50_000) == 446
    assert lists_for(200_000, now=446, large=50_000) == 894
    assert lists_for(40_000, now=446, large=50_000) == 446
    assert lists_for(24_999, now=446, large=50_000) == 0
    assert lists_for(1_000_000, now=0, large=50_000) == 2000
    assert lists_for(100_000, now=2000, large=50_000) == 632


def test_a_shrunken_index_is_exact_again_and_a_grown_one_quantised_again(index: Index) -> None:
    sources = sorted(index.files())
    with index.writing():
        index.remove(sources[: -LARGE // PER_DOCUMENT // 2 + 1])
    assert shape_of(index.folder) == ("IndexIDMap2", 400)
    assert recall(index) == 1
    fill(index, 2 * LARGE, seed=3)
    assert shape_of(index.folder)[0] == "IndexIVFScalarQuantizer"
    assert recall(index) >= 0.98


def test_what_is_added_changed_and_removed_is_followed_by_another_reader(index: Index, folder: Path) -> None:
    with open_index(folder) as reader:
        assert recall(reader) >= 0.98
        sources = sorted(index.files())
        with index.writing():
            index.remove(sources[:20])
            fill_again(index, sources[20:30])
            assert recall(reader) >= 0.98  # before any file is written
            assert reader.passage_count() == COUNT - 2000
        assert recall(reader) >= 0.98
        assert len(set(reader.files()) & set(sources[:20])) == 0


def fill_again(index: Index, sources: list[str], *, seed: int = 9) -> None:
    """Give these files another text."""
    made = documents(*pool(), count=PER_DOCUMENT * len(sources), seed=seed)
    for source, (file, document, passages, vectors) in zip(sources, made, strict=True):
        digest = document.digest
        renamed = FileState(source=source, size=file.size, mtime_ns=2, digest=digest)
        index.add(renamed, Document(source=source, digest=digest, text=document.text), passages, vectors)


def test_a_few_changes_do_not_rewrite_the_file_and_are_caught_up(index: Index, folder: Path) -> None:
    before = (folder / "vectors.faiss").read_bytes()
    with index.writing():
        add_one(index, "new.txt", "An unheard-of zephyrine word.", queries(1)[0])
    assert (folder / "vectors.faiss").read_bytes() == before
    with open_index(folder) as again:
        assert again.search_dense(queries(1)[0], 1)[0][0].source == "new.txt"
        assert again.search_lexical("zephyrine", 1)[0][0].source == "new.txt"
    with index.writing():
        index.remove(["new.txt", *sorted(index.files())[:5]])
    assert shape_of(folder) == ("IndexIVFScalarQuantizer", COUNT - 500)


def add_one(index: Index, source: str, text: str, vector: np.ndarray) -> None:
    document = Document(source=source, digest=source * 6, text=text)
    passage = Passage(source=source, digest=document.digest, start=0, end=len(text), text=text)
    file = FileState(source=source, size=len(text), mtime_ns=1, digest=document.digest)
    index.add(file, document, [passage], vector[None])


@pytest.mark.parametrize("damage", ["missing", "truncated", "a flipped bit", "of another time"])
def test_a_bad_file_of_a_large_index_is_rebuilt(index: Index, folder: Path, damage: str) -> None:
    path = folder / "vectors.faiss"
    old = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(old[: len(old) // 2])
    elif damage == "a flipped bit":
        path.write_bytes(old[:5000] + bytes([old[5000] ^ 1]) + old[5001:])
    else:
        for some in (sorted(index.files())[:10], sorted(index.files())[10:20]):
            with index.writing():
                index.remove(some)
        path.write_bytes(old)
    with open_index(folder) as again:
        with again.writing():
            pass
        assert recall(again) >= 0.98
        assert shape_of(folder) == ("IndexIVFScalarQuantizer", again.passage_count())
    with open_index(folder) as again:
        assert recall(again) >= 0.98


def test_a_reader_without_the_file_compares_all_until_a_sync_has_built_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "vectors.faiss").unlink()
    steps: list[Progress] = []
    with open_index(folder) as reader:
        with monkeypatch.context() as patch:
            patch.setattr("rag.index.shapes.quantised", refuse)
            assert recall(reader) == 1
        assert sum("slower until `rag sync`" in each.getMessage() for each in caplog.records) == 1
        with open_index(folder) as index:
            with index.writing(steps.append):
                add_one(index, "new.txt", "An unheard-of zephyrine word.", queries(1)[0])
                assert reader.search_dense(queries(1)[0], 1)[0][0].source == "new.txt"
            index.close()
        assert {step.stage for step in steps} == {"Building the vector index"}
        monkeypatch.setattr("rag.index.vectors.NearestVectors._compared", refuse)
        assert recall(reader) >= 0.98


# Ends itself at the nth step between SQLite and the FAISS file of a sync that removes and adds.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests import test_index_large as large
import rag.index
step, folder = sys.argv[1], Path(sys.argv[2])
def dying(name):
    real = getattr(rag.index, name)
    def wrapped(*args, **more):
        if step == f"before {name}":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*args, **more)
        if step == f"after {name}":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(rag.index, name, wrapped)
dying("write_stamp")
dying("take_place")
with large.open_index(folder) as index, index.writing():
    index.remove(sorted(index.files())[:10])
    large.fill_again(index, sorted(index.files())[:5])
"""


@pytest.mark.parametrize(
    "step", ["before write_stamp", "after write_stamp", "before take_place", "after take_place"]
)
def test_a_kill_between_sqlite_and_the_file_costs_no_rebuild(folder: Path, step: str) -> None:
    root = Path(__file__).parent.parent
    child = subprocess.run([sys.executable, "-c", KILLED, step, str(folder)], cwd=root, check=False)
    assert child.returncode == -signal.SIGKILL
    with pytest.MonkeyPatch.context() as patch, open_index(folder) as index:
        patch.setattr("rag.index.shapes.quantised", refuse)  # the file that is there is good enough
        assert index.passage_count() == COUNT - 1000
        assert recall(index) >= 0.98
    with open_index(folder) as index, index.writing():
        pass
    assert shape_of(folder) == ("IndexIVFScalarQuantizer", COUNT - 1000)


def refuse(*_: object) -> None:
    raise AssertionError("trained again")


def test_only_the_passages_of_this_embedder_are_found(index: Index, folder: Path) -> None:
    index.close()
    with Index.open_for_sync(folder, embedder="other", dim=DIM, passage_tokens=64, large=LARGE) as other:
        assert other.search_dense(queries(1)[0], 10) == []
        keys = other.stale()
        made = documents(*pool(), count=PER_DOCUMENT * 15, seed=4)
        with other.writing():
            for key, (_, _, passages, vectors) in zip(keys, made, strict=False):
                other.remake(key, passages, vectors)
        found = [passage for passage, _ in other.search_dense(queries(1)[0], 2000)]
        assert shape_of(folder) == ("IndexIVFScalarQuantizer", 1500)
        assert 0 < len(found) <= 1500
        mine = {key[:64] for key in keys[:15]}
        assert {name_digest(other, passage.source) for passage in found} <= mine


def name_digest(index: Index, source: str) -> str:
    return index.files()[source].digest


def test_readers_go_on_while_one_writes_a_large_index(index: Index, folder: Path) -> None:
    done = threading.Event()

    def read() -> int:
        looks = 0
        with open_index(folder) as reader:
            while not done.is_set():
                assert all(passage.source for passage, _ in reader.search_dense(queries(1)[0], 10))
                reader.search_lexical(QUESTIONS[looks % len(QUESTIONS)], 10)
                looks += 1
        return looks

    with ThreadPoolExecutor() as threads:
        readers = [threads.submit(read) for _ in range(2)]
        for seed in range(3):
            with index.writing():
                index.remove(sorted(index.files())[:10])
                fill_again(index, [f"{seed}-{number}.txt" for number in range(10)], seed=20 + seed)
        done.set()
        assert all(reader.result() for reader in readers)
    assert index.passage_count() == COUNT
    assert recall(index) >= 0.98


def test_building_a_large_index_tells_its_progress(tmp_path: Path) -> None:
    heard: list[Progress] = []
    with open_index(tmp_path / "new") as index, index.writing(heard.append):
        for file, document, passages, vectors in documents(*pool(), count=1500):
            index.add(file, document, passages, vectors)
    assert {progress.stage for progress in heard} == {"Building the vector index"}
    assert heard[-1].done <= 1500
    assert heard[-1].total == 1500


def fts5(folder: Path, question: str, top_k: int) -> list[tuple[int, float]]:
    connection = sqlite3.connect(folder / "index.sqlite")
    found = connection.execute(RANKED.format(""), (match_any(question_words(question)), top_k)).fetchall()
    connection.close()
    return found


def lexical(index: Index, question: str, top_k: int) -> list[float]:
    return [score for _, score in index.search_lexical(question, top_k)]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_words_of_a_large_index_rank_as_fts5_ranks_them(index: Index, question: str) -> None:
    want = [score for _, score in fts5(index.folder, question, 30)]
    assert lexical(index, question, 30) == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize("question", QUESTIONS[:5])
def test_common_words_are_counted_in_the_best_candidates(
    index: Index, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = dict(fts5(index.folder, question, COUNT))
    monkeypatch.setattr("rag.index.bm25.POSTINGS", 1)
    monkeypatch.setattr("rag.index.bm25.CANDIDATES", 60)
    found = lexical(index, question, 10)
    best = sorted(everything.values(), reverse=True)
    for score in found:  # whatever is found is scored by all its words
        assert min(abs(score - other) for other in best) < 1e-3 * score
    assert found[0] >= 0.9 * best[0]


def test_what_is_new_ranks_among_the_old(index: Index) -> None:
    with index.writing():
        add_one(index, "new.txt", "leave leave leave", queries(1)[0])
    assert index.search_lexical("leaving", 1)[0][0].source == "new.txt"
    with index.writing():
        index.remove(["new.txt"])
    assert index.search_lexical("leaving", 1)[0][0].source != "new.txt"


def test_no_descriptor_or_file_is_left_behind(index: Index, folder: Path) -> None:
    with index.writing():
        index.remove(sorted(index.files())[:10])
    index.close()
    assert sorted(path.name for path in folder.iterdir()) == [
        "index.sqlite",
        "index.sqlite.left",
        "vectors.faiss",
        "writer.lock",
    ]
