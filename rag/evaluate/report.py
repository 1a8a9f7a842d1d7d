"""What was asked -> figures with n and 95 % intervals, as JSON and as a table for the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log2
from typing import Any, Final, TypeAlias

from rag.datatypes import Answer
from rag.evaluate.curve import RefusalCurve, curve_lines, curve_of, curve_record
from rag.evaluate.figures import Figure, mean_of, median_of
from rag.evaluate.run import STAGES, Asked, Stage

Block: TypeAlias = dict[str, Figure | None]
Blocks: TypeAlias = dict[str, Block]

CUTS: Final = (1, 3, 5)
NOTHING: Final = {"value": None, "low": None, "high": None, "n": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One evaluation: how it was made, its figures by variant, and every question."""

    made: Mapping[str, Any]  # set, n, seed, model, engine, embedder, machine, version
    variants: Mapping[str, Blocks]
    curves: Mapping[str, RefusalCurve]  # of the variants that have one
    asked: Sequence[Asked]


def summarise(asked: Sequence[Asked], *, made: Mapping[str, Any]) -> Report:
    """Compute all figures, each over the questions it makes sense for."""
    names = dict.fromkeys(each.variant for each in asked)
    by_variant = {name: [each for each in asked if each.variant == name] for name in names}
    curves = {name: curve_of(some) for name, some in by_variant.items()}
    return Report(
        made=made,
        variants={name: _blocks(some) for name, some in by_variant.items()},
        curves={name: curve for name, curve in curves.items() if curve},
        asked=asked,
    )


def _blocks(asked: Sequence[Asked]) -> Blocks:
    answerable = [each for each in asked if each.question.answerable]
    blocks: Blocks = {"retrieval": _retrieval(answerable, "hybrid")}
    blocks.update(
        {
            f"retrieval_{stage}": _retrieval(answerable, stage)
            for stage in STAGES
            if stage != "hybrid" and all(stage in each.ranks for each in asked)
        }
    )
    answered = [(each, each.answer) for each in asked if each.answer is not None]
    if answered:
        blocks.update(_answering(answered))
    if any(each.closed_book is not None for each in asked):
        scores = [each.closed_book_scored for each in answerable if each.closed_book_scored]
        blocks["closed_book"] = {
            name: mean_of([getattr(score, name) for score in scores])
            for name in ("exact_match", "f1", "contained")
        }
    return blocks


def _retrieval(asked: Sequence[Asked], stage: Stage) -> Block:
    ranks = [each.ranks[stage] for each in asked]
    block = {
        f"recall_at_{cut}": mean_of([float(bool(rank and rank <= cut)) for rank in ranks]) for cut in CUTS
    }
    block["mrr"] = mean_of([1 / rank if rank else 0.0 for rank in ranks])
    block["ndcg_at_5"] = mean_of([1 / log2(rank + 1) if rank and rank <= CUTS[-1] else 0.0 for rank in ranks])
    return block


def _answering(answered: Sequence[tuple[Asked, Answer]]) -> Blocks:
    scored = [(each, each.scored) for each, _ in answered if each.scored]
    with_gold = [score for each, score in scored if each.found]
    said = [score for each, score in scored if each.answer and not each.answer.refused]
    cited = [each.cited for each, _ in answered if each.cited]
    refused = {
        kind: [float(answer.refused) for each, answer in answered if each.question.answerable == kind]
        for kind in (True, False)
    }
    return {
        "answer": {
            "exact_match": mean_of([score.exact_match for _, score in scored]),
            "f1": mean_of([score.f1 for _, score in scored]),
            "contained": mean_of([score.contained for _, score in scored]),
            "f1_where_found": mean_of([score.f1 for score in with_gold]),
            "f1_where_answered": mean_of([score.f1 for score in said]),
            "contained_where_found": mean_of([score.contained for score in with_gold]),
        },
        "citation": {
            "precision": mean_of([each.precision for each in cited if each.precision is not None]),
            "recall": mean_of([each.recall for each in cited if each.recall is not None]),
        },
        "refusal": {
            "refused_unanswerable": mean_of(refused[False]),
            "refused_answerable": mean_of(refused[True]),
        },
        **_costs([answer for _, answer in answered]),
    }


def _costs(said: Sequence[Answer]) -> Blocks:
    return {
        "latency": {
            "first_token": median_of([answer.timings.first_token for answer in said]),
            "total": median_of([answer.timings.total for answer in said]),
        },
        "tokens": {
            "prompt": mean_of([float(answer.usage.prompt_tokens) for answer in said]),
            "prompt_reused": mean_of([float(answer.usage.cached_tokens) for answer in said]),
            "answer": mean_of([float(answer.usage.answer_tokens) for answer in said]),
            "passages_read": mean_of([float(_read(answer)) for answer in said]),
        },
    }


def _read(answer: Answer) -> int:
    """Return how many passages the LLM read; an answer made without it only quotes some."""
    if not answer.usage.prompt_tokens:
        return 0
    return sum(hit.marker > 0 or hit.left_out == "doubted" for hit in answer.hits)


def to_json(report: Report) -> str:
    """Return the first variant's figures at the top, all variants below `variants`, and every question."""
    blocks = {
        name: _plain(figures)
        | ({"refusal_curve": curve_record(report.curves[name])} if name in report.curves else {})
        for name, figures in report.variants.items()
    }
    first = next(iter(blocks.values()))
    whole = {
        **first,
        "made": dict(report.made),
        "variants": blocks,
        "questions": [question_record(each) for each in report.asked],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1)


def _plain(blocks: Blocks) -> dict[str, dict[str, Any]]:
    """Return every figure; one of no question at all has a null value, and n is 0."""
    return {
        name: {key: asdict(figure) if figure else NOTHING for key, figure in block.items()}
        for name, block in blocks.items()
    }


def question_record(asked: Asked) -> dict[str, Any]:
    """Return all that is known of one question under one variant."""
    question, answer = asked.question, asked.answer
    record: dict[str, Any] = {
        "variant": asked.variant,
        "id": question.id,
        "question": question.text,
        "document": question.document,
        "answerable": question.answerable,
        "withheld": question.withheld,
        "answers": list(question.answers),
        "ranks": dict(asked.ranks),
    }
    if answer is not None:
        record |= {
            "answer": answer.text,
            "refused": answer.refused,
            "reason": answer.reason,
            "found": asked.found,
            "read": _read(answer),
            "citations": [{"document": each.document, "quote": each.quote} for each in answer.citations],
            "first_token": answer.timings.first_token,
            "total": answer.timings.total,
            "prompt_tokens": answer.usage.prompt_tokens,
            "answer_tokens": answer.usage.answer_tokens,
            "log_odds": answer.usage.answerable,
        }
    if asked.scored is not None:
        record |= asdict(asked.scored)
    if asked.cited is not None:
        record["citation"] = asdict(asked.cited)
    if asked.closed_book is not None:
        record["closed_book"] = asked.closed_book
    if asked.closed_book_scored is not None:
        record["closed_book_f1"] = asked.closed_book_scored.f1
    return record


def to_table(report: Report) -> str:
    """Return the figures for a terminal, variants side by side."""
    lines = [", ".join(f"{key} {value}" for key, value in report.made.items()), ""]
    names = list(report.variants)
    lines.append(f"{'':40}" + "".join(f"{name:>30}" for name in names) if names != ["as set"] else "")
    for block, key in rows(report):
        figures = [blocks.get(block, {}).get(key) for blocks in report.variants.values()]
        if any(figures):
            lines.append(f"{block + '.' + key:40}" + "".join(f"{show(figure):>30}" for figure in figures))
    for name, curve in report.curves.items():
        lines += ["", "refusal curve" + (f" of {name}" if len(names) > 1 else ""), *curve_lines(curve)]
    return "\n".join(lines)


def rows(report: Report) -> list[tuple[str, str]]:
    """Return what any variant has a figure of: one with a reranker has a stage more than one without."""
    every = [(block, key) for blocks in report.variants.values() for block in blocks for key in blocks[block]]
    return list(dict.fromkeys(every))


def show(figure: Figure | None) -> str:
    """Return for example "0.953 [0.931-0.970] n=300"."""
    if figure is None:
        return "-"
    number: Callable[[float], str] = "{:.3f}".format if figure.value < 10 else "{:.1f}".format  # noqa: PLR2004
    return f"{number(figure.value)} [{number(figure.low)}-{number(figure.high)}] n={figure.n}"
