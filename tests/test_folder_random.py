"""Whatever happens to a folder between syncs, the index ends as a first sync of the folder would make it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from rag.datatypes import Document
from rag.load import load
from rag.load.guard import Loader
from tests.test_folder import TOKENS, Place, assert_consistent, state_of

ROUNDS: Final = 6
CHANGES: Final = 8  # between two syncs, at most
NAMES: Final = ("a", "b", "报告", "Read me", "deep")
FOLDERS: Final = ("", "one", "one/two", "三", "deep")
ENDINGS: Final = (".txt", ".md", ".MD", ".html", "")
TEXTS: Final = tuple(  # few, so that there are copies, and of few lengths
    f"# {topic}\n\n{sentence}\n"
    for topic in ("Tea", "桥")
    for sentence in ("It is red.", "It is old.", "长江。")
)
BROKEN: Final = b"%PDF-1.7 and then nothing"


class InProcess(Loader):
    """Reads without a child process, which would take most of the time."""

    def load(self, path: Path, *, source: str) -> Document:
        return load(path, source=source, settings=self._settings)


class Folder:
    """A folder in which anything may happen."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root = root
        self.chance = chance

    def change(self) -> None:
        happen: Callable[[], None] = self.chance.choice(
            [
                self.write,
                self.write,
                self.write,
                self.rewrite_unnoticed,
                self.break_one,
                self.delete,
                self.move,
                self.move_and_change,
                self.swap,
                self.copy,
                self.copy,
                self.touch,
                self.change_case,
                self.move_folder,
                self.swap_folders,
                self.delete_folder,
                self.put_in_place_of_the_other_kind,
                self.ignore,
                self.link,
                self.lead_elsewhere,
            ]
        )
        happen()

    def write(self) -> None:
        path = self.place()
        if not path.is_dir():
            path.write_text(self.chance.choice(TEXTS), encoding="utf-8")

    def rewrite_unnoticed(self) -> None:
        """Give a file another content of the same size, and its old time."""
        if (path := self.file()) and (data := path.read_bytes()):
            status = path.stat()
            path.write_bytes(bytes(reversed(data)) if data.isascii() else data)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def break_one(self) -> None:
        path = self.place()
        if not path.is_dir():
            path.write_bytes(BROKEN)

    def delete(self) -> None:
        if path := self.file():
            path.unlink()

    def move(self) -> None:
        path, target = self.file(), self.place()
        if path and not target.is_dir():
            path.rename(target)

    def move_and_change(self) -> None:
        path, target = self.file(), self.place()
        if path and not target.is_dir():
            path.rename(target)
            with target.open("a", encoding="utf-8") as file:
                file.write("And more.")

    def swap(self) -> None:
        path, other = self.file(), self.file()
        if path and other and path != other:
            spare = self.root / "spare.tmp"
            path.rename(spare)
            other.rename(path)
            spare.rename(other)

    def copy(self) -> None:
        path, target = self.file(), self.place()
        if path and not target.is_dir() and not (target.exists() and target.samefile(path)):
            shutil.copy2(path, target)  # with its time

    def touch(self) -> None:
        if path := self.file():
            time = self.chance.choice(
                [1, 10**18, 4 * 10**18]
            )  # long ago, or still to come; few, to be the same
            os.utime(path, ns=(time, time))

    def change_case(self) -> None:
        if path := self.file():
            target = path.with_name(path.name.swapcase())
            if not target.is_dir():
                path.rename(target)

    def move_folder(self) -> None:
        source, target = self.folder(), self.folder()
        if source.is_dir() and not target.is_relative_to(source) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)

    def swap_folders(self) -> None:
        """Exchange the names of two folders, whose files may have the same names, sizes and times."""
        one, other, spare = self.root / "one", self.root / "三", self.root / "spare.tmp"
        if one.is_dir() and other.is_dir():
            one.rename(spare)
            other.rename(one)
            spare.rename(other)

    def delete_folder(self) -> None:
        if (folder := self.folder()).is_dir() and self.chance.random() < 0.3:
            shutil.rmtree(folder)

    def put_in_place_of_the_other_kind(self) -> None:
        """Replace a file by a folder of its name, or a folder by a file."""
        path = self.file() if self.chance.random() < 0.5 else self.folder()
        if path and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
            path.write_text(self.chance.choice(TEXTS), encoding="utf-8")
        elif path and path.exists():
            path.unlink()
            path.mkdir()
            (path / "within.txt").write_text(self.chance.choice(TEXTS), encoding="utf-8")

    def ignore(self) -> None:
        rules = self.root / ".kaojuignore"
        rules.unlink(missing_ok=True)
        if self.chance.random() < 0.7:
            rules.write_text(
                self.chance.choice(["*.md\n", "one/\n", "*\n!*.txt\n", "三/b*\n"]), encoding="utf-8"
            )

    def link(self) -> None:
        path, target = (
            self.place(),
            self.chance.choice([self.file(), self.root / "nowhere", self.root.parent]),
        )
        if target and not path.exists() and not path.is_symlink():
            path.symlink_to(target)

    def lead_elsewhere(self) -> None:
        links = sorted(path for path in self.root.rglob("*") if path.is_symlink() and path.is_file())
        target = self.file()
        if links and target:
            link, target = self.chance.choice(links), target.resolve()
            link.unlink()
            link.symlink_to(target)

    def place(self) -> Path:
        """Return a name for a file, its folder made; a file may be there, or a folder."""
        folder = self.folder() if self.chance.random() < 0.7 else self.root
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:  # a file has the name of one of its folders
            folder = self.root
        path = folder / (self.chance.choice(NAMES) + self.chance.choice(ENDINGS))
        if path.is_symlink():
            path.unlink()
        return path

    def folder(self) -> Path:
        return self.root / self.chance.choice(FOLDERS[1:])

    def file(self) -> Path | None:
        found = sorted(
            path for path in self.root.rglob("*") if path.is_file() and path.name != ".kaojuignore"
        )
        return self.chance.choice(found) if found else None


@pytest.mark.parametrize("seed", range(10))
def test_any_changes_end_in_the_index_of_a_first_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("rag.folder.Loader", InProcess)
    chance = random.Random(seed)
    place = Place(tmp_path / "place")
    folder = Folder(place.data, chance)
    for number in range(ROUNDS):
        for _ in range(chance.randint(1, CHANGES)):
            folder.change()
        report = place.sync()
        anew = Place(tmp_path / f"anew {number}")
        anew.data.rmdir()
        anew.data = place.data
        fresh = anew.sync()
        assert state_of(place.folder) == state_of(anew.folder)
        assert (report.failed, report.passages) == (fresh.failed, fresh.passages)
        assert report.added + report.changed + report.unchanged == fresh.added
        assert place.sync().unchanged == fresh.added
    assert_consistent(place.folder, TOKENS)
