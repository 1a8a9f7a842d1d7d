"""Tables in text (commas, semicolons, tabs, bars): a line for each row that names its columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Final

from rag.load.content import NEWLINES, Content, ContentBuilder
from rag.load.forms import are_labelled
from rag.load.office.sheet_tables import Cell, Row, Sheet, is_of_form
from rag.load.office.sheets import MAX_CELLS, sheet_content
from rag.load.plain.blobs import Sieve
from rag.load.plain.encoding import decode_noted
from rag.load.source import Source

DELIMITERS: Final = ",;\t|"
BY_SUFFIX: Final = {".tsv": "\t", ".tab": "\t", ".psv": "|"}
SAID: Final = re.compile(r"\ufeff?sep=(.)\r?\n", re.I)  # Excel's own first line
SAMPLE: Final = 100_000  # characters that tell the delimiter
SAMPLE_ROWS: Final = 200
PAIR: Final = 2
LIKELY: Final = 0.8  # part of the rows that have as many columns as most
MAX_FIELD: Final = 2_000_000  # characters; a longer one is an opened quote that nobody closed
TITLES: Final = 10  # rows above the header
LONGEST_NAME: Final = 60  # characters of a column's name
VALUE: Final = re.compile(
    r"[-+(]?[$€£¥￥]?\s?\d[\d.,' \xa0\u202f]*[%)]?|[-+]?\d+(?:\.\d+)?[eE][-+]?\d+|true|false"
    r"|\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?(?:[T ]\d{1,2}:\d{2}.{0,20})?|\d{1,2}:\d{2}(?::\d{2})?",
    re.I,
)
LONGEST_VALUE: Final = 40  # characters
ESCAPED: Final = re.compile(r'\\([\\"]|\r?\n)')
QUOTED: Final = re.compile(r'"([^"]*(?:""[^"]*)*)"')
ADDRESS: Final = re.compile(r"\S@\S+\.\w|\w://\w")


def read_delimited(source: Source) -> Content:
    """Read a table in text; the delimiter is found from its rows, the header from what stands below it."""
    decoded = decode_noted(source.data)
    text = decoded.text.removeprefix("\ufeff")
    said = SAID.match(text)
    if said:
        text = text[said.end() :]
    delimiter = said[1] if said else _delimiter(text, PurePath(source.name).suffix.lower())
    rows, notes = _rows(text, delimiter)
    builder = ContentBuilder()
    for note in (*decoded.notes, *notes):
        builder.note(note)
    builder.add_content(sheet_content(Sheet(name="", rows=rows, header_rows=_header(rows))))
    return builder.build()


def _header(rows: list[Row]) -> set[int]:
    """Return the number of the row that names the columns: the first one, unless it speaks against it."""
    width = max((len(row.cells) for row in rows[:SAMPLE_ROWS]), default=0)
    full = (at for at, row in enumerate(rows[:TITLES]) if _is_full(row, width))
    first = next((rows[at] for at in full if not is_of_form(rows[at : at + SAMPLE_ROWS], width)), None)
    if first is None or width == 1 or first is rows[-1]:
        return set()
    below = [row for row in rows[:SAMPLE_ROWS] if row.number > first.number and row.cells != first.cells]
    if are_labelled([row.texts() for row in below], width=width):
        return set()
    names = []
    for column, cell in first.cells.items():
        values = [row.cells[column].text for row in below if column in row.cells]
        if not cell.is_value and len(cell.text) <= LONGEST_NAME and not _is_among(cell.text, values):
            names.append(cell.text)
    is_header = len(names) == len(first.cells) and 2 * len(set(names)) > width  # a few names may stand twice
    return {first.number} if is_header else set()


def _is_full(row: Row, width: int) -> bool:
    """Say whether a row fills every column, or all but the first, which names the rows."""
    is_corner_empty = len(row.cells) == width - 1 >= PAIR and list(row.cells) == list(range(1, width))
    return is_corner_empty or len(row.cells) == width


def _is_among(text: str, values: Sequence[str]) -> bool:
    """Say whether `text` is a value like those below it: one of them, an address, or formed as all are."""
    if text in values or ADDRESS.search(text):
        return True
    return any(map(str.isdigit, text)) and all(_form(value) == _form(text) for value in values)


def _form(text: str) -> str:
    """Return "A-1020" as "a-0000"."""
    return "".join("0" if char.isdigit() else "a" if char.isalpha() else char for char in text)


def _delimiter(text: str, suffix: str) -> str:
    """Return the character that cuts the rows into the same number of columns, most often."""
    scores: dict[str, tuple[float, int]] = {}
    for delimiter in DELIMITERS:
        widths = _widths(text[:SAMPLE], delimiter)
        width, rows = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        share = rows / widths.total() if widths else 0.0
        scores[delimiter] = (share if width > 1 else 0.0, width)
    likely = {each: score for each, score in scores.items() if score[0] >= LIKELY}
    hinted = BY_SUFFIX.get(suffix, ",")
    if hinted in likely and hinted != ",":
        return hinted
    return max(
        likely or scores, key=lambda each: (scores[each][1] if likely else scores[each][0], each == hinted)
    )


def _widths(sample: str, delimiter: str) -> Counter[int]:
    """Count the rows of each number of columns, titles of one cell above the table left out."""
    widths: Counter[int] = Counter()
    try:
        for row in _reader(sample, delimiter):
            if row:
                widths[len(row)] += 1
            if widths.total() > SAMPLE_ROWS:
                break
    except csv.Error:
        return widths
    return widths


def _rows(text: str, delimiter: str) -> tuple[list[Row], list[str]]:
    csv.field_size_limit(MAX_FIELD)
    try:
        return _read(_reader(text, delimiter, strict=True))
    except csv.Error as exc:
        unclosed = "unexpected end" in str(exc) or "field larger" in str(exc)
    if '\\"' in text:  # MySQL and Spark
        with suppress(csv.Error):
            return _read(_reader(_unescaped(text), delimiter, strict=True))
    if delimiter == "\t" and _is_even(text):
        return _read([_bare(cell) for cell in line.split("\t")] for line in text.splitlines())
    try:
        rows, notes = _read(_reader(text, delimiter, quoted=not unclosed))
    except csv.Error:  # a line longer than any cell may be
        pieces = (line.split(delimiter) for line in text.splitlines())
        rows, notes = _read(pieces)
    if unclosed:
        notes.append("a quotation mark in it is never closed: its quotation marks were read as text")
    return rows, notes


def _reader(text: str, delimiter: str, *, quoted: bool = True, strict: bool = False) -> Iterator[list[str]]:
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        skipinitialspace=True,
        strict=strict,
    )


def _unescaped(text: str) -> str:
    """Double quotation marks behind backslashes; two of these are one where none stands for itself."""
    has_lone = "\\" in ESCAPED.sub("", text)
    told = {'"': '""', "\\": r"\\" if has_lone else "\\"}
    return ESCAPED.sub(lambda escaped: told.get(escaped[1], escaped[1]), text)


def _is_even(text: str) -> bool:
    """Say whether all lines hold as many tabs, so that no cell needs quotation marks."""
    return len({line.count("\t") for line in text.splitlines() if line.strip()}) == 1


def _bare(cell: str) -> str:
    """Return a cell without the quotation marks around it."""
    quoted = QUOTED.fullmatch(cell.strip())
    return quoted[1].replace('""', '"') if quoted else cell


def _read(records: Iterable[list[str]]) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    sieve = Sieve()
    left = MAX_CELLS
    for number, record in enumerate(records, start=1):
        sifted = map(sieve.sift_data, record)
        cells = {column: _cell(text) for column, text in enumerate(sifted) if text.strip()}
        left -= len(cells)
        if left < 0:
            cut = f"the rows from {number:,} on are left out: of one table {MAX_CELLS:,} cells are read"
            return rows, [*sieve.notes(), cut]
        if cells:
            rows.append(Row(number, cells))
    return rows, sieve.notes()


def _cell(text: str) -> Cell:
    text = NEWLINES.sub("\n", text.strip())
    is_value = len(text) <= LONGEST_VALUE and VALUE.fullmatch(text) is not None
    return Cell(text, is_value)
