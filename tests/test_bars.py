"""Where nobody watches, progress is a line now and then."""

from __future__ import annotations

import pytest

from rag.bars import amount, duration, progress_bars, said
from rag.datatypes import Progress


@pytest.mark.parametrize(
    ("done", "total", "unit", "shown"),
    [
        (12_300_000, 45_600_000, "bytes", "12.3 of 45.6 MB"),
        (12_300_000, None, "bytes", "12.3 MB"),
        (7, 9, "files", "7 of 9 files"),
        (1200, None, "passages", "1,200 passages"),
    ],
)
def test_amounts_in_words(done: float, total: float | None, unit: str, shown: str) -> None:
    assert amount(done, total, unit) == shown


def test_a_log_is_not_flooded(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars() as progress:
        for _ in range(50):
            for done in (0, 3):
                progress(Progress(stage="Embedding", done=done, total=3, unit="passages"))
    assert capsys.readouterr().err == "Embedding: 0 of 3 passages\n"


def test_what_is_known_of_a_sync_is_said() -> None:
    step = Progress(
        stage="Reading documents", done=7, total=9, unit="files", passages=1200, rate=38.4, left=65, failed=1
    )
    assert said(step) == "7 of 9 files, 1,200 passages at 38/s, 1 failed, 1:05 left"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(12, "0:12"), (65.4, "1:05"), (3725, "1:02:05"), (7200, "2:00:00")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
