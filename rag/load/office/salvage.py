"""Office files whose zip is cut or damaged: what can still be unpacked of them, as a zip that is whole."""

from __future__ import annotations

import io
import zipfile

from rag.load.archives.zipped import rescued
from rag.load.source import Source


def salvaged(source: Source) -> zipfile.ZipFile:
    """Return the members found by the header before each; the last one may be cut."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as whole:
        for member in rescued(source):
            if member.name not in whole.NameToInfo:
                whole.writestr(member.name, member.read())
    return zipfile.ZipFile(buffer)
