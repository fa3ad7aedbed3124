"""Loading the settings: the file, the environment and flags become one `Settings`.

A flag beats the environment, which beats the file, which beats the defaults. All mistakes
are found in one go.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from logship.errors import Mistake, SettingsError
from logship.settings.layers import Override, find, from_environment, lay_over, lay_service_over
from logship.settings.model import Settings
from logship.settings.reading import Reading
from logship.settings.tables import SETTINGS, belongs
from logship.settings.tree import Node, Place
from logship.settings.yaml_text import read_yaml

__all__ = ["Loaded", "Override", "load_settings"]

MAX_FILE_BYTES = 4 << 20
NO_SETTINGS = (
    "no settings were given; name a file with -c FILE or LOGSHIP_CONFIG, or the logs to ship "
    'in LOGSHIP_PATHS ("logship ship PATH" needs neither)'
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where they come from.

    Attributes:
        settings: What holds.
        path: The file; None without one.
        overridden: Each setting of the file that something else replaced:
            ``elasticsearch.hosts from LOGSHIP_ES_URL``.
        unused: Each variable that is set and had no effect, with the reason.
    """

    settings: Settings
    path: Path | None = None
    overridden: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def load_settings(
    path: Path | None,
    *,
    environment: Mapping[str, str],
    working_dir: Path,
    overrides: Sequence[Override] = (),
    user_id: int | None = None,
) -> Loaded:
    """Return the settings from a file, the environment and flags.

    Args:
        path: The YAML file; without one, sources come from ``LOGSHIP_PATHS`` or *overrides*.
        environment: For ``${VAR}`` in the file, for ``LOGSHIP_*``, and for the home folder.
        working_dir: What relative paths in settings are relative to; absolute.
        overrides: Values of flags.
        user_id: Whose default state folder; None means the user that runs this.

    Raises:
        SettingsError: Something is wrong; it carries every mistake, in the order of the file.
    """
    home = Path(environment.get("HOME") or os.path.expanduser("~"))
    reading = Reading(working_dir, home, belongs())
    tree = Node({}, Place("settings"))
    if path is not None:
        tree = _read_file(path, environment, reading)
    tree, replaced, unused = _lay_over(tree, environment, overrides)
    if path is None and not _has_sources(tree):
        raise SettingsError([Mistake("settings", NO_SETTINGS)])
    settings: Settings = SETTINGS.read(tree, "", reading)
    mistakes = reading.mistakes()
    if mistakes:
        raise SettingsError(mistakes)
    chosen = find(tree, "state_dir")
    if chosen is None or not chosen.raw:
        user = os.geteuid() if user_id is None else user_id
        settings = replace(settings, state_dir=_default_state_dir(environment, home, user))
    return Loaded(settings, path, replaced, unused)


def _read_file(path: Path, environment: Mapping[str, str], reading: Reading) -> Node:
    try:
        with (reading.working_dir / path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError([Mistake(str(path), f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError([Mistake(str(path), "is too large for a settings file")])
    tree = read_yaml(data, str(path), environment, reading.wrong)
    if tree is not None and not isinstance(tree.value, dict):
        # Reading it says what is wrong; nothing may be laid over what is no mapping.
        SETTINGS.read(tree, "", reading)
        tree = None
    if tree is None:
        raise SettingsError(reading.mistakes())
    return tree


def _lay_over(
    tree: Node, environment: Mapping[str, str], overrides: Sequence[Override]
) -> tuple[Node, tuple[str, ...], tuple[str, ...]]:
    """The tree with everything from outside, what gave way, and what had no effect."""
    has_sources = _has_sources(tree) or any(override.path == "sources" for override in overrides)
    replaced: dict[str, str] = {}
    for layer in (from_environment(environment, has_sources=has_sources), overrides):
        tree, notes = lay_over(tree, layer)
        replaced.update(notes)
    tree, notes = lay_service_over(tree, environment)
    replaced.update(notes)
    unused = []
    if has_sources and environment.get("LOGSHIP_PATHS"):
        unused.append("LOGSHIP_PATHS, because sources are given")
    return tree, tuple(f"{path} from {origin}" for path, origin in replaced.items()), tuple(unused)


def _has_sources(tree: Node) -> bool:
    sources = find(tree, "sources")
    return sources is not None and sources.value not in (None, [])


def _default_state_dir(environment: Mapping[str, str], home: Path, user_id: int) -> Path:
    """Source: XDG Base Directory Specification 0.8, ``XDG_STATE_HOME``."""
    if user_id == 0:
        return Settings().state_dir
    state_home = Path(environment.get("XDG_STATE_HOME", ""))
    if not state_home.is_absolute():
        state_home = home / ".local" / "state"
    return state_home / "logship"
