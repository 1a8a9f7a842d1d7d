"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rag.cli import build_parser
from rag.config import Config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_help_shown_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = next(block for block in blocks("console") if block.startswith("$ rag --help"))
    assert shown.removeprefix("$ rag --help\n") == build_parser().format_help()


def test_nothing_is_left_to_fill_in() -> None:
    assert re.findall(r"^[A-Z_]{4,}$", README, re.MULTILINE) == []


def test_the_settings_shown_are_settings() -> None:
    Config(**tomllib.loads(blocks("toml")[0]))


def test_the_commands_shown_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^\$? ?make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^[\w ]*\b{target}\b[\w ]*:", makefile, re.MULTILINE), target


@pytest.mark.model
@pytest.mark.parametrize("block", blocks("python"), ids=["ask", "stream"])
def test_the_python_shown_runs(block: str, real_config: Config) -> None:
    variables = {
        "RAG_MODEL": real_config.model,
        "RAG_MAX_TOKENS": str(real_config.max_tokens),
        "RAG_INDEX_DIR": str(real_config.index_dir),
        "RAG_DATA_DIR": str(real_config.data_dir),
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run(
        [sys.executable, "-c", block],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip()
