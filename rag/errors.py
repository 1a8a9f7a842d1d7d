"""What can go wrong, one class per thing the caller can do about it.

RagError                  the root: catch this at the edges
├── ConfigError           mend the named setting
├── InputError            ask another question
├── ModelError            fetch, choose or mend a model
├── MissingExtraError     install the named extra
├── EngineError           the LLM engine failed while answering
├── LoadError             one document cannot be read; it is quarantined
├── IndexMismatchError    the index was built by another embedder or splitter: sync again
├── IndexDamagedError     the index cannot be read: delete it and sync again
├── LockedError           another process is writing: wait for it
└── DiskError             free some space or mend the permissions
"""

from __future__ import annotations


class RagError(Exception):
    """Root of all errors that Kaoju raises on purpose; the message says what, where and what next."""


class ConfigError(RagError):
    """A setting is unknown or wrong."""


class InputError(RagError):
    """The question cannot be asked as it is."""


class ModelError(RagError):
    """A model cannot be found, fetched, verified or loaded."""


class MissingExtraError(RagError):
    """An optional part is not installed; the message holds the command that installs it."""


class EngineError(RagError):
    """The LLM engine failed."""


class LoadError(RagError):
    """A document cannot be read; the message is the reason shown to the user."""


class IndexMismatchError(RagError):
    """The index was made with other settings than the config asks for."""


class IndexDamagedError(RagError):
    """The index cannot be read."""


class LockedError(RagError):
    """Another process holds the writer's lock."""


class DiskError(RagError):
    """Disk full, read-only or not permitted."""
