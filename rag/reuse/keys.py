"""Under which name it is kept what was read: it depends on the model, what stood before, and the text."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from typing import Any


class Keys:
    """The keys of one model."""

    def __init__(self, made_of: Mapping[str, Any]) -> None:
        """`made_of` tells its weights, their quantisation, tokenizer and format apart from any other."""
        said = json.dumps(dict(made_of), sort_keys=True)
        self.model = hashlib.sha256(said.encode()).hexdigest()[:16]

    def key(self, beginning: Sequence[int], text: str = "") -> str:
        """Return the key of a passage's text after the tokens of a beginning, or of the beginning alone.

        All keys of a model begin alike, and `rag.reuse.store.Store` keeps what belongs to one together.
        """
        said = array("I", beginning).tobytes() + b"\0" + text.encode()
        return f"{self.model}/{hashlib.sha256(said).hexdigest()}"
