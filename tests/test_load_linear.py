"""Input that makes a careless parser quadratic would take minutes here, and each test ends in time."""

from __future__ import annotations

import contextlib
import time

import pytest

from rag.errors import LoadError
from rag.load import read
from rag.load.source import Source

SIZE = 500_000  # bytes; quadratic cost at a nanosecond a step would be minutes
SECONDS = 20  # of CPU; many times what any of these takes
UNITS = [
    b"<",
    b"[",
    b'"',
    b'"a\\',
    b"/* ",
    b"a,",
    b"<!-- x",
    b"\n",
    b"x:\n",
    b"# ",
    b"=\n",
    b"* a\n",
    b"data:a;base64,A\n",
]
NAMES = [
    "a.txt",
    "a.md",
    "a.html",
    "a.xml",
    "a.json",
    "a.csv",
    "a.yaml",
    "a.rst",
    "a.org",
    "a.java",
    "a.ipynb",
    "a.srt",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", UNITS)
def test_hostile_repetition_is_read_in_linear_time(name: str, unit: bytes) -> None:
    begun = time.process_time()
    with contextlib.suppress(LoadError):
        read(Source(data=b"x" + unit * (SIZE // len(unit)), name=name))
    assert time.process_time() - begun < SECONDS


def test_one_line_of_fifty_megabytes_is_read() -> None:
    content = read(Source(data=b"word " * 10_000_000, name="a.txt"))
    assert len(content.text) == 49_999_999
