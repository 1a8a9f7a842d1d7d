"""The report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rag.benchmark.report import Figure, Report, Row
from rag.engines import ENGINES as OURS

HEADER: Final = (
    f"{'engine':15} {'first token, s':>24} {'tokens/s after it':>24} {'total, s':>24} {'MB':>6} "
    f"{'answer':>7} {'known':>6}"
)
LEGEND: Final = "medians of {rounds} rounds after a warm-up [least - most]"
COLUMNS: Final = (
    "answer: tokens written; known: tokens of the prompt that the engine says it had read before; "
    "MB: most memory of its process"
)


def to_table(report: Report) -> str:
    """Return the figures, then how many times sooner our engines answer, and what did not run."""
    lines = [report.machine, LEGEND.format(rounds=report.rounds), *([COLUMNS] if report.rows else []), ""]
    for case in dict.fromkeys(row.case for row in report.rows):
        lines += [*_case([row for row in report.rows if row.case == case]), ""]
    for case in dict.fromkeys(fact.case for fact in report.facts):
        lines += [case, *(f"  {name:40} {figure}" for name, figure in _facts(report, case)), ""]
    lines += ratios(report)
    return "\n".join(lines + [f"{name} did not run: {reason}" for name, reason in report.skipped.items()])


def _case(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{rows[0].case}: {rows[0].model}, {rows[0].prompt_tokens} prompt tokens"
    yield HEADER
    for row in rows:
        figures = " ".join(_show(figure) for figure in (row.first_token, row.decode_tps, row.total))
        yield f"{row.engine:15} {figures} {row.rss_mb:6.0f} {row.answer_tokens:7} {row.cached_tokens:6}"


def _facts(report: Report, case: str) -> Iterator[tuple[str, str]]:
    for fact in report.facts:
        if fact.case == case:
            spread = fact.figure.min < fact.figure.max
            yield fact.name, f"{_show(fact.figure) if spread else f'{fact.figure.median:8.2f}'} {fact.unit}"


def _show(figure: Figure) -> str:
    return f"{figure.median:8.2f} [{figure.min:6.2f} - {figure.max:6.2f}]"


def ratios(report: Report) -> list[str]:
    """Say of each engine that had read the passages how many times sooner it answers than without that.

    Medians of one run are compared: with its own cold prompt of the same size, and with each rival on the
    same prompt; whole answers at the same number of tokens.
    """
    said = []
    for row in report.rows:
        if row.reuse != "passages":
            continue
        if own := own_cold(row, report.rows):
            said.append(f"{_begin(row)} {_times(own, row):.1f} times sooner than its own full reading")
        for rival in (each for each in report.rows if each.case == row.case and each.engine not in OURS):
            tokens = min(row.answer_tokens, rival.answer_tokens)
            whole = rival.seconds(tokens) / row.seconds(tokens)
            said.append(
                f"{_begin(row)} {_times(rival, row):.1f} times sooner than {rival.engine}'s, "
                f"the whole answer of {tokens} tokens {whole:.1f} times"
            )
    return [*said, ""] if said else []


def own_cold(row: Row, rows: Sequence[Row]) -> Row | None:
    """Return the engine's cold row whose prompt is as long, to 5 % or so."""
    cold = [each for each in rows if each.engine == row.engine and each.reuse == "none"]
    near = min(cold, key=lambda each: abs(each.prompt_tokens - row.prompt_tokens), default=None)
    return near if near and abs(near.prompt_tokens - row.prompt_tokens) * 20 <= row.prompt_tokens else None


def _begin(row: Row) -> str:
    return f"{row.case}, {row.engine}: the first token"


def _times(slow: Row, fast: Row) -> float:
    return slow.first_token.median / fast.first_token.median
