"""Plots as SVG in an HTML page that needs nothing else: bars with whiskers, and lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias

Point: TypeAlias = tuple[float, float]

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
.bar {{ fill: var(--bar) }} .whisker, .axis {{ stroke: currentColor; stroke-width: 1.5; fill: none }}
.curve {{ stroke: var(--bar); stroke-width: 2; fill: none }} .chance {{ stroke: var(--line) }}
.wrong {{ color: #b3261e }} small {{ opacity: .75 }}
</style></head><body>
"""
END: Final = "</body></html>\n"
WIDTH: Final = 640  # pixels of the bars
LABEL: Final = 220
SHOWN: Final = 190
ROW: Final = 24
PLOT: Final = (560, 300)  # of the lines
MARGIN: Final = 56
TICKS: Final = 4
COLOURS: Final = ("#3b7a78", "#b3562e", "#6a5acd", "#b08900", "#4a7fb5", "#8a4f7d", "#5f8a3a", "#777777")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A value with the ends of its whisker, and how it is told beside it."""

    label: str
    value: float
    low: float
    high: float
    shown: str


def head(title: str) -> str:
    """Return how a page begins, down to its heading."""
    return HEAD.format(title=escape(title)) + f"<h1>{escape(title)}</h1>"


def bars(name: str, drawn: Sequence[Bar], *, full: float) -> str:
    """Draw a bar for each value, a whisker over its ends; `full` is as wide as the plot."""
    size = f"0 0 {WIDTH + LABEL + SHOWN} {ROW * len(drawn)}"
    rows = "".join(_bar(bar, row, full) for row, bar in enumerate(drawn))
    return f'<svg role="img" aria-label="{escape(name)}" width="100%" viewBox="{size}">{rows}</svg>'


def _bar(bar: Bar, row: int, full: float) -> str:
    top, middle = row * ROW + 4, row * ROW + ROW / 2

    def at(value: float) -> float:
        return round(LABEL + WIDTH * min(value / full, 1.0), 1)

    return (
        f'<text x="0" y="{middle + 4}">{escape(bar.label)}</text>'
        f'<rect class="bar" x="{LABEL}" y="{top}" width="{at(bar.value) - LABEL:.1f}" height="{ROW - 8}"/>'
        f'<line class="whisker" x1="{at(bar.low)}" x2="{at(bar.high)}" y1="{middle}" y2="{middle}"/>'
        f'<text x="{LABEL + WIDTH + 8}" y="{middle + 4}">{escape(bar.shown)}</text>'
    )


def lines(name: str, series: Mapping[str, Sequence[Point]], *, x: str, y: str) -> str:
    """Draw a line with a dot at each point for each series, both axes from 0; `x` and `y` name the axes."""
    points = [point for line in series.values() for point in line]
    far, high = max(point[0] for point in points) or 1.0, max(point[1] for point in points) or 1.0
    width, height = PLOT[0] + 2 * MARGIN + SHOWN, PLOT[1] + 2 * MARGIN
    drawn = "".join(
        _line(label, [_placed(point, far, high) for point in line], number)
        for number, (label, line) in enumerate(series.items())
    )
    return (
        f'<svg role="img" aria-label="{escape(name)}" width="{width}" viewBox="0 0 {width} {height}">'
        f"{_axes(far, high)}{drawn}"
        f'<text x="{MARGIN}" y="{MARGIN - 14}">{escape(y)}</text>'
        f'<text x="{MARGIN + PLOT[0]}" y="{MARGIN + PLOT[1] + 38}" text-anchor="end">{escape(x)}</text></svg>'
    )


def _placed(point: Point, far: float, high: float) -> Point:
    x, y = point[0] / far, point[1] / high
    return round(MARGIN + PLOT[0] * x, 1), round(MARGIN + PLOT[1] * (1 - y), 1)


def _line(label: str, points: Sequence[Point], number: int) -> str:
    colour = COLOURS[number % len(COLOURS)]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in points)
    place = MARGIN + 20 * number
    return (
        f'<path d="M{"L".join(f"{x} {y}" for x, y in points)}" stroke="{colour}" stroke-width="2" '
        f'fill="none"/>{dots}<rect x="{MARGIN + PLOT[0] + 24}" y="{place}" width="12" height="12" '
        f'fill="{colour}"/><text x="{MARGIN + PLOT[0] + 42}" y="{place + 11}">{escape(label)}</text>'
    )


def _axes(far: float, high: float) -> str:
    end, bottom = MARGIN + PLOT[0], MARGIN + PLOT[1]
    ticks = ""
    for step in range(1, TICKS + 1):
        x, y = _placed((far * step / TICKS, high * step / TICKS), far, high)
        ticks += (
            f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{far * step / TICKS:.4g}</text>'
            f'<text x="{MARGIN - 8}" y="{y + 4}" text-anchor="end">{high * step / TICKS:.3g}</text>'
        )
    return f'<path class="axis" d="M{MARGIN} {MARGIN}V{bottom}H{end}"/>{ticks}'


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of plain texts."""
    first = "".join(f"<th>{escape(each)}" for each in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{first}</tr>{body}</table>"
