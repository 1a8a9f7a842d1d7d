"""Dependencies point one way, the public names are these, and importing them is light."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import rag

ROOT = Path(__file__).parents[1]
LAYERS = [
    {"datatypes", "errors", "exit_status"},
    {
        "chinese",
        "config",
        "harmless",
        "low_bits",
        "markers",
        "places",
        "race",
        "scope",
        "sentences",
        "turnstile",
    },
    {
        "embed",
        "engines",
        "index",
        "load",
        "models",
        "plots",
        "prompt",
        "render",
        "reuse",
        "split",
        "tokenizer",
        "weights",
    },
    {"claims", "evidence", "features", "names", "negation", "quantities", "refuse"},
    {
        "as_written",
        "citations",
        "cite",
        "chat_model",
        "folder",
        "follow_up",
        "nearness",
        "portable",
        "rerank",
        "retrieve",
    },
    {"ahead", "status", "unmentioned"},
    {"chain", "choice", "explain"},
    {"collection", "run"},
    {"pipeline", "setup"},
    {"default"},
    {"benchmark", "doctor"},
    {"evaluate"},
    {"asking", "bars", "chores", "cli", "measuring", "timing", "ui"},
    {"__init__", "__main__"},
]


def rank(module: str) -> int:
    return next(rank for rank, layer in enumerate(LAYERS) if module in layer)


def imports(path: Path) -> set[str]:
    """Return the parts of rag that a file imports when it is loaded."""
    names: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    parts = {name.split(".")[1] for name in names if name.startswith("rag.")}
    return {part for part in parts if part in set().union(*LAYERS)}


def test_dependencies_point_one_way() -> None:
    wrong = []
    for path in sorted((ROOT / "rag").rglob("*.py")):
        part = path.relative_to(ROOT / "rag").parts[0].removesuffix(".py")
        wrong += [
            f"{path.relative_to(ROOT)} imports rag.{name}"
            for name in imports(path) - {part}
            if rank(name) > rank(part)
        ]
    assert wrong == []


def test_every_module_is_in_a_layer() -> None:
    known = set().union(*LAYERS)
    parts = {
        path.name.removesuffix(".py") for path in (ROOT / "rag").iterdir() if not path.name.startswith("__py")
    }
    assert parts - known == set()


def test_the_public_names() -> None:
    assert rag.__all__ == sorted(rag.__all__)
    assert [name for name in rag.__all__ if not hasattr(rag, name)] == []
    modules = {path.stem for path in (ROOT / "rag").glob("*.py")}
    assert modules & set(rag.__all__) == set(), "a name would hide a module"


def test_importing_rag_is_light() -> None:
    code = (
        "import sys, rag; print(sorted({'torch', 'faiss', 'gradio', 'langchain_core'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_changelog_and_the_package_tell_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    top = next(
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line[:4] == "## ["
    )
    assert top.startswith(f"## [{project['version']}]")
    assert rag.__version__ == project["version"]


def test_every_dependency_is_pinned_exactly_and_alike() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {
        line.lower().replace("_", "-")
        for line in (ROOT / ".constraints.txt").read_text(encoding="utf-8").split()
    }
    assert [each for each in wanted if each.lower().replace("_", "-") not in pinned] == []
