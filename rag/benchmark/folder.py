"""A folder of small documents, where there are none of the user's to measure with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rag.benchmark.prompts import GOODS, NAMES, TOWNS

DOCUMENTS: Final = 20
TEXT: Final = """\
# The {name} {number}

The {name} {number} was built in {year} in {town} and carries {crates} crates. Her home is {home}, where a
crew of {crew} keeps her in order; the harbour master there inspects her every {months} months.

She carries {goods} in summer and {other} in winter. The passage to {town} takes {hours} hours with a fair
wind and a day without one, so that she leaves berth {berth} before sunrise and is back on the second evening.

“{name} {number}” 号建于{year}年，可载{crates}箱货物，船员{crew}人，停靠{berth}号泊位，
每{months}个月检修一次。
"""
QUESTION: Final = "How many crates does the Brine 8 carry?"


def write_documents(folder: Path) -> None:
    """Write `DOCUMENTS` texts of one or two passages, in English and Chinese."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(DOCUMENTS):
        text = TEXT.format(
            number=number,
            name=NAMES[number % len(NAMES)],
            year=1900 + number * 13 % 97,
            town=TOWNS[number % len(TOWNS)],
            home=TOWNS[(number + 2) % len(TOWNS)],
            crates=20 + number * 37 % 91,
            crew=3 + number % 5,
            months=4 + number % 7,
            goods=GOODS[number % len(GOODS)],
            other=GOODS[(number + 4) % len(GOODS)],
            hours=5 + number % 9,
            berth=number % 4 + 1,
        )
        (folder / f"boat-{number:02}.md").write_text(text, encoding="utf-8")
