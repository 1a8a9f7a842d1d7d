"""`rag evaluate` with real weights over the sample documents: every figure is there, and none is poor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rag.cli import main
from rag.config import Config
from rag.evaluate import Plan, evaluate, read_set

pytestmark = pytest.mark.model

SHARED = Path(__file__).parents[3] / "shared" / "eval"
SET = Path(__file__).parents[1] / "questions" / "samples.jsonl"
COUNTS = {  # of questions that each figure is of: 6 have an answer and 3 have none
    "retrieval": dict.fromkeys(("recall_at_1", "recall_at_3", "recall_at_5", "mrr"), 6),
    "answer": dict.fromkeys(("exact_match", "f1", "contained"), 6),
    "refusal": {"refused_unanswerable": 3, "refused_answerable": 6},
    "latency": dict.fromkeys(("first_token", "total"), 9),
    "tokens": dict.fromkeys(("prompt", "answer", "passages_read"), 9),
}


@pytest.fixture(scope="module")
def figures(real_config: Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("evaluated") / "run.json"
    settings = {
        "--data-dir": str(real_config.data_dir),
        "--model": real_config.model,
        "--embedder": real_config.embedder,
        "--engine": real_config.engine,
        "--max-tokens": str(real_config.max_tokens),
    }
    flags = [part for setting in settings.items() for part in setting]
    assert main(["evaluate", str(SET), "--json", str(file), *flags]) == 0
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize(("name", "least"), [("squad2_en", 0.98), ("cmrc2018_zh", 0.99)])
def test_over_256_paragraphs_the_search_finds_what_it_must(
    name: str, least: float, real_config: Config
) -> None:
    if not (file := SHARED / f"{name}.json").exists():
        pytest.skip("../shared/eval is not on this machine")
    report = evaluate(real_config, read_set(file), Plan(answers=False))
    blocks = report.variants["as set"]
    stages = ("retrieval", "retrieval_dense", "retrieval_lexical")
    fused, dense, lexical = (blocks[stage]["recall_at_5"] for stage in stages)
    assert fused
    assert dense
    assert lexical
    assert fused.n > 500
    assert fused.value >= least
    assert fused.value > max(dense.value, lexical.value)


def test_every_figure_tells_of_how_many_questions(figures: dict[str, Any]) -> None:
    for block, counts in COUNTS.items():
        assert {name: figures[block][name]["n"] for name in counts} == counts
    answered = sum(not each["refused"] for each in figures["questions"] if each["answerable"])
    assert figures["citation"]["recall"]["n"] == answered
    assert 0 < figures["citation"]["precision"]["n"] <= answered
    assert figures["made"]["model"] == "qwen2.5-coder-0.5b-instruct"
    for block in ("retrieval", "answer", "citation", "refusal", "latency"):
        for figure in figures[block].values():
            assert figure["low"] <= figure["value"] <= figure["high"]


def test_the_right_passage_is_found_in_both_languages(figures: dict[str, Any]) -> None:
    assert figures["retrieval"]["recall_at_5"]["value"] == 1.0
    assert figures["retrieval"]["recall_at_1"]["value"] >= 5 / 6
    assert figures["retrieval"]["mrr"]["value"] >= 5 / 6


def test_most_answers_hold_the_fact_and_show_where_it_stands(figures: dict[str, Any]) -> None:
    assert figures["answer"]["contained"]["value"] >= 4 / 6
    assert figures["answer"]["f1"]["value"] >= 0.5
    assert figures["citation"]["precision"]["value"] >= 0.75
    assert figures["citation"]["recall"]["value"] >= 0.75


def test_what_the_documents_do_not_hold_is_refused_and_little_else(figures: dict[str, Any]) -> None:
    assert figures["refusal"]["refused_unanswerable"]["value"] >= 2 / 3
    assert figures["refusal"]["refused_answerable"]["value"] <= 2 / 6


def test_time_passes(figures: dict[str, Any]) -> None:
    first, total = (figures["latency"][name]["value"] for name in ("first_token", "total"))
    assert 0 < first <= total
