"""What Kaoju makes of real files, one by one; `python -m tests.formats_table` writes the golden table."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Final

from rag.errors import LoadError
from rag.load.guard import Loader
from rag.load.source import Settings
from tests.reference_text import precision, recall, reference, words

FORMATS: Final = Path(__file__).parents[2] / "shared" / "formats"
GOLDEN: Final = Path(__file__).parent / "golden" / "formats.tsv"
COLUMNS: Final = ("file", "state", "words", "recall", "precision", "pages", "headings", "regions", "said")
ENCODING: Final = re.compile(r"(?:true encoding: |^(?=GBK bytes|utf-16-le without))([\w-]+)")
PASSWORD: Final = re.compile(r'(?<!owner )password "([^"]+)"')
TIMEOUT: Final = 120  # seconds a file, or a page of a scan, may take


def manifest() -> dict[str, str]:
    """Return the note of each file of the collection."""
    with (FORMATS / "MANIFEST.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"]: row["note"] or "" for row in rows}


def passwords() -> tuple[str, ...]:
    """Return the passwords that the notes name."""
    return tuple(sorted({found for note in manifest().values() for found in PASSWORD.findall(note)}))


def table(settings: Settings | None = None) -> list[dict[str, str]]:
    """Read every file as a sync does; return a row for each, in order of name."""
    with Loader(timeout=TIMEOUT, settings=settings) as loader:
        return [_row(loader, name, note) for name, note in sorted(manifest().items())]


def _row(loader: Loader, name: str, note: str) -> dict[str, str]:
    path = FORMATS / name
    row = dict.fromkeys(COLUMNS, "") | {"file": name}
    try:
        document = loader.load(path, source=name)
    except LoadError as exc:
        return row | {"state": "failed", "said": str(exc)}
    found = ENCODING.search(note)
    wanted = _reference(path, found[1] if found else "")
    compared = {
        "recall": f"{recall(document.text, wanted):.2f}",
        "precision": f"{precision(document.text, wanted):.2f}",
    }
    return row | {
        "state": "read",
        "words": str(words(document.text).total()),
        **(compared if wanted.strip() else {}),
        "pages": str(len(document.pages)),
        "headings": str(len(document.headings)),
        "regions": str(len(document.regions)),
        "said": "; ".join(document.notes),
    }


def _reference(path: Path, encoding: str) -> str:
    try:
        return reference(path, encoding)
    except Exception:  # noqa: BLE001 - another tool fails on a file that we may read
        return ""


def golden() -> list[dict[str, str]]:
    """Return the rows that are kept."""
    return list(csv.DictReader(GOLDEN.read_text(encoding="utf-8").splitlines(), delimiter="\t"))


def as_text(rows: list[dict[str, str]]) -> str:
    """Return the table as tab-separated lines."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    GOLDEN.write_text(as_text(table()), encoding="utf-8")
