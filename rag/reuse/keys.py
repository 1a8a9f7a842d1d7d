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
        self._made_of = json.dumps(dict(made_of), sort_keys=True)

    def key(self, beginning: Sequence[int], text: str = "") -> str:
        """Return the key of a passage's text after the tokens of a beginning, or of the beginning alone."""
        tokens = array("I", beginning).tobytes()
        return hashlib.sha256(b"\0".join([self._made_of.encode(), tokens, text.encode()])).hexdigest()
