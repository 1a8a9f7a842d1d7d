"""What a scan lists, with git itself as the oracle of the ignore rules."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from rag.errors import ConfigError
from rag.folder.ignore import NAME
from rag.folder.scan import Listing, scan, shown


def look(folder: Path) -> Listing:
    return scan(folder, skip=folder.parent / "index")


def names(folder: Path) -> list[str]:
    return [found.source for found in look(folder).files]


def write_file(path: Path, text: str = "text") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_rules_hold_in_their_folder_and_below_and_the_innermost_decides(data: Path) -> None:
    for name in ("a.log", "keep.log", "sub/b.log", "sub/c.txt", "sub/deep/b.log", "build/x.txt", "d.txt"):
        write_file(data / name)
    write_file(data / NAME, "# logs\n*.log\n!keep.log\nbuild/\n/d.txt\n")
    write_file(data / "sub" / NAME, "!b.log\nc.txt\n")
    listing = look(data)
    assert [found.source for found in listing.files] == ["keep.log", "sub/b.log", "sub/deep/b.log"]
    assert (listing.ignored_files, listing.ignored_folders) == (3, 1)


PATTERNS = [
    "*.txt",
    "!*.txt",
    "a",
    "!a",
    "a/",
    "!a/",
    "/a",
    "b/*",
    "!b/a.md",
    "**/c",
    "c/**",
    "a*b",
    "*/",
    "!*/",
]
PATTERNS += ["[ab]", "?.md", "b/**/a", "\\!a", "a.md ", "*", "!*.md", "!a.md", "/b/c", "c.*", "**/b/"]


def test_git_agrees_about_what_is_ignored(data: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    chance = random.Random(3)
    for _ in range(40):
        shutil.rmtree(data)
        data.mkdir()
        subprocess.run([git, "init", "-q", str(data)], check=True)
        for _ in range(14):
            parts = [chance.choice("abc") for _ in range(chance.randint(0, 3))]
            leaf = data.joinpath(*parts, chance.choice(["a.md", "b.md", "a.txt", "c.txt", "!a.md", "xb.md"]))
            write_file(leaf)
        for folder in [data, *chance.sample([path for path in data.iterdir() if path.is_dir()][:3], k=1)]:
            if not folder.name.startswith(".git"):
                rules = "\n".join(chance.choices(PATTERNS, k=chance.randint(1, 5))) + "\n"
                write_file(folder / NAME, rules)
                write_file(folder / ".gitignore", rules)
        listed = subprocess.run(
            [git, "-C", str(data), "-c", "core.quotepath=off", "ls-files", "-o", "--exclude-standard"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        wanted = sorted(name for name in listed if not Path(name).name.startswith("."))
        assert names(data) == wanted, (data / NAME).read_text()


@pytest.mark.parametrize(
    ("rules", "said"), [(b"\xff\xfe*", "not UTF-8"), (b"a\n" * 600_000, "larger than 1 MB")]
)
def test_rules_that_cannot_be_read_close_their_folder(data: Path, rules: bytes, said: str) -> None:
    write_file(data / "a.txt")
    write_file(data / "secret" / "b.txt")
    (data / "secret" / NAME).write_bytes(rules)
    listing = look(data)
    assert [found.source for found in listing.files] == ["a.txt", "secret"]
    assert said in listing.files[1].reason
    assert listing.hides("secret/b.txt")
    (data / NAME).write_bytes(rules)
    with pytest.raises(ConfigError, match=said):
        look(data)


def test_each_folder_is_looked_into_once_whatever_links_there_are(data: Path) -> None:
    write_file(data / "real" / "a.txt")
    write_file(data / ".store" / "b.txt")
    (data / "real" / "up").symlink_to(data)
    (data / "alias").symlink_to(data / "real")
    (data / "stored").symlink_to(data / ".store")
    (data / "stored again").symlink_to(data / "stored")
    (data / "a.txt").symlink_to(data / "real" / "a.txt")
    for number in range(30):
        (data / f"loop{number}").symlink_to(data)
    assert names(data) == ["a.txt", "real/a.txt", "stored/b.txt"]


def test_links_out_of_the_folder_in_circles_or_into_nothing_say_so(data: Path, tmp_path: Path) -> None:
    write_file(tmp_path / "outside" / "secret.txt")
    (data / "out").symlink_to(tmp_path / "outside")
    (data / "out.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (data / "round").symlink_to(data / "round")
    (data / "nowhere").symlink_to(data / "missing")
    (data / "hidden-by-rule").symlink_to(tmp_path)
    write_file(data / NAME, "hidden-by-rule\n")
    reasons = {found.source: found.reason for found in look(data).files}
    assert reasons.keys() == {"out", "out.txt", "round", "nowhere"}
    assert all("link" in reason for reason in reasons.values())


def test_names_are_shown_in_one_line_and_stay_apart(data: Path) -> None:
    raw = os.fsencode(data)
    for name in (
        b"caf\xe9.txt",
        b"caf\\xe9.txt",
        b"two\nlines.txt",
        b"esc\x1b[31m.txt",
        "乱\u202e码.txt".encode(),
    ):
        Path(os.fsdecode(raw + b"/" + name)).write_bytes(b"text")
    assert names(data) == [
        "caf\\xe9.txt",
        "caf\\xe9.txt (2)",
        "esc\\x1b[31m.txt",
        "two\\x0alines.txt",
        "乱\\u202e码.txt",
    ]


def test_a_very_long_name_and_a_very_deep_folder_are_told_or_read(data: Path) -> None:
    write_file(data / ("长" * 83 + ".txt"))
    here, depth = os.open(data, os.O_RDONLY), 0
    while depth < 20:
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, depth = below, depth + 1
    os.close(here)
    found = {each.source: each.reason for each in look(data).files}
    assert found.pop("长" * 83 + ".txt") == ""
    assert all("name too long" in reason.lower() for reason in found.values())
    assert len(found) == 1


def test_an_empty_folder_where_a_disk_was_is_told_and_hides_its_files(data: Path) -> None:
    write_file(data / "a.txt")
    (data / "disk").mkdir()
    listing = scan(data, skip=data.parent / "index", disks={"disk": 1, "gone": 2})
    assert [found.source for found in listing.files] == ["a.txt", "disk"]
    assert listing.files[1].reason.startswith("the folder cannot be read: the disk that was mounted in it")
    assert listing.hides("disk/deep/b.txt")
    assert not listing.hides("disk2/b.txt")
    assert listing.disks == {"": data.stat().st_ino, "disk": 1}
    write_file(data / "disk" / "b.txt")
    listing = scan(data, skip=data.parent / "index", disks=listing.disks)
    assert [found.reason for found in listing.files] == ["", ""]
    assert listing.disks == {"": data.stat().st_ino}


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a b.txt", "a b.txt"), ("手册.md", "手册.md"), ("a\tb", "a\\x09b"), ("a\u2028b", "a\\u2028b")],
)
def test_only_what_cannot_be_printed_is_escaped(name: str, safe: str) -> None:
    assert shown(name) == safe
