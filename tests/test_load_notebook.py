from __future__ import annotations

import json
from typing import Any

from rag.load.content import Content
from rag.load.plain.notebook import read_notebook
from rag.load.source import Source

PICTURE = "iVBORw0KGgoAAAANSUhEUg" * 200


def read(notebook: Any) -> Content:
    return read_notebook(Source(data=json.dumps(notebook).encode(), name="a.ipynb"))


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": list(outputs)}


def test_cells_and_what_they_printed_are_read_in_order() -> None:
    table = "<table><tr><th>Lamp</th><th>Watts</th></tr><tr><td>Main</td><td>9</td></tr></table>"
    content = read(
        {
            "nbformat": 4,
            "metadata": {"language_info": {"name": "python"}},
            "cells": [
                {
                    "cell_type": "markdown",
                    "source": ["# Lamps 灯\n", f"![x](data:image/png;base64,{PICTURE})"],
                },
                code("def f():\n    return 1\n", {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m\n"]}),
                code("t", {"data": {"text/html": table, "text/plain": "no", "image/png": PICTURE}}),
                code("p", {"data": {"text/plain": "<Figure>", "image/png": PICTURE}}),
                code(
                    "x", {"output_type": "error", "ename": "KeyError", "evalue": "'a'", "traceback": ["long"]}
                ),
                code(""),
            ],
        }
    )
    assert content.text == (
        "# Lamps 灯\n![x](data:image/png)\n\n```python\ndef f():\n    return 1\n\n```\n\nred\n\n"
        "```python\nt\n```\n\n"
        "Lamp: Main; Watts: 9\n\n```python\np\n```\n\n<Figure>\n\n```python\nx\n```\n\nKeyError: 'a'"
    )
    assert [(each.level, each.title) for each in content.headings] == [(1, "Lamps 灯")]


def test_a_long_output_is_cut_and_that_is_said_once() -> None:
    content = read(
        {"nbformat": 4, "cells": [code("x", {"text": "line\n" * 5000}), code("y", {"text": "z " * 9000})]}
    )
    assert len(content.text) < 17_000
    assert content.notes == ("what a cell printed was cut to 8,000 characters",)


def test_format_version_3_is_read() -> None:
    sheet = {
        "cells": [{"cell_type": "heading", "level": 2, "source": "Old"}, {"cell_type": "code", "input": "x"}]
    }
    content = read({"nbformat": 3, "worksheets": [sheet]})
    assert content.text == "Old\n\n```\nx\n```"
    assert content.headings[0].level == 2


def test_what_is_no_notebook_is_read_as_json() -> None:
    assert read({"a": 1}).text == "a: 1"


def test_an_object_shown_as_html_is_read_by_its_words_and_a_bare_one_not_at_all() -> None:
    page = {"text/html": "<b>The lamp</b> burns", "text/plain": "<IPython.core.display.HTML object>"}
    figure = {"text/plain": "<Figure size 432x288 with 1 Axes>", "image/png": PICTURE}
    content = read({"nbformat": 4, "cells": [code("x", {"data": page}, {"data": figure})]})
    assert content.text == "```\nx\n```\n\nThe lamp burns"


def test_a_formula_and_data_are_read_where_an_object_says_nothing() -> None:
    latex = {"text/plain": "<IPython.core.display.Latex object>", "text/latex": ["$E=", "mc^2$"]}
    data = {
        "text/plain": ["<IPython.core.display.JSON object>"],
        "application/json": {"lamp": {"名": "灯", "watts": 9}},
    }
    known = {"text/plain": "x**2", "text/latex": "$x^2$"}
    content = read({"nbformat": 4, "cells": [code("x", *({"data": each} for each in (latex, data, known)))]})
    assert content.text == "```\nx\n```\n\n$E=mc^2$\n\nlamp\n\nlamp.名: 灯\nlamp.watts: 9\n\nx**2"


def test_encoded_data_left_out_of_all_cells_is_told_once() -> None:
    said = {"cell_type": "markdown", "source": f"![x](data:image/png;base64,{PICTURE}) lamp"}
    page = {"text/html": f"<p>burns {PICTURE}</p>"}
    content = read(
        {"nbformat": 4, "cells": [said, code(f"x = '{PICTURE}'", {"text": PICTURE}, {"data": page})]}
    )
    assert content.text == "![x](data:image/png) lamp\n\n```\nx = ''\n```\n\nburns"
    assert content.notes == ("4 blocks of encoded data left out",)
