"""Whole evaluations with the echo engine, whose answers can be told in advance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rag.cli import main
from rag.config import Config
from rag.errors import ConfigError, InputError
from rag.evaluate import Plan, Variant, evaluate, parse_variant, read_set
from rag.evaluate.compare import compare
from rag.evaluate.page import to_html
from rag.evaluate.report import to_json, to_table
from rag.evaluate.run import _changed, _share_engines
from rag.pipeline import Rag

TEA = "Lusong tea house opened in 1921."
BOATS = "The ferry to Aalness leaves at nine."
WEATHER = "Snow fell on the northern hills."


def squad(folder: Path) -> Path:
    """Three paragraphs, two questions that have an answer and one that has none."""

    def question(key: str, text: str, *answers: str) -> dict[str, Any]:
        return {
            "id": key,
            "question": text,
            "answers": [{"text": answer, "answer_start": 0} for answer in answers],
            "is_impossible": not answers,
        }

    paragraphs = [
        {"context": TEA, "qas": [question("tea", "When did the Lusong tea house open?", "1921")]},
        {"context": BOATS, "qas": [question("boat", "When does the ferry to Aalness leave?", "nine")]},
        {"context": WEATHER, "qas": [question("none", "Quis custodiet ipsos custodes?")]},
    ]
    file = folder / "small.json"
    file.write_text(json.dumps({"data": [{"title": "All", "paragraphs": paragraphs}]}), encoding="utf-8")
    return file


@pytest.fixture
def figures(config: Config, tmp_path: Path) -> dict[str, Any]:
    report = evaluate(config, read_set(squad(tmp_path)), Plan(closed_book=True))
    whole: dict[str, Any] = json.loads(to_json(report))
    return whole


def test_every_figure_is_what_the_echo_engine_must_get(figures: dict[str, Any]) -> None:
    # It copies the first passage: the answer is in it, among 4 other words that count (no article).
    assert figures["retrieval"]["recall_at_1"]["value"] == 1.0
    assert figures["retrieval"]["mrr"]["n"] == 2
    assert figures["answer"]["contained"]["value"] == 1.0
    assert figures["answer"]["exact_match"]["value"] == 0.0
    tea, boat = 2 * 1 / (1 + 6), 2 * 1 / (1 + 6)
    assert figures["answer"]["f1"]["value"] == pytest.approx((tea + boat) / 2)
    assert figures["answer"]["f1_where_answered"] == figures["answer"]["f1"]  # none is refused
    assert figures["citation"]["precision"]["value"] == 1.0
    assert figures["citation"]["recall"]["value"] == 1.0
    assert figures["refusal"]["refused_unanswerable"] | {"low": 0, "high": 0} == {
        "value": 1.0,
        "low": 0,
        "high": 0,
        "n": 1,
    }
    assert figures["refusal"]["refused_answerable"]["value"] == 0.0
    assert figures["latency"]["first_token"]["n"] == 3
    assert figures["closed_book"]["contained"]["value"] == 0.0  # it says the question again


def test_the_report_tells_how_it_was_made_and_every_question(figures: dict[str, Any]) -> None:
    assert figures["made"]["set"] == "small"
    assert (figures["made"]["n"], figures["made"]["seed"]) == (3, 0)
    tea, boat, none = figures["questions"]
    assert tea["ranks"] == {"dense": 1, "lexical": 1, "hybrid": 1}
    assert tea["citations"][0]["quote"] == TEA
    assert boat["answer"].startswith(BOATS[:-1])
    assert none["refused"]
    assert none["reason"]


def test_the_index_of_the_user_is_left_alone(config: Config, tmp_path: Path) -> None:
    evaluate(config, read_set(squad(tmp_path)), Plan(answers=False))
    assert not config.index_dir.exists()


def test_variants_are_asked_the_same_questions_side_by_side(config: Config, tmp_path: Path) -> None:
    plan = Plan(variants=(Variant(name="as set"), parse_variant("max_tokens=2, top-k=1")))
    report = evaluate(config, read_set(squad(tmp_path)), plan)
    whole = json.loads(to_json(report))
    short = whole["variants"]["max_tokens=2, top-k=1"]
    assert whole["variants"]["as set"]["answer"]["contained"]["value"] == 1.0
    assert short["answer"]["contained"]["value"] == 0.0  # two words do not reach the answer
    assert [record["variant"] for record in whole["questions"][:2]] == ["as set", "max_tokens=2, top-k=1"]
    assert "max_tokens=2, top-k=1" in to_table(report)


@pytest.mark.parametrize("order", [("reranker=sentences", "reranker=none"), ("", "reranker=sentences")])
def test_a_stage_that_one_variant_has_is_told_of_it_alone(
    order: tuple[str, str], config: Config, tmp_path: Path
) -> None:
    plan = Plan(variants=tuple(map(parse_variant, order)), answers=False)
    report = evaluate(config, read_set(squad(tmp_path)), plan)
    (row,) = (line for line in to_table(report).splitlines() if "retrieval_reranked.recall_at_1" in line)
    told = ["1.000", "[0.342-1.000]", "n=2"]
    assert row.split()[1:] == (["-", *told] if order[0] == "" else [*told, "-"])
    page = to_html(report)
    assert "recall_at_1, reranker=sentences" in page
    assert page.count("<h3>retrieval_reranked</h3>") == 1


def test_each_question_begins_with_another_variant(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []
    ask = Rag.ask

    def noting(rag: Rag, question: str) -> Any:
        turns.append(rag.config.top_k)
        return ask(rag, question)

    monkeypatch.setattr(Rag, "ask", noting)
    plan = Plan(variants=tuple(parse_variant(f"top_k={each}") for each in (1, 2, 3)))
    report = evaluate(config, read_set(squad(tmp_path)), plan)
    assert turns == [1, 2, 3, 2, 3, 1, 3, 1, 2]
    assert [each.variant for each in report.asked] == ["top_k=1", "top_k=2", "top_k=3"] * 3


def test_an_engine_is_shared_where_nothing_that_shapes_it_differs(config: Config) -> None:
    variants = ("", "top_k=2,caution=1", "passage_tokens=128", "threads=1", "unpacked=on")
    rags = [Rag(_changed(config, parse_variant(said))) for said in variants]
    _share_engines(rags)
    first, asking, indexing, threads, unpacked = (rag.engine for rag in rags)
    assert first is asking is indexing
    assert len({id(first), id(threads), id(unpacked)}) == 3


def test_a_figure_of_no_question_is_there_and_empty(config: Config, tmp_path: Path) -> None:
    lines = tmp_path / "mine.jsonl"
    (config.data_dir / "tea.txt").write_text(TEA, encoding="utf-8")
    lines.write_text(
        '{"question": "When did the Lusong tea house open?", "answers": ["1921"], "document": "tea.txt"}'
    )
    whole = json.loads(to_json(evaluate(config, read_set(lines))))
    assert whole["refusal"]["refused_unanswerable"] == {"value": None, "low": None, "high": None, "n": 0}


def test_reuse_is_asked_with_and_without_by_one_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--engine", "echo", "--embedder", "hashing", "--reuse", "on,off"]
    assert main(["evaluate", str(squad(tmp_path)), *flags, "--json", "figures.json"]) == 0
    told = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert list(told["variants"]) == ["reuse=on", "reuse=off"]
    assert told["made"]["passages"] == "read before"
    assert "reuse=off" in capsys.readouterr().out


def test_what_nobody_chose_stays_unchosen_in_a_variant() -> None:
    """Else the LLM that stands in for the default where no hub is reached would not be used."""
    changed = _changed(Config(engine="echo"), parse_variant("top_k=2"))
    assert (changed.engine, changed.top_k) == ("echo", 2)
    assert changed.model_fields_set == {"engine", "top_k"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("top_k", "'top_k' is not setting=value"),
        ("a=1", "'a' is not a"),
        ("openai-key=sk-1", "openai_key is a secret; set it in rag.toml or as RAG_OPENAI_KEY"),
    ],
)
def test_a_wrong_variant_is_named(config: Config, tmp_path: Path, said: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        evaluate(config, read_set(squad(tmp_path)), Plan(variants=(parse_variant(said),)))


def test_own_questions_are_asked_of_the_users_documents(
    config: Config, write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    write("notes/tea.txt", f"{TEA}\n\n{WEATHER}")
    lines = tmp_path / "mine.jsonl"
    lines.write_text(
        '{"question": "When did the Lusong tea house open?", "answers": ["1921"], '
        f'"document": "notes/tea.txt", "quote": "{TEA}"}}',
        encoding="utf-8",
    )
    report = evaluate(config, read_set(lines))
    recall = report.variants["as set"]["retrieval"]["recall_at_1"]
    assert recall is not None
    assert (recall.value, recall.n) == (1.0, 1)


def test_a_document_that_is_not_there_is_named(config: Config, tmp_path: Path) -> None:
    lines = tmp_path / "mine.jsonl"
    lines.write_text('{"question": "a?", "answers": ["b"], "document": "gone.pdf"}', encoding="utf-8")
    with pytest.raises(InputError, match=r"question 1 asks about 'gone\.pdf', which is not in"):
        evaluate(config, read_set(lines))


def test_unconfirmed_drafts_alone_are_nothing_to_ask(config: Config, tmp_path: Path) -> None:
    lines = tmp_path / "mine.jsonl"
    lines.write_text(
        '{"question": "a?", "answers": ["b"], "document": "c", "confirmed": false}', encoding="utf-8"
    )
    with pytest.raises(InputError, match="no question to ask; 1 wait to be confirmed"):
        evaluate(config, read_set(lines))


class Parsed(HTMLParser):
    """Every start tag, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.said += data


def test_the_page_needs_nothing_else_and_takes_no_text_for_markup(config: Config, tmp_path: Path) -> None:
    file = squad(tmp_path)
    asked = "When did the Lusong tea house open?"
    hostile = f"{asked} <script>alert(1)</script><img src=x>"
    file.write_text(file.read_text(encoding="utf-8").replace(asked, hostile), encoding="utf-8")
    page = Parsed(to_html(evaluate(config, read_set(file))))
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in {"src", "href"}]
    assert hostile in page.said
    assert page.tags.count("svg") == 8  # one a block; the echo engine tells nothing that makes a curve
    assert "1.000 [0.342-1.000] n=2" in page.said  # Wilson's interval of 2 of 2


def test_two_runs_are_compared_question_by_question(config: Config, tmp_path: Path) -> None:
    for name, tokens in (("short.json", 2), ("long.json", 64)):
        changed = config.model_copy(update={"max_tokens": tokens})
        report = evaluate(changed, read_set(squad(tmp_path)))
        (tmp_path / name).write_text(to_json(report), encoding="utf-8")
    said = compare(tmp_path / "short.json", tmp_path / "long.json")
    assert "3 questions in both; long.json less short.json" in said
    assert re.search(r"contained +1\.000 \[1\.000-1\.000\] n=2", said)
    assert re.search(r"citation precision +0\.000 \[0\.000-0\.000\] n=2", said)
    assert "better in long.json: 2" in said
    assert "worse in long.json: 0" in said
    assert "When did the Lusong tea house open?  (right: 1921)" in said
    assert re.search(r"refused_unanswerable +0\.000 \[0\.000-0\.000\] n=1", said)
    assert re.search(r"refused_answerable +0\.000 \[0\.000-0\.000\] n=2", said)


def test_a_run_of_the_search_alone_is_no_better_or_worse_in_its_answers(
    config: Config, tmp_path: Path
) -> None:
    for name, plan in (("asked.json", Plan()), ("searched.json", Plan(answers=False))):
        report = evaluate(config, read_set(squad(tmp_path)), plan)
        (tmp_path / name).write_text(to_json(report), encoding="utf-8")
    said = compare(tmp_path / "asked.json", tmp_path / "searched.json")
    assert "better in searched.json: 0" in said
    assert "worse in searched.json: 0" in said


def test_a_single_variant_is_told_by_its_name(config: Config, tmp_path: Path) -> None:
    plan = Plan(variants=(parse_variant("top_k=2"),))
    table = to_table(evaluate(config, read_set(squad(tmp_path)), plan))
    assert "top_k=2" in table
    assert "engine echo" in table
    assert "low_bit" not in table, "nothing was quantised"


def test_a_question_that_one_run_withheld_is_not_compared(config: Config, tmp_path: Path) -> None:
    report = evaluate(config, read_set(squad(tmp_path)))
    whole = json.loads(to_json(report))
    for name in ("asked.json", "withheld.json"):
        (tmp_path / name).write_text(json.dumps(whole), encoding="utf-8")
        whole["questions"][0] |= {"answerable": False, "answers": [], "withheld": True}
    said = compare(tmp_path / "asked.json", tmp_path / "withheld.json")
    assert "2 questions in both" in said


def test_what_is_no_run_cannot_be_compared(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"other\.json is not a run"):
        compare(file, file)


def test_the_command_writes_both_files_and_prints_the_figures(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "run.json", tmp_path / "run.html"
    flags = ["--engine", "echo", "--embedder", "hashing", "--data-dir", str(config.data_dir)]
    status = main(["evaluate", str(squad(tmp_path)), "--json", str(file), "--html", str(page), *flags])
    assert status == 0
    assert json.loads(file.read_text(encoding="utf-8"))["answer"]["contained"]["value"] == 1.0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert re.search(r"retrieval\.recall_at_1 +1\.000 \[0\.342-1\.000\] n=2", capsys.readouterr().out)
