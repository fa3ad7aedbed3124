"""``filter_path``: which parts of a reply the client wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

_Path = tuple[str, ...]


class FilterPath:
    """A parsed ``filter_path``.

    Args:
        text: Comma-separated dotted paths with ``*`` (one step, or part of a name) and ``**``
            (any number of steps); a leading ``-`` excludes. None or empty keeps everything.
    """

    def __init__(self, text: str | None) -> None:
        paths = [part.strip() for part in (text or "").split(",") if part.strip()]
        self._included = [tuple(path.split(".")) for path in paths if path[0] != "-"]
        self._excluded = [tuple(path[1:].split(".")) for path in paths if path[0] == "-"]

    @property
    def is_empty(self) -> bool:
        """Whether everything is kept."""
        return not self._included and not self._excluded

    def apply(self, value: Any) -> Any:
        """Return the wanted parts of *value*; None when nothing of it is wanted."""
        if self._included:
            value = _include(value, self._included)
        if self._excluded and value is not None:
            value = _exclude(value, self._excluded)
        return value


def _steps(paths: Sequence[_Path], key: str) -> list[_Path]:
    """Return what is left of each path after *key*; an empty tuple means: matched whole."""
    left: list[_Path] = []
    for path in paths:
        first, rest = path[0], path[1:]
        if first == "**":
            if not rest:
                left.append(())
                continue
            left.append(path)
            left.extend(_steps([rest], key))
        elif first == key or ("*" in first and fnmatchcase(key, first)):
            left.append(rest)
        elif key.count(".") and ".".join(path[: key.count(".") + 1]) == key:
            left.append(path[key.count(".") + 1 :])
    return left


def _include(value: Any, paths: Sequence[_Path]) -> Any:
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for key, below in value.items():
            left = _steps(paths, str(key))
            if () in left:
                kept[key] = below
            elif left:
                inner = _include(below, left)
                if inner is not None:
                    kept[key] = inner
        return kept or None
    if isinstance(value, list):
        inner_values = [_include(below, paths) for below in value]
        return [one for one in inner_values if one is not None] or None
    return None


def _exclude(value: Any, paths: Sequence[_Path]) -> Any:
    if isinstance(value, Mapping):
        kept = {}
        for key, below in value.items():
            left = _steps(paths, str(key))
            if () in left:
                continue
            inner = _exclude(below, left) if left else below
            if inner is not None:
                kept[key] = inner
        return kept or None
    if isinstance(value, list):
        return [one for one in (_exclude(below, paths) for below in value) if one is not None]
    return value
