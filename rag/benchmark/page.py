"""The report as one HTML file that needs nothing else: bars of each case, and lines of how cost grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from rag.benchmark.cases import LENGTHS, PASSAGES
from rag.benchmark.report import Fact, Figure, Report, Row
from rag.benchmark.table import ratios
from rag.plots import END, Bar, Point, bars, head, lines, table

TITLE: Final = "Benchmark of Kaoju"
SWEEPS: Final = {"How cost grows with the prompt": LENGTHS, "How cost grows with the passages": PASSAGES}
COLUMNS: Final = (
    "engine", "model", "reuse", "prompt tokens", "known", "answer tokens", "first token, s", "tokens/s",
    "total, s", "MB",
)  # fmt: skip


def to_html(report: Report) -> str:
    """Return the whole page; every text in it is escaped."""
    made = f"{report.machine}; medians of {report.rounds} rounds after a warm-up, whiskers from least to most"
    parts = [head(TITLE), f"<p>{escape(made)}</p>"]
    parts += [f"<p>{escape(line)}</p>" for line in ratios(report) if line]
    parts += _growth(report.rows)
    for case in dict.fromkeys(row.case for row in report.rows):
        parts += _case(case, [row for row in report.rows if row.case == case])
    for case in dict.fromkeys(fact.case for fact in report.facts):
        parts += _facts(case, [fact for fact in report.facts if fact.case == case])
    parts += [f"<p>{escape(f'{name} did not run: {why}')}</p>" for name, why in report.skipped.items()]
    return "\n".join([*parts, END])


def _case(case: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"<h2>{escape(case)}</h2>"
    yield _plot(f"{case}: first token, seconds", [(row.engine, row.first_token) for row in rows])
    yield _plot(f"{case}: whole answer, seconds", [(row.engine, row.total) for row in rows])
    yield _plot(f"{case}: tokens a second after the first", [(row.engine, row.decode_tps) for row in rows])
    yield table(COLUMNS, map(_cells, rows))


def _plot(name: str, figures: Sequence[tuple[str, Figure]]) -> str:
    full = max(figure.max for _, figure in figures) or 1.0
    return f"<h3>{escape(name)}</h3>" + bars(name, [_bar(*each) for each in figures], full=full)


def _bar(label: str, figure: Figure) -> Bar:
    return Bar(label=label, value=figure.median, low=figure.min, high=figure.max, shown=_show(figure))


def _show(figure: Figure) -> str:
    return f"{figure.median:.2f} [{figure.min:.2f}-{figure.max:.2f}]"


def _cells(row: Row) -> list[str]:
    counts = (row.prompt_tokens, row.cached_tokens, row.answer_tokens)
    figures = (row.first_token, row.decode_tps, row.total)
    return [row.engine, row.model, row.reuse, *map(str, counts), *map(_show, figures), f"{row.rss_mb:.0f}"]


def _growth(rows: Sequence[Row]) -> Iterator[str]:
    """Draw how the wait for the first token grows, of each sweep that was measured."""
    for title, cases in SWEEPS.items():
        names = {case.name for case in cases}
        series: dict[str, list[Point]] = {}
        for row in rows:
            if row.case in names:
                label = row.engine + (", passages read before" if row.reuse == "passages" else "")
                series.setdefault(label, []).append((row.prompt_tokens, row.first_token.median))
        if series:
            drawn = {label: sorted(points) for label, points in series.items()}
            yield f"<h2>{title}</h2>" + lines(title, drawn, x="prompt tokens", y="seconds to the first token")


def _facts(case: str, facts: Sequence[Fact]) -> Iterator[str]:
    yield f"<h2>{escape(case)}</h2>"
    yield table(("", "median [least-most]", ""), ((f.name, _show(f.figure), f.unit) for f in facts))
