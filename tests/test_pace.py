"""What several tokens at once cost, as it is measured and remembered."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from rag.engines import pace, remembered
from rag.engines.lookup import ALONE
from rag.engines.pace import ROUNDS, costs_here
from rag.engines.remembered import remember
from rag.models.files import read_json

COUNTS = (1, 2, 4, 8, 16)
TAKES = {1: 0.010, 2: 0.012, 4: 0.020, 5: 0.03, 8: 0.040, 16: 0.080}


class Reader:
    """Takes a given time for so many tokens."""

    def __init__(self) -> None:
        self.asked = Counter[int]()

    def __call__(self, count: int) -> None:
        self.asked[count] += 1
        time.sleep(TAKES[count])


def test_it_is_measured_once_for_what_it_depends_on(tmp_path: Path) -> None:
    file, reader = tmp_path / "made" / "pace.json", Reader()
    costs = costs_here(file, {"threads": 2}, reader)
    assert len(costs) == COUNTS[-1]
    assert costs[0] == 1.0
    assert costs[3] < 0.8 * 4 < costs[7] < costs[15]  # ordered far apart, whatever else the machine does
    assert reader.asked == dict.fromkeys(COUNTS, ROUNDS + 1)
    seconds = read_json(file)["seconds"]
    assert all(TAKES[count] <= seconds[str(count)] for count in COUNTS)
    forget_busy(file)
    assert costs_here(file, {"threads": 2}, no_reader) == costs
    costs_here(file, {"threads": 1}, reader)
    assert reader.asked[1] == 2 * (ROUNDS + 1)
    assert read_json(file)["machine"]["threads"] == 1


def forget_busy(file: Path) -> None:
    remember(file, {**read_json(file), "busy": False})


def no_reader(count: int) -> None:
    raise AssertionError(f"it read {count} tokens, though it remembers")


def test_what_was_measured_beside_other_work_is_measured_again_when_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, reader = tmp_path / "pace.json", Reader()
    costs_here(file, {}, reader)
    remember(file, {**read_json(file), "busy": True})
    monkeypatch.setattr(pace, "is_quiet", lambda: False)
    costs_here(file, {}, no_reader)
    monkeypatch.setattr(pace, "is_quiet", lambda: True)
    costs_here(file, {}, reader)
    assert reader.asked[1] == 2 * (ROUNDS + 1)


@pytest.mark.parametrize(
    "harm", ["", "{", "[]", '{"seconds": {"1": 0}}', '{"seconds": {"1": "x"}}', '{"seconds": 3}', "\x00\xff"]
)
def test_a_damaged_file_is_measured_again(tmp_path: Path, harm: str) -> None:
    file, reader = tmp_path / "pace.json", Reader()
    costs_here(file, {}, reader)
    machine = read_json(file)["machine"]
    told = json.loads(harm) if harm.startswith("{") and harm.endswith("}") else None
    file.write_text(harm if told is None else json.dumps({**told, "machine": machine}), encoding="latin-1")
    costs_here(file, {}, reader)
    assert reader.asked[1] == 2 * (ROUNDS + 1)
    assert read_json(file)["machine"] == machine


def test_where_nothing_can_be_written_it_is_measured_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(remembered.logger, "warning", lambda text, *rest: told.append(text % rest))
    (tmp_path / "taken").write_text("a file where a folder should be", encoding="utf-8")
    file, reader = tmp_path / "taken" / "pace.json", Reader()
    for _ in range(2):
        assert len(costs_here(file, {}, reader)) == COUNTS[-1]
    assert reader.asked[1] == 2 * (ROUNDS + 1)
    assert len(told) == 2
    assert f"{file} cannot be written, so what was measured is not remembered" in told[0]
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_no_more_are_measured_than_may_be_read_at_once(tmp_path: Path) -> None:
    reader = Reader()
    assert len(costs_here(tmp_path / "pace.json", {}, reader, most=5)) == 5
    assert set(reader.asked) == {1, 2, 4, 5}
    assert costs_here(tmp_path / "pace.json", {}, no_reader, most=1) == ALONE
