from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from rag.datatypes import Document, Page, Region
from rag.errors import LoadError
from rag.load import load
from rag.load.guard import Loader
from rag.load.limits import MAX_TEXT, cut
from tests import misbehaving
from tests.minimal_pdf import minimal_pdf


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "笔记.md"
    path.write_text("# 标题\n\nKaoju 考据", encoding="utf-8")
    return path


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the child a reader that does what a text says."""
    monkeypatch.setattr("rag.load.process.START", misbehaving.START)


def save(folder: Path, deed: str) -> Path:
    path = folder / f"{deed.split()[0]}.txt"
    path.write_text(deed, encoding="utf-8")
    return path


def load_once(path: Path, *, timeout: float = 60) -> Document:
    with Loader(timeout=timeout) as loader:
        return loader.load(path, source="a")


def ours(process: psutil.Process) -> bool:
    line = " ".join(process.cmdline())
    return "rag.load.child" in line or "misbehaving" in line


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if ours(child)]


def test_the_document_is_the_one_that_load_makes(note: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "a.pdf"
    pdf.write_bytes(minimal_pdf([[(50, 700, "One")], [(50, 700, "第二页")]]))
    with Loader(timeout=60) as loader:
        assert loader.load(note, source="note") == load(note, source="note")
        read, want = loader.load(pdf, source="a.pdf"), load(pdf, source="a.pdf")
    # Boxes aside: pdfium measures a font's stand-in by the fonts that its process has seen before.
    assert replace(read, regions=()) == replace(want, regions=())
    assert [(each.start, each.end) for each in read.regions] == [(0, 3), (5, 8)]


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


@pytest.mark.usefixtures("bad")
@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("segfault", "reading it ended the reader: it was killed by SIGSEGV"),
        ("abort", "reading it ended the reader: it was killed by SIGABRT"),
        ("leave", "reading it ended the reader: it stopped with status 3"),
        ("fork", "reading it ended the reader: it stopped with status 7"),
        ("recurse", "it is nested too deeply to be read"),
        ("raise", "reading it takes more memory than one document may use"),
        ("hoard", "reading it takes more memory than one document may use"),
        ("share", "reading it takes more memory than one document may use"),
        ("deafen", "reading it took longer than 2 seconds"),
        ("hold", "reading it took longer than 2 seconds"),
        ("babble", "reading it ended the reader: it was killed by SIGKILL"),
    ],
)
def test_a_reader_that_fails_in_any_way_costs_one_file_and_leaves_nothing(
    note: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, reason: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Loader(timeout=2 if "longer" in reason else 60) as loader:
        begun = time.monotonic()
        with pytest.raises(LoadError) as caught:
            loader.load(save(tmp_path, deed), source="bad")
        assert str(caught.value) == reason
        assert time.monotonic() - begun < 45
        assert loader.load(note, source="a").text.endswith("考据")
    assert children() == []
    assert list(tmp_path.glob("kaoju-*")) == []


@pytest.mark.usefixtures("bad")
def test_a_worn_child_is_not_blamed_on_a_file(tmp_path: Path) -> None:
    with Loader(timeout=20) as loader:
        loader.load(save(tmp_path, "say first"), source="a")
        (child,) = children()
        path = save(tmp_path, "deafen")
        threading.Timer(1, child.kill).start()
        threading.Timer(1.05, path.write_text, ["say second"]).start()
        assert loader.load(path, source="b").text == "second"


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


@pytest.mark.usefixtures("bad")
def test_what_a_reader_prints_does_not_disturb_its_reply(tmp_path: Path) -> None:
    assert load_once(save(tmp_path, "flood")).text == "it went well"


@pytest.mark.usefixtures("bad")
def test_each_step_renews_the_time_and_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with Loader(timeout=3, advance=told.append) as loader:
        assert loader.load(save(tmp_path, "step 14"), source="a").text == "it went well"
    assert told == [f"page {step}" for step in range(14)]


@pytest.mark.usefixtures("bad")
def test_steps_without_end_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"^reading it takes more than 10,000 steps$"):
        load_once(save(tmp_path, "steps"))
    with pytest.raises(LoadError, match=r"^reading it takes longer than 1 minutes$"):
        load_once(save(tmp_path, "step 1000"), timeout=3)


@pytest.mark.usefixtures("bad")
def test_a_reader_cannot_fill_the_disk_and_writes_in_a_folder_that_goes_with_it(tmp_path: Path) -> None:
    said = load_once(save(tmp_path, "write")).text
    assert said.startswith("File too large in /tmp/kaoju-")
    assert not Path(said.split()[-1]).exists()


@pytest.mark.usefixtures("bad")
def test_a_text_without_end_is_cut_with_a_note(tmp_path: Path) -> None:
    document = load_once(save(tmp_path, "long 12000000"))
    assert MAX_TEXT - 3 <= len(document.text) <= MAX_TEXT
    assert document.notes == (
        "it is very long: only the first 32,000,000 of its 36,000,000 characters were read",
    )


def test_a_document_is_cut_where_its_places_or_notes_become_too_many() -> None:
    regions = tuple(Region(start=n * 2, end=n * 2 + 1, cells=f"A{n}") for n in range(50))
    document = Document(
        source="a",
        digest="",
        text="x " * 50,
        pages=(Page(number=1, start=0, end=60), Page(number=2, start=60, end=100)),
        regions=regions,
        notes=tuple(f"note {n}" for n in range(150)),
    )
    found = cut(document, places=20)
    assert found.text == document.text[:39]
    assert found.regions == regions[:20]
    assert found.pages == (Page(number=1, start=0, end=39),)
    assert found.notes[99:] == (
        "note 99",
        "there are 50 more such notes",
        "it is very long: only the first 39 of its 100 characters were read",
    )
    whole = replace(document, notes=())
    assert cut(whole) is whole


def test_a_child_that_died_between_two_files_is_replaced(note: Path) -> None:
    with Loader(timeout=60) as loader:
        loader.load(note, source="a")
        (child,) = children()
        child.kill()
        child.wait(5)
        assert loader.load(note, source="a").text.endswith("考据")


def test_no_child_outlives_its_loader(note: Path) -> None:
    with Loader(timeout=60) as loader:
        loader.load(note, source="a")
        assert len(children()) == 1
    assert children() == []


@pytest.mark.usefixtures("bad")
def test_what_a_reader_started_ends_with_it(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="longer"):
        load_once(save(tmp_path, f"start {tmp_path}"), timeout=2)
    assert [
        each for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(each.info["cmdline"])
    ] == []


@pytest.mark.usefixtures("bad")
@pytest.mark.parametrize("deed", ["say idle", "deafen", "start other"])
def test_no_child_outlives_a_parent_killed_with_no_time_to_clean_up(tmp_path: Path, deed: str) -> None:
    code = (
        "import sys; from pathlib import Path; import rag.load.process; from rag.load.guard import Loader\n"
        "rag.load.process.START = sys.argv[1]\n"
        "loader = Loader(timeout=600); loader.load(Path(sys.argv[2]), source='a')\n"
        "print(loader._child.pid, loader._child._folder.name, flush=True)\n"
        "loader.load(Path(sys.argv[3]), source='b'); import time; time.sleep(600)\n"
    )
    first = tmp_path / "first.txt"
    first.write_text("say first", encoding="utf-8")
    arguments = [sys.executable, "-c", code, misbehaving.START, str(first), str(save(tmp_path, deed))]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        time.sleep(1)
        family = [psutil.Process(int(pid)), *psutil.Process(int(pid)).children()]
        assert len(family) == 1 + deed.startswith("start")
        parent.kill()
        parent.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert not Path(folder).exists()


@pytest.mark.usefixtures("bad")
def test_a_child_that_hears_nothing_ends_itself_when_its_time_is_over(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import rag.load.process; from rag.load.guard import Loader\n"
        "rag.load.process.START = sys.argv[1]\n"
        "loader = Loader(timeout=3); loader.load(Path(sys.argv[2]), source='a')\n"
    )
    arguments = [sys.executable, "-c", code, misbehaving.START, str(save(tmp_path, "hold"))]
    with subprocess.Popen(arguments) as parent:
        time.sleep(1.5)
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
        parent.wait()
    _, alive = psutil.wait_procs([child], timeout=10)
    assert alive == []


def test_any_thread_may_call(note: Path) -> None:
    found: list[str] = []

    def read() -> None:
        found.extend(loader.load(note, source="a").text for _ in range(20))

    with Loader(timeout=60) as loader:
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(children()) == 1
    assert found == ["# 标题\n\nKaoju 考据"] * 80


@pytest.mark.usefixtures("bad")
def test_a_loader_closed_while_it_reads_blames_no_file(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def read() -> None:
        try:
            loader.load(save(tmp_path, "deafen"), source="a")
        except RuntimeError as exc:
            caught.append(exc)

    loader = Loader(timeout=60)
    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(1)
    loader.close()
    thread.join(5)
    assert [str(exc) for exc in caught] == ["the loader was closed while it read"]
    assert children() == []


def test_the_child_is_light() -> None:
    heavy = "{'torch', 'gradio', 'transformers', 'faiss', 'lxml', 'PIL', 'pypdfium2', 'olefile', 'psutil'}"
    code = f"import sys, rag.load.child; print({heavy} & sys.modules.keys())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"
