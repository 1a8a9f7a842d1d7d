"""LibreOffice as a converter of old files: without a window, in a private profile, for a limited time."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from rag.errors import LoadError

PROGRAMS: Final = ("soffice", "libreoffice", "/Applications/LibreOffice.app/Contents/MacOS/soffice")
PATIENCE: Final = 120  # seconds for one document
# Ends the whole family when our end of the pipe closes, be it that this process was killed.
WATCHED: Final = 'exec 3<&0; (read -r _ <&3; kill -KILL 0) & exec "$@" 3<&- </dev/null'
NOWHERE: Final = "http://127.0.0.1:9"  # no proxy listens there: what a document links to is not fetched
SETTING: Final = (
    '<item oor:path="/org.openoffice.Office.Common/Security/Scripting">'
    '<prop oor:name="{}" oor:op="fuse"><value>true</value></prop></item>'
)
SETTINGS: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">'
    + SETTING.format("DisableMacrosExecution")
    + SETTING.format("BlockUntrustedRefererLinks")
    + "</oor:items>"
)


def program() -> str | None:
    """Return where LibreOffice is, None where it is not installed."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def converted(data: bytes, *, suffix: str, to: str) -> bytes:
    """Return a document in another format: "docx" for one with the suffix ".doc".

    Raises:
        LoadError: when LibreOffice is missing, takes too long or makes nothing of the document.
    """
    office = program()
    if office is None:
        raise LoadError(missing(to))
    with tempfile.TemporaryDirectory(prefix="office-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        document = folder / f"document{suffix}"
        document.write_bytes(data)
        _run(_command(office, folder, document, to), folder)
        made = document.with_suffix(f".{to}")
        if not made.is_file():
            raise LoadError("LibreOffice cannot read it: the file is damaged, or of an unknown kind")
        return made.read_bytes()


def missing(to: str) -> str:
    """Say which package to install for documents that become `to`."""
    part = "impress" if to == "pptx" else "writer"
    return (
        f"reading it needs LibreOffice: install it (Debian and Ubuntu: apt-get install "
        f"libreoffice-{part}-nogui), or save a copy of it as .{to}"
    )


def _command(office: str, folder: Path, document: Path, to: str) -> list[str]:
    profile = folder / "profile"
    settings = profile / "user" / "registrymodifications.xcu"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS, encoding="utf-8")
    return [
        office,
        f"-env:UserInstallation={profile.as_uri()}",
        "--headless",
        "--norestore",
        "--nolockcheck",
        "--nodefault",
        "--nofirststartwizard",
        "--convert-to",
        to,
        "--outdir",
        os.fspath(folder),
        os.fspath(document),
    ]


def _run(command: list[str], folder: Path) -> None:
    environment = {"HOME": os.fspath(folder), "PATH": os.defpath, "LC_ALL": "C.UTF-8", "http_proxy": NOWHERE}
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed program and our own names
            ["/bin/sh", "-c", WATCHED, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment | {"https_proxy": NOWHERE, "TMPDIR": os.fspath(folder)},
            start_new_session=True,
        )
    except OSError as exc:
        raise LoadError(f"LibreOffice cannot be started: {exc.strerror}") from exc
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired as exc:
        raise LoadError(f"LibreOffice took longer than {PATIENCE} seconds to read it") from exc
    finally:
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        process.wait()
