from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rag.folder
from rag.datatypes import Document, Progress, SyncReport, Vectors
from rag.embed import HashingEmbedder
from rag.errors import ConfigError, DiskError, IndexMismatchError, LoadError, LockedError
from rag.folder import sync_folder
from rag.folder.ahead import Ahead
from rag.folder.reader import BUSY
from rag.folder.scan import scan
from rag.index import Index
from rag.load.guard import Loader
from rag.load.source import Settings
from rag.portable import export_index
from rag.split import split

TOKENS = 64
SHARED = Path(__file__).parents[2] / "shared" / "formats"


class CountingEmbedder(HashingEmbedder):
    """Counts the texts it embeds."""

    def __init__(self) -> None:
        self.embedded = 0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += len(texts)
        return super().embed_passages(texts)


class Place:
    """A data folder, its index and an embedder that counts."""

    def __init__(self, base: Path) -> None:
        self.data = base / "data"
        self.folder = base / "index"
        self.embedder = CountingEmbedder()
        self.steps: list[Progress] = []
        self.reading = Settings(ocr=False)
        self.data.mkdir(parents=True)

    def write(self, name: str, text: str) -> Path:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        settle(path)
        return path

    def open(self) -> Index:
        return Index.open_for_sync(
            self.folder, embedder=self.embedder.name, dim=self.embedder.dim, passage_tokens=TOKENS
        )

    def sync(
        self, index: Index | None = None, progress: Callable[[Progress], None] | None = None
    ) -> SyncReport:
        if index is None:
            with self.open() as index:
                return self.sync(index, progress)
        return sync_folder(
            self.data,
            index=index,
            embedder=self.embedder,
            file_timeout=60,
            reading=self.reading,
            progress=progress or self.steps.append,
        )

    def sources(self) -> list[str]:
        with self.open() as index:
            return [state.source for state in index.documents() if state.state == "indexed"]


def settle(path: Path) -> None:
    """Make a file look as old as files usually are, and its time one that a coarse clock can't give."""
    old = path.stat().st_mtime_ns - 60_000_000_000
    os.utime(path, ns=(old, old | 1))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def counts(report: SyncReport) -> tuple[int, int, int, int, int]:
    return report.added, report.changed, report.removed, report.unchanged, len(report.failed)


def test_a_sync_makes_the_index_equal_to_the_folder(place: Place) -> None:
    place.write("a.txt", "The bridge opened in 1968.")
    place.write("手册/规则.md", "# 休假\n\n每年有十五天假。")
    place.write("gone.txt", "Soon to be gone.")
    report = place.sync()
    assert counts(report) == (3, 0, 0, 0, 0)
    assert report.passages == 3
    place.write("a.txt", "The bridge closed in 1999.")
    place.write("new.txt", "Something new.")
    (place.data / "gone.txt").unlink()
    assert counts(place.sync()) == (1, 1, 1, 1, 0)
    with place.open() as index:
        assert [state.source for state in index.documents()] == ["a.txt", "new.txt", "手册/规则.md"]
        assert "1999" in index.search_lexical("bridge", 5)[0][0].text
        assert index.search_lexical("1968 gone", 5) == []
        assert index.search_lexical("休假", 1)[0][0].heading == "休假"


def test_the_second_sync_does_nothing(place: Place) -> None:
    for number in range(5):
        place.write(f"{number}.txt", f"Document number {number}.")
    place.write("bad.txt", "\0\1\2" * 100)
    time.sleep(0.05)  # longer than a tick: what is read within one is looked into again
    place.sync()
    before = {path.name: path.read_bytes() for path in place.folder.iterdir()}
    embedded = place.embedder.embedded
    report = place.sync()
    assert counts(report) == (0, 0, 0, 5, 1)
    assert place.embedder.embedded == embedded
    assert {path.name: path.read_bytes() for path in place.folder.iterdir()} == before


def test_a_rename_or_a_new_time_embeds_nothing(place: Place) -> None:
    path = place.write("a.txt", "The bridge opened in 1968.")
    other = place.write("b.txt", "Tea is green.")
    place.sync()
    embedded = place.embedder.embedded
    path.rename(place.data / "c.txt")
    os.utime(other, ns=(1, 1))
    assert counts(place.sync()) == (1, 0, 1, 1, 0)
    assert counts(place.sync()) == (0, 0, 0, 2, 0)
    assert place.embedder.embedded == embedded
    assert place.sources() == ["b.txt", "c.txt"]


def test_a_copy_is_not_embedded_again(place: Place) -> None:
    place.write("a.txt", "The bridge opened in 1968.")
    place.sync()
    place.write("b.txt", "The bridge opened in 1968.")
    report = place.sync()
    assert (counts(report), report.passages) == ((1, 0, 0, 1, 0), 1)
    assert place.embedder.embedded == 1


def test_a_change_that_keeps_size_and_time_is_seen_when_the_clock_is_coarse(place: Place) -> None:
    tick = (int(time.time()) + 60) * 10**9
    for text, changed in (("The bridge is red.", 0), ("The bridge is new.", 1), ("The bridge is new.", 0)):
        path = place.write("a.txt", text)
        os.utime(path, ns=(tick, tick))
        assert place.sync().changed == changed


def test_a_bad_file_is_named_with_its_reason_and_stops_nothing(place: Place) -> None:
    place.write("a.txt", "Good.")
    place.write("bad.pdf", "%PDF-1.7 and then nothing")
    place.write("z.txt", "Good too.")
    report = place.sync()
    assert counts(report)[:1] == (2,)
    assert [failure.document for failure in report.failed] == ["bad.pdf"]
    assert report.failed[0].reason
    with place.open() as index:
        states = {state.source: state for state in index.documents()}
    assert (states["bad.pdf"].state, states["bad.pdf"].reason) == ("failed", report.failed[0].reason)


def test_a_failed_file_is_tried_again_when_it_changes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("a.txt", "\0\1\2" * 100)
    assert place.sync().failed
    place.write("a.txt", "Mended now.")
    assert counts(place.sync()) == (0, 1, 0, 0, 0)
    place.write("a.txt", "\0\1\2" * 100)
    report = place.sync()
    assert (len(report.failed), report.passages) == (1, 0)


def test_a_failed_file_is_tried_again_by_a_newer_version(place: Place) -> None:
    place.write("a.txt", "Good.")
    place.sync()
    with sqlite3.connect(place.folder / "index.sqlite") as connection:
        connection.execute(
            "UPDATE documents SET content = NULL, reason = 'unknown format', version = '0.0.1'"
        )
    connection.close()
    assert counts(place.sync()) == (0, 1, 0, 0, 0)


def test_a_file_that_vanishes_while_syncing_is_no_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("a.txt", "Stays.")
    path = place.write("b.txt", "Vanishes.")
    place.write("c.txt", "Vanishes, and was indexed.")
    place.sync()
    place.write("a.txt", "Stays, changed.")
    place.write("b.txt", "Vanishes, changed.")

    def step(progress: Progress) -> None:
        if progress.item == "a.txt":
            path.unlink(missing_ok=True)

    with place.open() as index:
        report = sync_folder(
            place.data,
            index=index,
            embedder=place.embedder,
            file_timeout=60,
            reading=Settings(),
            progress=step,
        )
    assert counts(report) == (0, 1, 1, 1, 0)
    assert place.sources() == ["a.txt", "c.txt"]


def test_a_file_that_changes_while_it_is_read_is_seen_by_the_next_sync(place: Place) -> None:
    path = place.write("a.txt", "First version.")

    def step(progress: Progress) -> None:
        if progress.passages:
            path.write_text("Second version.", encoding="utf-8")

    with place.open() as index:
        place.sync(index, step)
        assert index.document_text("a.txt").strip() == "First version."
    assert place.sync().changed == 1
    with place.open() as index:
        assert index.document_text("a.txt").strip() == "Second version."


def test_progress_counts_files_passages_and_failures(place: Place) -> None:
    place.write("a.txt", "word " * 20_000)
    place.write("b.txt", "Short.")
    place.write("c.pdf", "%PDF-1.7 and then nothing")
    report = place.sync()
    assert {(step.stage, step.total, step.unit) for step in place.steps} == {
        ("Reading documents", 3, "files")
    }
    for counted in ("done", "passages", "failed"):
        seen = [getattr(step, counted) for step in place.steps]
        assert seen == sorted(seen)
    last = place.steps[-1]
    assert (last.done, last.passages, last.failed) == (3, report.passages, 1)
    assert last.rate > 0
    assert len({step.passages for step in place.steps if step.item.startswith("a.txt")}) > 2


def test_an_interrupt_keeps_what_is_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.folder.batches.WINDOW", 1)
    for number in range(4):
        place.write(f"{number}.txt", f"Document {number}.")

    def step(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with place.open() as index, pytest.raises(KeyboardInterrupt):
        sync_folder(
            place.data,
            index=index,
            embedder=place.embedder,
            file_timeout=60,
            reading=Settings(),
            progress=step,
        )
    assert place.sources() == ["0.txt", "1.txt"]
    assert counts(place.sync()) == (2, 0, 0, 2, 0)


def test_an_empty_folder_is_fine_and_a_missing_one_is_not(place: Place) -> None:
    assert counts(place.sync()) == (0, 0, 0, 0, 0)
    place.data.rmdir()
    with pytest.raises(ConfigError, match=r"data/ does not exist; create it or set RAG_DATA_DIR"):
        place.sync()


def test_a_folder_whose_disk_is_away_keeps_its_documents(place: Place) -> None:
    place.write("a.txt", "The bridge opened in 1968.")
    place.sync()
    place.data.rename(place.data.with_name("disk"))
    place.data.mkdir()  # what is seen where nothing is mounted
    with pytest.raises(ConfigError, match=r"data/ is empty .* mount it, or run `rag sync --rebuild`"):
        place.sync()
    assert place.sources() == ["a.txt"]
    place.data.rmdir()
    place.data.with_name("disk").rename(place.data)
    assert counts(place.sync()) == (0, 0, 0, 1, 0)
    (place.data / "a.txt").unlink()  # by a person: the folder is still the same
    assert counts(place.sync()) == (0, 0, 1, 0, 0)


def test_a_change_that_keeps_size_and_time_is_seen(place: Place) -> None:
    path = place.write("a.txt", "The bridge is red.")
    old = path.stat().st_mtime_ns
    time.sleep(0.05)
    place.sync()
    for text in ("The bridge is new.", "The bridge is old."):
        time.sleep(0.05)
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(old, old))
        time.sleep(0.05)
        assert counts(place.sync()) == (0, 1, 0, 0, 0)
        with place.open() as index:
            assert index.document_text("a.txt").strip() == text
    path.chmod(0o600)
    time.sleep(0.05)
    place.sync()
    place.steps.clear()
    place.sync()
    assert all(step.stage == "Reading documents" for step in place.steps)  # it is not compared for ever


def test_a_huge_single_line_is_indexed(place: Place) -> None:
    place.write("line.txt", "长江大桥很长，" * 5_000 + "volcano")
    report = place.sync()
    assert report.passages > 300
    with place.open() as index:
        assert "volcano" in index.search_lexical("volcano", 1)[0][0].text


def test_two_syncs_at_once_are_one_and_an_error(place: Place) -> None:
    place.write("a.txt", "Good.")
    errors: list[LockedError] = []

    def step(progress: Progress) -> None:
        try:
            place.sync(second)
        except LockedError as exc:
            errors.append(exc)

    with place.open() as index, place.open() as second:
        sync_folder(
            place.data,
            index=index,
            embedder=place.embedder,
            file_timeout=60,
            reading=Settings(),
            progress=step,
        )
    assert f"process {os.getpid()}" in str(errors[0])
    assert place.sources() == ["a.txt"]


def test_another_passage_size_remakes_the_passages_and_survives_an_interrupt(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.folder.batches.WINDOW", 1)
    for number in range(4):
        place.write(f"{number}.txt", f"A sentence about topic {number}. " * 30)
    before = place.sync().passages

    def step(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    def resync(progress: Callable[[Progress], None]) -> SyncReport:
        with Index.open_for_sync(place.folder, embedder="hashing", dim=1024, passage_tokens=32) as index:
            return sync_folder(
                place.data,
                index=index,
                embedder=place.embedder,
                file_timeout=60,
                reading=Settings(),
                progress=progress,
            )

    with pytest.raises(KeyboardInterrupt):
        resync(step)
    with pytest.raises(IndexMismatchError), place_open(place, TOKENS) as index:
        index.documents()
    with place_open(place, 32) as index:
        assert len(index.search_lexical("sentence", 1000)) > before  # old and new, nothing lost
        assert {p.source for p, _ in index.search_lexical("sentence", 1000)} == {f"{n}.txt" for n in range(4)}
    (place.data / "3.txt").rename(place.data / "9.txt")
    report = resync(place.steps.append)
    assert report.passages > 1.8 * before
    with place_open(place, 32) as index:
        assert index.stale() == []
    assert_consistent(place.folder, 32)


def place_open(place: Place, passage_tokens: int) -> Index:
    return Index.open(place.folder, embedder="hashing", dim=1024, passage_tokens=passage_tokens)


def test_a_damaged_index_is_rebuilt_by_the_sync(place: Place) -> None:
    place.write("a.txt", "The bridge opened in 1968.")
    place.sync()
    (place.folder / "index.sqlite").write_bytes(b"not a database at all, sorry" * 300)
    with place.open() as index:
        assert "set-aside-" in index.notice
        assert counts(place.sync(index)) == (1, 0, 0, 0, 0)
    assert place.sources() == ["a.txt"]


def test_a_file_size_limit_is_one_clear_error_and_loses_nothing(place: Place) -> None:
    place.write("0.txt", "The bridge opened in 1968.")
    place.sync()
    for number in range(1, 60):
        place.write(f"{number}.txt", f"Filler {number}. " * 500)
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, str(place.data), str(place.folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(rag.folder.__file__).parents[1],
    )
    assert child.stdout.startswith("DiskError: cannot"), child.stderr
    with place.open() as index:
        assert index.search_lexical("bridge", 1)[0][0].source == "0.txt"
    assert_consistent(place.folder, TOKENS)
    assert counts(place.sync())[4] == 0
    assert_consistent(place.folder, TOKENS)


LIMITED = """
import resource, signal, sys
from pathlib import Path
from rag.embed import HashingEmbedder
from rag.errors import DiskError
from rag.folder import sync_folder
from rag.load.source import Settings
from rag.index import Index

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
data, folder = map(Path, sys.argv[1:])
e = HashingEmbedder()
with Index.open_for_sync(folder, embedder=e.name, dim=e.dim, passage_tokens=64) as index:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    try:
        sync_folder(
            data, index=index, embedder=e, file_timeout=60, reading=Settings(),
            progress=lambda p: None,
        )
    except DiskError as exc:
        print("DiskError:", exc)
"""


# A process that has everything loaded and forks a sync at every line it reads, so that kills can be many.
NURSERY = """
import os, sys
from pathlib import Path
import faiss
import rag.folder.batches
from rag.embed import HashingEmbedder
from rag.folder import sync_folder
from rag.load.source import Settings
from rag.index import Index
from rag.index.lexical import words

words("长江大桥")
rag.folder.batches.WINDOW = 8  # so that documents are stored all along
e = HashingEmbedder()
data, folder = map(Path, sys.argv[1:])
print("ready", flush=True)
while sys.stdin.readline():
    if (pid := os.fork()) == 0:
        os.setpgid(0, 0)
        with Index.open_for_sync(folder, embedder=e.name, dim=e.dim, passage_tokens=64) as index:
            sync_folder(
                data, index=index, embedder=e, file_timeout=60, reading=Settings(ocr=False),
                progress=lambda p: os.write(1, b"step\\n"),
            )
        os.write(1, b"done\\n")
        os._exit(0)
    print("pid", pid, flush=True)
    sys.stdin.readline()  # until it is reaped, nothing else can have its number
    print("ended", os.waitpid(pid, 0)[1], flush=True)
"""


@pytest.fixture
def nursery(place: Place) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(place.data), str(place.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(rag.folder.__file__).parents[1],
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with child:
        yield child
        child.kill()


def test_a_kill_at_any_moment_loses_nothing(place: Place, nursery: subprocess.Popen[str]) -> None:
    chance = random.Random(5)
    for number in range(12):
        place.write(f"{number}.md", body(chance, number))
    mixed_formats(place, chance)
    killed = 0
    while killed < 100:
        shuffle_files(place, chance)
        killed += killed_somewhere(nursery, chance)
        if (place.folder / "index.sqlite").exists():
            assert_consistent(place.folder, TOKENS)
    place.sync()
    assert_consistent(place.folder, TOKENS)
    undisturbed = Place(place.data.parent / "other")
    undisturbed.data.rmdir()
    place.data.rename(undisturbed.data)
    undisturbed.sync()
    assert state_of(place.folder) == state_of(undisturbed.folder)


def killed_somewhere(nursery: subprocess.Popen[str], chance: random.Random) -> bool:
    """Start a sync, kill it after some of its steps, and say whether it had not ended by then."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    print("go", file=nursery.stdin, flush=True)
    pid, steps = 0, chance.randrange(40)
    while not pid or steps > 0:
        line = nursery.stdout.readline()
        if line.startswith("pid "):
            pid = int(line.split()[1])
        elif line == "done\n":
            steps = 0
        steps -= 1
    time.sleep(chance.uniform(0, 0.03))
    os.kill(pid, signal.SIGKILL)
    print("killed", file=nursery.stdin, flush=True)
    while not (line := nursery.stdout.readline()).startswith("ended "):
        pass
    return os.WIFSIGNALED(int(line.split()[1]))


def mixed_formats(place: Place, chance: random.Random) -> None:
    """Write what is no Markdown: other formats and encodings, copies, and what cannot be read."""
    from docx import Document as Word

    place.write("page.html", f"<h1>Bridge</h1><p>{body(chance, 1)}</p>")
    place.write("table.csv", "city,bridge\n" + "".join(f"town {n},{n}\n" for n in range(30)))
    place.write("data.json", json.dumps([{"city": n, "tea": chance.random()} for n in range(20)]))
    (place.data / "gbk.txt").write_bytes("每年有十五天假，仓库的钥匙由门卫保管。\n".encode("gbk") * 9)
    (place.data / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    word = Word()
    word.add_heading("Harbour", 1)
    word.add_paragraph(body(chance, 2))
    word.save(str(place.data / "harbour.docx"))
    with zipfile.ZipFile(place.data / "all.zip", "w") as archive:
        archive.write(place.data / "gbk.txt", "deep/gbk.txt")
        archive.writestr("note.md", body(chance, 3))
    for name in ("page.html", "gbk.txt", "broken.pdf", "harbour.docx"):
        shutil.copy(place.data / name, place.data / f"copy of {name}")
    for name in ("eml/fake-email-attachment.eml", "csv/semicolon-delimited.csv", "docx/docx-hdrftr.docx"):
        if (SHARED / name).exists():
            shutil.copy(SHARED / name, place.data / Path(name).name)


def body(chance: random.Random, number: int) -> str:
    topics = ["bridge", "tea", "engine", "长江大桥建成通车", "龙井茶产于杭州", "每年有十五天假"]
    lines = [f"{chance.choice(topics)} {number} {chance.random()}." for _ in range(chance.randint(1, 40))]
    return f"# Topic {number}\n\n" + "\n".join(lines)


def shuffle_files(place: Place, chance: random.Random) -> None:
    files = sorted(place.data.glob("*.md"))
    for path in chance.sample(files, 5):
        path.write_text(body(chance, chance.randrange(1000)), encoding="utf-8")
    path, gone = chance.sample(files, 2)
    path.rename(place.data / f"{chance.randrange(10**6)}.md")
    gone.unlink()
    place.write(f"{chance.randrange(10**6)}.md", body(chance, 7))


def assert_consistent(folder: Path, passage_tokens: int) -> None:
    """Every document is wholly there or not at all, in the tables, the lexical index and FAISS alike."""
    embedder = HashingEmbedder()
    with Index.open(folder, embedder="hashing", dim=1024, passage_tokens=passage_tokens) as index:
        found = {p.id for p, _ in index.search_dense(embedder.embed_query("tea"), index.passage_count() + 10)}
        for state in index.documents():
            if state.state == "indexed":
                document = index.document(state.source)
                want = split(document, token_offsets=embedder.token_offsets, passage_tokens=passage_tokens)
                assert len(want) == state.passages
    connection = sqlite3.connect(folder / "index.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.execute("INSERT INTO lexicon(lexicon) VALUES ('integrity-check')")
    connection.rollback()
    assert found == {row[0] for row in connection.execute("SELECT id FROM passages")}
    numbers = connection.execute("SELECT number FROM passages ORDER BY number").fetchall()
    assert connection.execute("SELECT rowid FROM lexicon ORDER BY rowid").fetchall() == numbers
    orphans = "SELECT key FROM contents WHERE key NOT IN (SELECT content FROM documents)"
    assert connection.execute(orphans).fetchall() == []
    for text, start, stop, passage, vector in connection.execute(
        "SELECT contents.text, start, stop, passages.text, vector "
        "FROM passages JOIN contents ON contents.number = content "
        "JOIN vectors ON vectors.number = passages.number"
    ):
        assert text[start:stop] == passage
        assert len(vector) == 4096
    connection.close()


def state_of(folder: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "index.sqlite")
    found = connection.execute(
        "SELECT source, reason, id, start, heading, passages.text, vector, words "
        "FROM documents LEFT JOIN contents ON key = documents.content "
        "LEFT JOIN passages ON passages.content = contents.number "
        "LEFT JOIN vectors ON vectors.number = passages.number "
        "LEFT JOIN lexicon ON lexicon.rowid = passages.number "
        "ORDER BY source, start"
    ).fetchall()
    connection.close()
    return found


def test_names_that_are_not_utf8_are_shown_safely(place: Place) -> None:
    raw = os.fsencode(place.data) + b"/caf\xe9.txt"
    Path(os.fsdecode(raw)).write_text("The café is open.", encoding="utf-8")
    assert place.sync().added == 1
    assert place.sources() == ["caf\\xe9.txt"]
    assert counts(place.sync()) == (0, 0, 0, 1, 0)


def test_hidden_temporary_and_special_files_are_left_out(place: Place, tmp_path: Path) -> None:
    for name in (".hidden", "~$a.docx", "a.txt~", "a.swp", "b.part", ".git/config", "Thumbs.db", "ok.txt"):
        place.write(name, "text")
    os.mkfifo(place.data / "pipe.txt")
    assert [found.source for found in scan(place.data, skip=place.folder).files] == ["ok.txt"]


def test_links_are_followed_within_the_folder_only(place: Place, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    place.write("a.txt", "Inside.")
    (place.data / "inside.txt").symlink_to(place.data / "a.txt")
    (place.data / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (place.data / "nowhere.txt").symlink_to(place.data / "missing")
    (place.data / "round.txt").symlink_to(place.data / "round.txt")
    (place.data / "folder").symlink_to(tmp_path)
    (place.data / "loop").symlink_to(place.data)
    report = place.sync()
    assert place.sources() == ["a.txt", "inside.txt"]
    reasons = {failure.document: failure.reason for failure in report.failed}
    assert "leads out" in reasons["outside.txt"]
    assert "leads nowhere" in reasons["nowhere.txt"]
    assert reasons.keys() == {"folder", "nowhere.txt", "outside.txt", "round.txt"}
    assert counts(place.sync()) == (0, 0, 0, 2, 4)


def test_an_index_below_the_data_folder_is_not_a_document(place: Place) -> None:
    place.write("a.txt", "Good.")
    place.folder = place.data / "index"
    assert counts(place.sync()) == (1, 0, 0, 0, 0)
    assert counts(place.sync()) == (0, 0, 0, 1, 0)


def test_a_folder_that_may_not_be_read_keeps_its_documents(unprivileged: Place) -> None:
    place = unprivileged
    place.write("closed/a.txt", "Good.")
    place.sync()
    (place.data / "closed").chmod(0)
    with as_nobody(place.folder):
        report = place.sync()
    assert (report.removed, [failure.document for failure in report.failed]) == (0, ["closed"])
    (place.data / "closed").chmod(0o755)
    assert counts(place.sync()) == (0, 0, 1, 1, 0)


def test_a_file_that_may_not_be_read_is_tried_again_every_time(unprivileged: Place) -> None:
    place = unprivileged
    path = place.write("a.txt", "Good.")
    path.chmod(0)
    with place.open() as index, index.writing():
        pass
    with as_nobody(place.folder):
        report = place.sync()
        assert "Permission denied" in report.failed[0].reason
    path.chmod(0o644)
    assert counts(place.sync()) == (0, 1, 0, 0, 0)
    embedded = place.embedder.embedded
    path.chmod(0)
    with as_nobody(place.folder):  # what was read of it still holds
        assert counts(place.sync()) == (0, 0, 0, 1, 0)
        with place.open() as index:
            assert index.search_lexical("good", 1)[0][0].source == "a.txt"
    path.chmod(0o644)
    assert counts(place.sync()) == (0, 0, 0, 1, 0)
    assert place.embedder.embedded == embedded


@pytest.fixture
def unprivileged() -> Iterator[Place]:
    """A place that a user other than root can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as base:
        Path(base).chmod(0o755)
        yield Place(Path(base))


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Lose root's rights for a while, keeping the index writable; do nothing without such rights."""
    folder.chmod(0o777)
    for path in folder.iterdir():
        path.chmod(0o666)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_memory_stays_flat_over_many_files(place: Place) -> None:
    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB

    place.write("first.txt", body(random.Random(0), 0))
    place.sync()
    for number in range(80):
        place.write(f"{number}.txt", f"{number} " + "A sentence about tea. " * 300)
    before = peak()
    report = place.sync()
    vectors = report.passages * HashingEmbedder.dim * 4 // 1024
    assert peak() - before < 60_000 + 4 * vectors
    assert np.isfinite(report.seconds)


def test_files_that_change_places_embed_nothing(place: Place) -> None:
    one = place.write("one.txt", "The bridge is red.")
    two = place.write("two.txt", "The tea is green.")
    place.sync()
    embedded = place.embedder.embedded
    spare = place.data / "spare"
    for path, name in ((one, spare), (two, one), (spare, two)):
        path.rename(name)
    os.utime(one, ns=(1, 10**18 + 1))
    os.utime(two, ns=(1, 10**18 + 7))
    assert counts(place.sync()) == (0, 2, 0, 0, 0)
    with place.open() as index:
        assert index.document_text("one.txt").strip() == "The tea is green."
        assert index.document_text("two.txt").strip() == "The bridge is red."
    assert place.embedder.embedded == embedded


def test_folders_that_change_places_and_a_link_that_leads_elsewhere_are_seen(place: Place) -> None:
    texts = {
        "one/a.txt": "The bridge is red.",
        "two/a.txt": "The bridge is old.",
        "b.txt": "The bridge is new.",
    }
    for name, text in texts.items():
        os.utime(place.write(name, text), ns=(10**18, 10**18))  # as out of an archive
    (place.data / "link.txt").symlink_to("one/a.txt")
    time.sleep(0.05)
    place.sync()
    time.sleep(0.05)
    for old, new in (("one", "spare"), ("two", "one"), ("spare", "two")):
        (place.data / old).rename(place.data / new)
    (place.data / "link.txt").unlink()
    (place.data / "link.txt").symlink_to("b.txt")
    time.sleep(0.05)
    assert counts(place.sync()) == (0, 3, 0, 1, 0)
    with place.open() as index:
        held = {name: index.document_text(name).strip() for name in place.sources()}
    assert held == {
        "b.txt": texts["b.txt"],
        "link.txt": texts["b.txt"],
        "one/a.txt": texts["two/a.txt"],
        "two/a.txt": texts["one/a.txt"],
    }
    assert place.embedder.embedded == 3
    place.steps.clear()
    assert counts(place.sync()) == (0, 0, 0, 4, 0)
    assert all(step.stage == "Reading documents" for step in place.steps)  # nothing is compared for ever


def test_a_name_that_changes_its_case_alone_embeds_nothing(place: Place) -> None:
    path = place.write("README.md", "The bridge is red.")
    place.sync()
    path.rename(place.data / "readme.md")
    assert counts(place.sync()) == (1, 0, 1, 0, 0)
    assert (place.sources(), place.embedder.embedded) == (["readme.md"], 1)


def test_copies_in_one_sync_are_read_and_embedded_once_and_cited_under_every_name(place: Place) -> None:
    for name in ("a.txt", "deep/b.txt", "c.txt"):
        place.write(name, "The bridge opened in 1968.")
    report = place.sync()
    assert (counts(report), report.passages, place.embedder.embedded) == ((3, 0, 0, 0, 0), 1, 1)
    (place.data / "a.txt").unlink()
    assert counts(place.sync()) == (0, 0, 1, 2, 0)
    with place.open() as index:
        passage = index.search_lexical("bridge", 1)[0][0]
    assert (passage.source, passage.also) == ("c.txt", ("deep/b.txt",))


def test_what_is_ignored_leaves_the_index_and_comes_back(place: Place) -> None:
    place.write("private/a.txt", "The bridge opened in 1968.")
    place.write("b.txt", "Tea is green.")
    place.sync()
    rules = place.write(".kaojuignore", "private/\n")
    report = place.sync()
    assert (counts(report), report.ignored) == ((0, 0, 1, 1, 0), 1)
    assert place.sources() == ["b.txt"]
    rules.unlink()
    assert counts(place.sync()) == (1, 0, 0, 1, 0)


class Restless(Loader):
    """Reads a file that is written to while it is read, so many times."""

    times = 0

    def load(self, path: Path, *, source: str) -> Document:
        document = super().load(path, source=source)
        if Restless.times:
            Restless.times -= 1
            with path.open("a", encoding="utf-8") as file:
                file.write(" And more.")
        return document


@pytest.mark.parametrize(("times", "reason"), [(2, ""), (9, BUSY)])
def test_a_file_written_to_while_it_is_read_is_read_again_or_left(
    place: Place, monkeypatch: pytest.MonkeyPatch, times: int, reason: str
) -> None:
    monkeypatch.setattr("rag.folder.Loader", Restless)
    monkeypatch.setattr(Restless, "times", times)
    path = place.write("log.txt", "The first line.")
    report = place.sync()
    assert [failure.reason for failure in report.failed] == ([reason] if reason else [])
    monkeypatch.setattr(Restless, "times", 0)
    settle(path)
    place.sync()
    with place.open() as index:
        assert index.document_text("log.txt").strip() == path.read_text(encoding="utf-8").strip()


def test_a_copy_that_is_touched_before_its_turn_is_read_all_the_same(place: Place) -> None:
    for name in ("a.txt", "b.txt"):
        place.write(name, "The bell rings at noon.")
    place.write("c.txt", "The pier is long.")
    touched: list[Progress] = []

    def touch(step: Progress) -> None:
        if not touched:
            (place.data / "a.txt").chmod(0o600)
        touched.append(step)

    place.sync(progress=touch)
    assert place.sources() == ["a.txt", "b.txt", "c.txt"]


def test_a_file_of_the_far_future_is_a_file_like_any_other(place: Place) -> None:
    place.write("a.txt", "The bell rings at noon.")
    far = place.write("b.txt", "The pier is long.")
    place.write("c.txt", "The boat is red.")
    subprocess.run(["touch", "-d", "2400-01-01", str(far)], check=True)
    assert counts(place.sync())[0] == 3
    assert place.sources() == ["a.txt", "b.txt", "c.txt"]
    assert counts(place.sync())[3] == 3


def test_other_reading_settings_try_again_what_failed_or_was_read_in_part(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    class Picky(Loader):
        def load(self, path: Path, *, source: str) -> Document:
            read.append(source)
            document = super().load(path, source=source)
            if not self._settings.passwords and source == "locked.txt":
                raise LoadError("it is encrypted")
            if not self._settings.passwords and source == "half.txt":
                return replace(document, text="Half.", notes=("an attachment is encrypted",))
            return document

    monkeypatch.setattr("rag.folder.Loader", Picky)
    for name in ("locked.txt", "half.txt", "whole.txt"):
        place.write(name, f"The bridge of {name} is red.")
    place.sync()
    place.sync()
    assert sorted(read) == ["half.txt", "locked.txt", "whole.txt"]
    place.reading = Settings(passwords=("secret",))
    assert counts(place.sync())[4] == 0
    assert sorted(read[3:]) == ["half.txt", "locked.txt"]
    with place.open() as index:
        assert index.document_text("half.txt").strip() == "The bridge of half.txt is red."
        assert [state.notes for state in index.documents()] == [(), (), ()]
    assert b"secret" not in (place.folder / "index.sqlite").read_bytes()


def test_a_clock_that_jumps_hides_no_change(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.write("a.txt", "The bridge is red.")
    for number, jump in enumerate((10**9, -(10**9), 0)):
        now = time.time() + jump
        monkeypatch.setattr("rag.folder.reader.time.time", lambda now=now: now)
        path.write_text(f"The bridge is {number}.", encoding="utf-8")
        os.utime(path, (now, now))
        assert place.sync().changed == (number > 0)
        with place.open() as index:
            assert index.document_text("a.txt").strip() == f"The bridge is {number}."
        assert counts(place.sync()) == (0, 0, 0, 1, 0)


def test_a_read_only_index_is_one_clear_error_and_still_answers(unprivileged: Place) -> None:
    place = unprivileged
    place.write("a.txt", "The bridge opened in 1968.")
    place.sync()
    place.write("b.txt", "Tea is green.")
    with as_nobody(place.folder):
        pass
    for path in place.folder.iterdir():
        path.chmod(0o444)
    place.folder.chmod(0o555)
    out = place.data.with_name("out")
    out.mkdir()
    out.chmod(0o777)
    user = os.geteuid()
    os.seteuid(65534) if user == 0 else None
    try:
        with pytest.raises(DiskError, match=r"^cannot [^\n]+$"):
            place.sync()
        with place_open(place, TOKENS) as index:
            assert index.search_lexical("bridge", 1)[0][0].source == "a.txt"
        assert export_index(place.folder, out / "index.kaoju").passages == 1
    finally:
        os.seteuid(user)
        place.folder.chmod(0o755)


def test_memory_does_not_grow_with_what_waits_to_be_embedded() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    with Ahead(items(), weigh=lambda _: 10_000_000, interrupt=lambda: None) as ahead:
        taken = 0
        for item in ahead:
            if item is not None:
                taken += 1
                time.sleep(0.001)
                assert len(made) <= taken + 5
    assert taken == 1000
