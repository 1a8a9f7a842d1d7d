"""The report as one HTML file that needs nothing else: figures as plots, and every question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from rag.evaluate.curve import Point, RefusalCurve
from rag.evaluate.figures import Figure
from rag.evaluate.report import Report, question_record, rows, show
from rag.plots import END, Bar, bars, head

TITLE: Final = "Evaluation of {set}"
SQUARE: Final = 320  # pixels of the curve
MARGIN: Final = 40
SHARES: Final = ("retrieval", "answer", "citation", "refusal", "closed_book")
UNITS: Final = {"latency": " in seconds, medians", "tokens": " and passages a question"}
NO_ANSWER: Final = {False: "no answer", True: "no answer: its document was withheld"}


def to_html(report: Report) -> str:
    """Return the whole page; every text in it is escaped."""
    made = ", ".join(f"{key} {value}" for key, value in report.made.items())
    parts = [head(TITLE.format(set=report.made.get("set", ""))), f"<p>{escape(made)}</p>"]
    parts += [_section(report, name) for name in dict.fromkeys(block for block, _ in rows(report))]
    parts += [_curve(name, curve) for name, curve in report.curves.items()]
    parts += ["<h2>Questions</h2>", *_questions(report), END]
    return "\n".join(parts)


def _section(report: Report, name: str) -> str:
    """Draw the figures of one block, those of the variants one below the other."""
    known = {
        (key, variant): figure
        for block, key in rows(report)
        for variant, blocks in report.variants.items()
        if block == name and (figure := blocks.get(block, {}).get(key)) is not None
    }
    if not known:
        return ""
    is_share = name.startswith(SHARES)
    full = 1.0 if is_share else max(figure.high for figure in known.values())
    alone = len(report.variants) == 1
    drawn = [_bar(key if alone else f"{key}, {variant}", known[key, variant]) for key, variant in known]
    return f"<h3>{escape(name)}{UNITS.get(name, '')}</h3>{bars(name, drawn, full=full or 1.0)}"


def _bar(key: str, figure: Figure) -> Bar:
    return Bar(label=key, value=figure.value, low=figure.low, high=figure.high, shown=show(figure))


def _curve(variant: str, curve: RefusalCurve) -> str:
    """Draw the curve, chance below it, and what the bar in use came to, as a dot."""
    size, end = SQUARE + 2 * MARGIN, SQUARE + MARGIN
    x, y = _placed(curve.used)
    said = (
        f"{len(curve.answerable)} answerable, {len(curve.unanswerable)} unanswerable questions; area under "
        f"the curve {curve.area:.3f}; as set {curve.used[0]:.3f} wrongly and {curve.used[1]:.3f} rightly "
        "refused"
    )
    rows = "".join(
        f"<tr><td>{wrong:.3f}<td>{right:.3f}<td>{bar:.2f}</tr>" for wrong, right, bar in curve.points
    )
    return (
        f"<h3>refusal curve, {escape(variant)}</h3><p>{said}</p>"
        f'<svg role="img" aria-label="refusal curve" width="{size}" '
        f'viewBox="0 0 {size} {size}"><path class="axis" d="M{MARGIN} {MARGIN}V{end}H{end}"/>'
        f'<path class="chance" d="M{MARGIN} {end}L{end} {MARGIN}"/>'
        f'<path class="curve" d="M{"L".join("{} {}".format(*_placed(step)) for step in curve.steps)}"/>'
        f'<circle class="bar" cx="{x}" cy="{y}" r="5"><title>as set</title></circle>'
        f'<text x="{MARGIN}" y="{MARGIN - 12}">1: all unanswerable refused</text>'
        f'<text x="{end}" y="{end + 20}" text-anchor="end">1: all answerable refused</text>'
        f'<text x="{MARGIN - 14}" y="{end + 20}">0</text></svg>'
        f"<table><tr><th>wrongly refused<th>rightly refused<th>below log-odds of</tr>{rows}</table>"
    )


def _placed(point: Point) -> Point:
    return round(MARGIN + SQUARE * point[0], 1), round(MARGIN + SQUARE * (1 - point[1]), 1)


def _questions(report: Report) -> Iterator[str]:
    yield "<table><tr><th>question<th>right<th>said<th>rank<th>F1</tr>"
    for each in report.asked:
        yield _question(question_record(each), alone=len(report.variants) == 1)
    yield "</table>"


def _question(record: Mapping[str, Any], *, alone: bool) -> str:
    wrong = record["refused"] == record["answerable"] if "refused" in record else False
    variant = "" if alone else f"<br><small>{escape(record['variant'])}</small>"
    quotes = _list([f"{each['document']}: {each['quote']}" for each in record.get("citations", ())])
    by_heart = record.get("closed_book")
    without = f"<br><small>without documents: {escape(by_heart)}</small>" if by_heart is not None else ""
    said = f'<span class="{"wrong" if wrong else "right"}">{escape(record.get("answer", ""))}</span>'
    cells = (
        f"{escape(record['question'])}<br><small>{escape(record['id'])}</small>{variant}",
        escape(" | ".join(record["answers"]) or NO_ANSWER[record["withheld"]]),
        f"{said}{quotes}{without}",
        str(record["ranks"]["hybrid"] or "-") if record["answerable"] else "",
        f"{record['f1']:.2f}" if "f1" in record else "",
    )
    return "<tr>" + "".join(f"<td>{cell}" for cell in cells) + "</tr>"


def _list(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}" for line in lines)
    return f"<details><summary>{len(lines)} cited</summary><ul>{items}</ul></details>" if lines else ""
