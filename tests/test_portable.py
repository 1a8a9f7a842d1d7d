"""An index moves between machines whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rag.config import Config
from rag.datatypes import Vectors
from rag.embed import HashingEmbedder
from rag.errors import ConfigError, IndexMismatchError, LockedError, RagError
from rag.index.lock import writer_lock
from rag.pipeline import Rag
from rag.portable import INCOMING

Write = Callable[[str, str], Path]


class CountingEmbedder(HashingEmbedder):
    """Counts the texts it embeds."""

    def __init__(self) -> None:
        self.embedded = 0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += len(texts)
        return super().embed_passages(texts)


@pytest.fixture
def exported(rag: Rag, write: Write, tmp_path: Path) -> Path:
    for number in range(5):
        write(f"{number}.txt", f"The cabinet {number} holds {number * 7} maps.")
    write("broken.pdf", "%PDF-1.4 nonsense")
    rag.sync()
    file = tmp_path / "index.kaoju"
    described = rag.export_to(file)
    assert (described.documents, described.passages) == (6, 5)
    return file


@pytest.fixture
def other(config: Config, tmp_path: Path) -> Iterator[Rag]:
    """Another machine: the same documents, with other times, and an index of its own."""
    shutil.copytree(config.data_dir, tmp_path / "other" / "data", copy_function=shutil.copyfile)
    folder = tmp_path / "other"
    (folder / "data" / "only-here.txt").write_text("The lamp is lit.", encoding="utf-8")
    with Rag(
        config.model_copy(update={"data_dir": folder / "data", "index_dir": folder / "index"}),
        embedder=CountingEmbedder(),
    ) as other:
        other.sync()
        yield other


def embedded(rag: Rag) -> int:
    assert isinstance(rag.embedder, CountingEmbedder)
    return rag.embedder.embedded


def test_after_an_import_only_what_differs_is_embedded(exported: Path, other: Rag) -> None:
    other.ask("Where is the lamp?")
    before = embedded(other)
    _, kept = other.import_from(exported)
    assert "21 maps" in other.ask("How many maps does cabinet 3 hold?").text
    assert kept
    assert (kept / "index.sqlite").exists()
    assert all(state.source != "only-here.txt" for state in other.documents())
    for path in other.config.data_dir.iterdir():
        os.utime(path, ns=(1, 10**18 + 1))
    report = other.sync()
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 0, 0, 5)
    assert embedded(other) == before + 1
    assert "lit" in other.ask("Is the lamp lit?").text


def test_an_export_during_a_sync_is_of_one_moment(rag: Rag, write: Write, tmp_path: Path) -> None:
    write("a.txt", "The bell rings.")
    rag.sync()
    write("b.txt", "The lamp is lit.")
    files: list[Path] = []

    def export(_: object) -> None:
        files.append(tmp_path / f"{len(files)}.kaoju")
        rag.export_to(files[-1])

    rag.sync(export)
    for file in files:
        rag.import_from(file)
        assert rag.sync().failed == ()


def repacked(file: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def said(members: dict[str, bytes], **changed: object) -> None:
    members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | changed).encode()


def sealed(members: dict[str, bytes], database: bytes) -> None:
    members["index.sqlite"] = database
    said(members, size=len(database), sha256=hashlib.sha256(database).hexdigest())


def with_sql(tmp_path: Path, members: dict[str, bytes], statement: str) -> None:
    path = tmp_path / "changed.sqlite"
    path.write_bytes(members["index.sqlite"])
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    sealed(members, path.read_bytes())


TRIGGER = "CREATE TRIGGER evil AFTER INSERT ON documents BEGIN DELETE FROM documents; END"
OTHER = json.dumps({"dim": 9, "embedder": "x", "format": 9, "passage_tokens": 9, "splitter": 1})


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda m, _: said(m, layout=99, kaoju="9.9"), IndexMismatchError, "exported by Kaoju 9.9"),
        (lambda m, _: said(m, manifest=OTHER), IndexMismatchError, "embedder 'x'"),
        (lambda m, _: said(m, manifest="[]"), RagError, "manifest"),
        (lambda m, _: said(m, kind="cake"), ConfigError, "no exported index"),
        (lambda m, _: said(m, sha256="0"), ConfigError, "not what it was"),
        (lambda m, _: said(m, size=5), ConfigError, "not what it was"),
        (lambda m, _: said(m, size=2**62), RagError, "are free"),
        (lambda m, _: said(m, more=1), ConfigError, "description is damaged"),
        (lambda m, _: m.update({"manifest.json": b"{"}), ConfigError, "description is damaged"),
        (lambda m, _: m.update({"../../evil": b"x"}), ConfigError, "no exported index"),
        (lambda m, _: m.pop("index.sqlite"), ConfigError, "no exported index"),
        (lambda m, _: sealed(m, b"no database" * 999), ConfigError, "database is damaged"),
        (lambda m, t: with_sql(t, m, TRIGGER), ConfigError, "its tables are not those"),
        (lambda m, t: with_sql(t, m, "DROP TABLE vectors"), ConfigError, "its tables are not those"),
    ],
)
def test_what_is_not_whole_or_not_ours_changes_nothing(
    rag: Rag,
    exported: Path,
    tmp_path: Path,
    change: Callable[[dict[str, bytes], Path], None],
    error: type[RagError],
    words: str,
) -> None:
    repacked(exported, lambda members: change(members, tmp_path))
    unchanged(rag, exported, error, words)


def unchanged(rag: Rag, file: Path, error: type[RagError], words: str) -> None:
    before = sorted(path.name for path in rag.config.index_dir.iterdir())
    with pytest.raises(error, match=words) as raised:
        rag.import_from(file)
    assert "\n" not in str(raised.value)
    assert sorted(path.name for path in rag.config.index_dir.iterdir()) == before
    assert "21 maps" in rag.ask("How many maps does cabinet 3 hold?").text


def test_a_file_cut_short_or_flipped_anywhere_changes_nothing(rag: Rag, exported: Path) -> None:
    whole = exported.read_bytes()
    for part in (0.0, 0.3, 0.9, 0.999):
        exported.write_bytes(whole[: int(len(whole) * part)])
        unchanged(rag, exported, ConfigError, "cannot be imported")
    for place in (len(whole) // 3, len(whole) // 2):
        exported.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        unchanged(rag, exported, ConfigError, "cannot be imported")
    exported.unlink()
    unchanged(rag, exported, ConfigError, "does not exist")


def test_a_sync_that_runs_is_not_disturbed(rag: Rag, exported: Path) -> None:
    with writer_lock(rag.config.index_dir), pytest.raises(LockedError):
        rag.import_from(exported)
    assert "21 maps" in rag.ask("How many maps does cabinet 3 hold?").text


def test_an_import_that_a_crash_ended_at_the_last_step_is_finished(config: Config, exported: Path) -> None:
    (config.index_dir / "index.sqlite").rename(config.index_dir / INCOMING)
    for path in config.index_dir.glob("index.sqlite-*"):
        path.unlink()
    with Rag(config) as rag:
        assert "21 maps" in rag.ask("How many maps does cabinet 3 hold?").text


KILLED = """
import os, signal, sys
from pathlib import Path
import rag.portable
from rag.config import Config
from rag.pipeline import Rag
step, file, data, index = sys.argv[1:]
real = getattr(rag.portable, step)
def dying(*args):
    if step != "_take_over":
        real(*args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(rag.portable, step, dying)
config = Config(data_dir=data, index_dir=index, embedder="hashing", engine="echo")
with Rag(config) as rag:
    rag.export_to(Path(file)) if step == "_pack" else rag.import_from(Path(file))
"""


@pytest.mark.parametrize("step", ["_pack", "_unpack", "_take_over"])
def test_a_kill_while_exporting_or_importing_leaves_the_old_or_the_new_and_no_rubbish(
    exported: Path, other: Rag, step: str
) -> None:
    config = other.config
    args = [step, str(exported), str(config.data_dir), str(config.index_dir)]
    root = Path(__file__).parent.parent
    child = subprocess.run([sys.executable, "-c", KILLED, *args], cwd=root, check=False)
    assert child.returncode == -signal.SIGKILL
    with Rag(config) as rag:
        taken_over = "only-here.txt" not in {state.source for state in rag.documents()}
        assert taken_over == (step == "_take_over")
        assert "21 maps" in rag.ask("How many maps does cabinet 3 hold?").text
    assert len(list(config.index_dir.glob("set-aside-*/index.sqlite"))) == taken_over
    with Rag(config) as rag:
        rag.export_to(exported)
        rag.import_from(exported)
    left = [*exported.parent.glob(".*"), *config.index_dir.glob(".*"), *config.index_dir.glob("incoming*")]
    assert left == []


def test_without_an_index_or_a_place_there_is_one_sentence(rag: Rag, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(RagError, match="cannot be written"):
        rag.export_to(tmp_path / "no" / "such" / "file")
    for folder in (Path(), tmp_path):
        with pytest.raises(RagError, match="is a folder; name a file in it"):
            rag.export_to(folder)
    shutil.rmtree(rag.config.index_dir)
    with pytest.raises(ConfigError, match="there is no index"):
        rag.export_to(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_no_other_file_is_written_over(rag: Rag, exported: Path, tmp_path: Path) -> None:
    assert rag.export_to(exported).passages == 5
    precious = tmp_path / "report.pdf"
    precious.write_bytes(b"%PDF-1.4 precious")
    for file in (precious, rag.config.index_dir / "index.sqlite"):
        with pytest.raises(ConfigError, match="exists and is no exported index; name another file"):
            rag.export_to(file)
    assert precious.read_bytes() == b"%PDF-1.4 precious"
    assert rag.index.passage_count() == 5
