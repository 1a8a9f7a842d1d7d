"""docs/engines.md against the engines there are."""

from __future__ import annotations

import re
from pathlib import Path

from rag.engines import ENGINES

PAGE = Path(__file__).parents[1] / "docs" / "engines.md"


def test_the_page_on_engines_has_a_row_for_every_engine() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(ENGINES) <= set(rows)
    assert len(rows) == len(set(rows))
