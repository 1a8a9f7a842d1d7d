"""What `.kaojuignore` files say: gitignore syntax, each file ruling over its own folder and those below."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

NAME: Final = ".kaojuignore"
LARGEST: Final = 1_000_000  # bytes
FOLDER_SLASH: Final = "ps_d"


class BadRules(Exception):  # noqa: N818 (the scan turns it into a reason)
    """The rules of a folder cannot be known, so that nothing in it may be looked at."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that hold in one folder, those of the folders above it first."""

    folder: str = ""  # below the scanned one, with forward slashes
    specs: tuple[tuple[str, GitIgnoreSpec], ...] = ()  # the folder each was found in, and its patterns

    def within(self, folder: str, path: Path, *, has_own: bool) -> Rules:
        """Return the rules inside `folder`, which lies at `path`: these, and those of its own file.

        Raises:
            BadRules: when that file cannot be read or understood; the message says why.
        """
        own = ((folder, _read(path / NAME)),) if has_own else ()
        return Rules(folder, self.specs + own)

    def ignore(self, name: str, *, is_dir: bool) -> bool:
        """Say whether `name` in this folder is left out; the innermost rule that speaks decides.

        A folder left out is not looked into, so that no rule can bring back what lies in it, as in git.
        """
        whole = f"{self.folder}/{name}" if self.folder else name
        for folder, spec in reversed(self.specs):
            below = whole[len(folder) + 1 :] if folder else whole
            verdict = _verdict(spec, f"{below}/" if is_dir else below)
            if verdict is not None:
                return verdict
        return False


def _verdict(spec: GitIgnoreSpec, path: str) -> bool | None:
    """Return what the last pattern that matches `path` itself says; None: none does.

    `spec.check_file` would also count patterns that match a folder above it. Those were asked when the scan
    came to that folder: a file is not brought back by `!*/`, which speaks of folders alone.
    """
    for pattern in reversed(spec.patterns):
        if pattern.regex is not None and any(_is_of(path, found) for found in pattern.regex.finditer(path)):
            return pattern.include
    return None


def _is_of(path: str, found: re.Match[str]) -> bool:
    """Say whether a match is of `path` itself: neither of a folder above it nor of all that lies in it."""
    if found.groupdict().get(FOLDER_SLASH):
        return found.end(FOLDER_SLASH) == len(path)
    return not path.endswith("/") or found.end() < len(path)


def _read(path: Path) -> GitIgnoreSpec:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise BadRules(f"its {NAME} is larger than {LARGEST // 1_000_000} MB")
        return GitIgnoreSpec.from_lines(data.decode("utf-8-sig").splitlines())
    except OSError as exc:
        raise BadRules(f"its {NAME} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise BadRules(f"its {NAME} is not UTF-8; save it as UTF-8") from exc
    except GitIgnorePatternError as exc:
        raise BadRules(f"its {NAME} has a line that is no gitignore pattern: {exc}") from exc
