from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rag.errors import LoadError
from rag.load import load
from rag.load.guard import Loader, load_guarded
from tests.minimal_pdf import minimal_pdf


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "笔记.md"
    path.write_text("# 标题\n\nKaoju 考据", encoding="utf-8")
    return path


def slow_file(folder: Path) -> Path:
    """Return a page that takes many seconds to read."""
    path = folder / "slow.html"
    path.write_text("<p>a</p>" * 3_000_000, encoding="ascii")
    return path


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "rag.load.child" in " ".join(child.cmdline())]


def test_the_document_is_the_one_that_load_makes(note: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "a.pdf"
    pdf.write_bytes(minimal_pdf([[(50, 700, "One")], [(50, 700, "第二页")]]))
    with Loader(timeout=60) as loader:
        for path in (note, pdf):
            assert loader.load(path, source=path.name) == load(path, source=path.name)
    assert load_guarded(note, source="x", timeout=60) == load(note, source="x")


def test_a_load_error_comes_through_and_the_child_goes_on(note: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    with Loader(timeout=60) as loader:
        loader.load(note, source="a")
        before = children()
        with pytest.raises(LoadError, match="the file is empty"):
            loader.load(empty, source="empty.txt")
        assert loader.load(note, source="a").text == "# 标题\n\nKaoju 考据"
        assert children() == before


def test_a_file_that_takes_too_long_is_given_up_and_the_next_is_read(note: Path, tmp_path: Path) -> None:
    with Loader(timeout=2) as loader:
        begun = time.monotonic()
        with pytest.raises(LoadError, match="took longer than 2 seconds"):
            loader.load(slow_file(tmp_path), source="slow.html")
        assert time.monotonic() - begun < 10
        assert loader.load(note, source="a").text.endswith("考据")


def test_a_child_killed_while_reading_is_named_and_replaced(note: Path, tmp_path: Path) -> None:
    path = slow_file(tmp_path)
    killer = f"import os, time; time.sleep(1.5); os.kill({{pid}}, {int(signal.SIGKILL)})"
    with Loader(timeout=60) as loader:
        loader.load(note, source="a")
        (child,) = children()
        with (
            subprocess.Popen([sys.executable, "-c", killer.format(pid=child.pid)]),
            pytest.raises(LoadError, match="ended the reader: it was killed by SIGKILL"),
        ):
            loader.load(path, source="slow.html")
        assert loader.load(note, source="a").text.endswith("考据")


def test_a_child_that_died_between_two_files_is_replaced(note: Path) -> None:
    with Loader(timeout=60) as loader:
        loader.load(note, source="a")
        (child,) = children()
        child.kill()
        child.wait(5)
        assert loader.load(note, source="a").text.endswith("考据")


def test_a_file_larger_than_the_memory_limit_is_refused_and_the_next_is_read(
    note: Path, tmp_path: Path
) -> None:
    path = tmp_path / "sparse.txt"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    with Loader(timeout=60) as loader:
        with pytest.raises(LoadError, match="memory"):
            loader.load(path, source="sparse.txt")
        assert loader.load(note, source="a").text.endswith("考据")


def test_no_child_outlives_its_loader(note: Path) -> None:
    with Loader(timeout=60) as loader:
        loader.load(note, source="a")
        assert len(children()) == 1
    assert children() == []


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_no_child_outlives_a_parent_killed_with_no_time_to_clean_up(
    note: Path, tmp_path: Path, state: str
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from rag.load.guard import Loader\n"
        "loader = Loader(timeout=600); loader.load(Path(sys.argv[1]), source='a')\n"
        "print(loader._child.pid, flush=True)\n"
        "loader.load(Path(sys.argv[2]), source='b') if sys.argv[3] == 'busy' else time.sleep(600)\n"
    )
    arguments = [sys.executable, "-c", code, str(note), str(slow_file(tmp_path)), state]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.5)
        parent.kill()
        parent.wait()
    _, alive = psutil.wait_procs([child], timeout=10)
    assert alive == []


def test_the_child_is_light() -> None:
    code = (
        "import sys, rag.load.child; print({'torch', 'gradio', 'transformers', 'faiss'} & sys.modules.keys())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
