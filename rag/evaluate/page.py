"""The report as one HTML file that needs nothing else: figures as plots, and every question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from rag.evaluate.figures import Figure
from rag.evaluate.report import Block, Report, question_record, show

HEAD: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --bar: #3b7a78; --line: #8886; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }}
svg text {{ fill: currentColor; font: 12px system-ui, sans-serif }}
.bar {{ fill: var(--bar) }} .axis, .whisker {{ stroke: currentColor; stroke-width: 1.5 }}
.wrong {{ color: #b3261e }} small {{ opacity: .75 }}
</style></head><body>
"""
TITLE: Final = "Evaluation of {set}"
WIDTH: Final = 640  # pixels of a plot
LABEL: Final = 220
ROW: Final = 24
SHARES: Final = ("retrieval", "answer", "citation", "refusal", "closed_book")
SECONDS: Final = ("latency",)


def to_html(report: Report) -> str:
    """Return the whole page; every text in it is escaped."""
    title = escape(TITLE.format(set=report.made.get("set", "")))
    made = ", ".join(f"{key} {value}" for key, value in report.made.items())
    parts = [HEAD.format(title=title), f"<h1>{title}</h1><p>{escape(made)}</p>"]
    for name, blocks in report.variants.items():
        parts.append(f"<h2>{escape(name)}</h2>")
        parts += [_section(key, block) for key, block in blocks.items()]
    parts += ["<h2>Questions</h2>", *_questions(report), "</body></html>\n"]
    return "\n".join(parts)


def _section(name: str, block: Block) -> str:
    known = {key: figure for key, figure in block.items() if figure is not None}
    if not known:
        return ""
    is_share = name.startswith(SHARES)
    full = 1.0 if is_share else max(figure.high for figure in known.values())
    return f"<h3>{escape(name)}</h3>{_bars(known, full=full or 1.0)}"


def _bars(figures: Mapping[str, Figure], *, full: float) -> str:
    """Draw a bar for each figure, a whisker over its interval; `full` is as wide as the plot."""
    height = ROW * len(figures)
    rows = "".join(_bar(key, figure, row, full) for row, (key, figure) in enumerate(figures.items()))
    return f'<svg role="img" width="100%" viewBox="0 0 {WIDTH + LABEL + 190} {height}">{rows}</svg>'


def _bar(key: str, figure: Figure, row: int, full: float) -> str:
    top, middle = row * ROW + 4, row * ROW + ROW / 2

    def at(value: float) -> float:
        return round(LABEL + WIDTH * min(value / full, 1.0), 1)

    return (
        f'<text x="0" y="{middle + 4}">{escape(key)}</text>'
        f'<rect class="bar" x="{LABEL}" y="{top}" width="{at(figure.value) - LABEL:.1f}" height="{ROW - 8}"/>'
        f'<line class="whisker" x1="{at(figure.low)}" x2="{at(figure.high)}" y1="{middle}" y2="{middle}"/>'
        f'<text x="{LABEL + WIDTH + 8}" y="{middle + 4}">{escape(show(figure))}</text>'
    )


def _questions(report: Report) -> Iterator[str]:
    yield "<table><tr><th>question<th>right<th>said<th>rank<th>F1</tr>"
    for each in report.asked:
        yield _question(question_record(each), alone=len(report.variants) == 1)
    yield "</table>"


def _question(record: Mapping[str, Any], *, alone: bool) -> str:
    wrong = record["refused"] == record["answerable"] if "refused" in record else False
    variant = "" if alone else f"<br><small>{escape(record['variant'])}</small>"
    quotes = _list([f"{each['document']}: {each['quote']}" for each in record.get("citations", ())])
    cells = (
        f"{escape(record['question'])}<br><small>{escape(record['id'])}</small>{variant}",
        escape(" | ".join(record["answers"]) or "no answer"),
        f'<span class="{"wrong" if wrong else "right"}">{escape(record.get("answer", ""))}</span>{quotes}',
        str(record["ranks"]["hybrid"] or "-") if record["answerable"] else "",
        f"{record['f1']:.2f}" if "f1" in record else "",
    )
    return "<tr>" + "".join(f"<td>{cell}" for cell in cells) + "</tr>"


def _list(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}" for line in lines)
    return f"<details><summary>{len(lines)} cited</summary><ul>{items}</ul></details>" if lines else ""
