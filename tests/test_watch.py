"""The folder is followed: what changes is indexed soon, whole files only, and trouble passes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rag.folder.watch
from rag.config import Config
from rag.datatypes import SyncReport
from rag.errors import DiskError, RagError
from rag.folder.scan import Found
from rag.folder.steady import Steady
from rag.folder.watch import is_remote
from rag.pipeline import Rag

ROOT = Path(__file__).parents[1]
Write = Callable[[str, str], Path]
PATIENCE = 30.0  # seconds


class Following:
    """A `Rag` that follows its folder in a thread."""

    def __init__(self, rag: Rag) -> None:
        self.rag = rag
        self.told: list[SyncReport | RagError] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=rag.follow, kwargs={"stop": self.stop, "tell": self.told.append}, daemon=True
        )
        self.thread.start()

    def until(self, sign: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not sign():
            assert time.monotonic() < deadline, self.told
            time.sleep(0.05)

    def texts(self) -> dict[str, str]:
        return {
            state.source: self.rag.index.document_text(state.source)
            for state in self.rag.documents()
            if state.state == "indexed"
        }


@pytest.fixture
def following(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Following]:
    for name, value in {"QUIET": 100, "TICK": 100, "STEADY": 0.4, "RETRY": 0.3, "POLL": 200}.items():
        monkeypatch.setattr(rag.folder.watch, name, value)
    with Rag(config) as followed:
        following = Following(followed)
        yield following
        following.stop.set()
        following.thread.join(PATIENCE)
        assert not following.thread.is_alive()


def test_what_is_added_changed_and_removed_is_followed(following: Following, write: Write) -> None:
    path = write("a.txt", "The bridge opened in 1968.")
    following.until(lambda: following.texts() == {"a.txt": "The bridge opened in 1968."})
    path.write_text("The bridge closed in 1999.", encoding="utf-8")
    write("deep/below/b.txt", "Tea is green.")
    wanted = {"a.txt": "The bridge closed in 1999.", "deep/below/b.txt": "Tea is green."}
    following.until(lambda: following.texts() == wanted)
    path.unlink()
    following.until(lambda: list(following.texts()) == ["deep/below/b.txt"])
    write(".kaojuignore", "deep/")
    following.until(lambda: following.texts() == {})


def test_a_file_still_being_written_is_waited_for(following: Following, config: Config) -> None:
    seen: set[str] = set()
    with (config.data_dir / "long.txt").open("w", encoding="utf-8") as file:
        for number in range(15):
            file.write(f"Verse {number}. ")
            file.flush()
            time.sleep(0.1)
            seen |= set(following.texts().values())
    whole = "".join(f"Verse {number}. " for number in range(15)).strip()
    following.until(lambda: following.texts() == {"long.txt": whole})
    assert seen == set()


def test_nothing_is_told_when_nothing_was_done(following: Following, write: Write) -> None:
    write("a.txt", "The bridge opened in 1968.")
    following.until(lambda: bool(following.texts()))
    write(".hidden", "x")
    write("a.txt.part", "x")
    time.sleep(1.0)
    assert len(following.told) == 1


def test_a_folder_that_goes_away_and_comes_back_is_followed_again(
    following: Following, config: Config, write: Write
) -> None:
    write("a.txt", "The bridge opened in 1968.")
    following.until(lambda: bool(following.texts()))
    aside = config.data_dir.with_name("aside")
    config.data_dir.rename(aside)
    following.until(lambda: any(isinstance(news, RagError) for news in following.told))
    assert any("does not exist" in str(news) for news in following.told)
    errors = sum(isinstance(news, RagError) for news in following.told)
    time.sleep(1.0)
    assert sum(isinstance(news, RagError) for news in following.told) == errors
    assert list(following.texts()) == ["a.txt"], "an index is not emptied because its folder is away"
    shutil.copytree(aside, config.data_dir)
    write("b.txt", "Tea is green.")
    following.until(lambda: sorted(following.texts()) == ["a.txt", "b.txt"])


@pytest.mark.parametrize("error", [DiskError("the disk is full"), OverflowError("too large")])
def test_an_error_is_told_once_and_mended_by_trying_again(
    config: Config, write: Write, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(rag.folder.watch, "RETRY", 0.05)
    monkeypatch.setattr(rag.folder.watch, "TICK", 50)
    write("a.txt", "The bridge opened in 1968.")
    stop, told, failures = threading.Event(), list[SyncReport | RagError](), [3]

    def sync(is_steady: Callable[[Found], bool]) -> SyncReport:
        if failures[0]:
            failures[0] -= 1
            raise error
        stop.set()
        return followed.sync()

    with Rag(config) as followed:
        followed.follow(sync, stop=stop, tell=told.append)
    assert [isinstance(news, RagError) for news in told] == [True, False]
    assert str(error) in str(told[0])


def test_a_folder_that_cannot_be_watched_is_looked_at_now_and_then(
    config: Config, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch(*paths: object, **options: object) -> Iterator[set[object]]:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", watch)
    monkeypatch.setattr(rag.folder.watch, "POLL", 100)
    with Rag(config) as followed:
        following = Following(followed)
        write("a.txt", "The bridge opened in 1968.")
        following.until(lambda: list(following.texts()) == ["a.txt"])
        following.stop.set()
        following.thread.join(PATIENCE)


def test_a_network_drive_is_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mount:
        def __init__(self, place: str, kind: str) -> None:
            self.mountpoint, self.fstype = place, kind

    mounts = [Mount("/", "ext4"), Mount(str(tmp_path / "net"), "nfs4"), Mount(str(tmp_path / "net/x"), "xfs")]
    monkeypatch.setattr("psutil.disk_partitions", lambda **_: mounts)
    (tmp_path / "net" / "x").mkdir(parents=True)
    found = [is_remote(tmp_path), is_remote(tmp_path / "net"), is_remote(tmp_path / "net" / "x")]
    assert found == [False, True, False]


def test_polling_sees_changes_too(
    following: Following, config: Config, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    following.stop.set()
    following.thread.join(PATIENCE)
    monkeypatch.setattr(rag.folder.watch, "is_remote", lambda _: True)
    polled = Following(following.rag)
    write("a.txt", "The bridge opened in 1968.")
    polled.until(lambda: list(polled.texts()) == ["a.txt"])
    polled.stop.set()
    polled.thread.join(PATIENCE)


def test_steady_is_what_looks_the_same_for_long_enough_by_our_own_clock() -> None:
    now = [100.0]
    is_steady = Steady(1.0, clock=lambda: now[0])

    def found(size: int, mtime: int = 0) -> Found:
        return Found(source="a", path=Path("a"), size=size, mtime_ns=mtime)

    assert not is_steady(found(1))
    now[0] += 0.6
    assert not is_steady(found(1))
    now[0] += 0.6
    assert not is_steady(found(2))
    now[0] += 0.6
    assert not is_steady(found(2, mtime=-5))
    now[0] += 1.1
    assert is_steady(found(2, mtime=-5))
    assert not is_steady(found(2, mtime=-5)), "what was read once is looked at anew"


def test_ctrl_c_ends_the_following_in_one_line(config: Config, write: Write) -> None:
    write("a.txt", "The bridge opened in 1968.")
    variables = {"RAG_ENGINE": "echo", "RAG_EMBEDDER": "hashing", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "rag", "sync", "--watch"]
    command += ["--data-dir", str(config.data_dir), "--index-dir", str(config.index_dir)]
    with subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("1 added")
        write("b.txt", "Tea is green.")
        assert process.stdout.readline().startswith("1 added")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    lines = [line for line in told.splitlines() if line.startswith("rag: ")]
    assert [line.split()[1] for line in lines] == ["following", "no"]
    assert "Traceback" not in told
