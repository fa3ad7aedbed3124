"""Reading a tree of settings: what it needs to know, and the mistakes it collects."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from logship.errors import Mistake
from logship.settings.tree import Place, quote

__all__ = ["INVALID", "Reading", "Wrong", "did_you_mean", "not_available"]

INVALID: Final = object()


class Wrong(ValueError):
    """What is wrong with one value; becomes a mistake at the value's place."""


class Reading:
    """What reading one tree needs to know, and the mistakes it found.

    Attributes:
        working_dir: What relative paths are relative to.
        home: What ``~`` stands for.
        belongs: The section that a key belongs under, for keys that only one section has.
    """

    def __init__(self, working_dir: Path, home: Path, belongs: Mapping[str, str]) -> None:
        self.working_dir, self.home, self.belongs = working_dir, home, belongs
        self._found: dict[tuple[Place, str], None] = {}

    def wrong(self, place: Place, path: str, what: str) -> None:
        """Note a mistake; *path* names the setting, empty for the file as a whole."""
        # A value that aliases bring in twice is wrong once.
        self._found[place, f"{path}: {what}" if path else what] = None

    def mistakes(self) -> list[Mistake]:
        """Return the mistakes in the order of the file, those from outside of it last."""
        ordered = sorted(self._found, key=lambda entry: entry[0].order)
        return [Mistake(str(place), what) for place, what in ordered]

    def absolute(self, path: str) -> Path:
        """Return *path* with ``~`` expanded, below the working directory when relative."""
        if path == "~" or path.startswith("~/"):
            return self.home / path[2:]
        return self.working_dir / path


def did_you_mean(word: str, possible: Iterable[str]) -> str:
    """Return ``; did you mean "…"?``, or what is possible when nothing is alike."""
    words = list(possible)
    folded = {known.lower(): known for known in words}
    close = difflib.get_close_matches(word.lower(), folded, n=1)
    if close:
        return f"; did you mean {quote(folded[close[0]])}?"
    return f"; known are {', '.join(words)}"


def not_available(what: str) -> str:
    """Return the message for what a later version will know."""
    return f"{what} is not available in this version of logship"
