"""What comes from outside of the file: environment variables, and flags, which beat them.

Both become nodes of the settings tree under their own names, so they are checked like the
file, and a mistake in them is reported as theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from logship.settings.tree import Node, Place, from_plain, plain

__all__ = ["ENVIRONMENT", "Override", "find", "from_environment", "lay_over", "lay_service_over"]

# Which setting each variable gives.
ENVIRONMENT = {
    "LOGSHIP_ES_URL": "elasticsearch.hosts",
    "LOGSHIP_ES_API_KEY": "elasticsearch.api_key",
    "LOGSHIP_ES_USERNAME": "elasticsearch.username",
    "LOGSHIP_ES_PASSWORD": "elasticsearch.password",
    "LOGSHIP_STATE_DIR": "state_dir",
    "LOGSHIP_AGENT_ID": "agent.id",
    "LOGSHIP_INDEX": "index.name",
}
SEPARATORS = {"LOGSHIP_ES_URL": r"[,\s]+", "LOGSHIP_PATHS": "[,:]"}

_API_KEY = ("elasticsearch.api_key", "elasticsearch.api_key_file")
_BEARER_TOKEN = ("elasticsearch.bearer_token", "elasticsearch.bearer_token_file")
_PASSWORD = ("elasticsearch.password", "elasticsearch.password_file")
# What a value from outside replaces besides its own setting.
RIVALS = {
    "elasticsearch.hosts": ("elasticsearch.cloud_id",),
    "elasticsearch.api_key": (
        "elasticsearch.api_key_file",
        "elasticsearch.username",
        *_PASSWORD,
        *_BEARER_TOKEN,
    ),
    "elasticsearch.username": (*_API_KEY, *_BEARER_TOKEN),
    "elasticsearch.password": ("elasticsearch.password_file",),
}


@dataclass(frozen=True, slots=True)
class Override:
    """One value from outside of the file.

    Attributes:
        path: The setting: keys with dots between them, ``log.level``.
        value: As it would be in YAML: scalars, lists, mappings. Taken literally.
        origin: The flag or variable, for messages: ``--log-level``.
    """

    path: str
    value: Any
    origin: str


def from_environment(environment: Mapping[str, str], *, has_sources: bool) -> list[Override]:
    """Return what ``LOGSHIP_*`` variables give; empty ones count as not set.

    Args:
        environment: The variables.
        has_sources: Whether sources are known already; then ``LOGSHIP_PATHS`` is not used.
    """
    overrides = [
        Override(path, _value(name, environment[name]), name)
        for name, path in ENVIRONMENT.items()
        if environment.get(name)
    ]
    if environment.get("LOGSHIP_PATHS") and not has_sources:
        paths = _value("LOGSHIP_PATHS", environment["LOGSHIP_PATHS"])
        overrides.append(Override("sources", [{"paths": paths}], "LOGSHIP_PATHS"))
    return overrides


def lay_over(tree: Node, overrides: Sequence[Override]) -> tuple[Node, dict[str, str]]:
    """Return *tree* with *overrides* in it, and what gave way: the origin by path."""
    notes = {}
    origins = {override.origin for override in overrides}
    for override in overrides:
        node = from_plain(override.value, Place(override.origin))
        for path in (override.path, *RIVALS.get(override.path, ())):
            present = find(tree, path)
            if present is None or present.place.origin in origins:
                continue
            if path != override.path:
                tree = _without(tree, path)
            elif plain(present) == plain(node):
                continue
            if present.value is not None:
                notes[path] = override.origin
        tree = _with(tree, override.path.split("."), node)
    return tree, notes


def lay_service_over(tree: Node, environment: Mapping[str, str]) -> tuple[Node, dict[str, str]]:
    """Return *tree* with ``LOGSHIP_SERVICE`` as the service of every source, and what gave way.

    Sources that come from flags and name their service keep it.
    """
    service = environment.get("LOGSHIP_SERVICE")
    sources = find(tree, "sources")
    if not service or sources is None:
        return tree, {}
    place = Place("LOGSHIP_SERVICE")
    items = sources.value if isinstance(sources.value, list) else [sources]
    notes = {}
    changed = []
    for index, source in enumerate(items):
        own = find(source, "service")
        in_fields = find(source, "fields.service")
        if not isinstance(source.value, dict) or (own and not own.place.line):
            changed.append(source)
            continue
        if any(node and plain(node) != service for node in (own, in_fields)):
            notes[f"sources[{index}].service"] = "LOGSHIP_SERVICE"
        source = _without(source, "fields.service")
        changed.append(_with(source, ["service"], from_plain(service, place)))
    return _with(tree, ["sources"], Node(changed, sources.place)), notes


def _value(name: str, text: str) -> str | list[str]:
    if name not in SEPARATORS:
        return text
    return [part for part in re.split(SEPARATORS[name], text) if part]


def find(tree: Node, path: str) -> Node | None:
    """Return the node under *path*, keys with dots between them; None when it is not given."""
    node: Node | None = tree
    for key in path.split("."):
        if node is None or not isinstance(node.value, dict):
            return None
        node = node.value.get(key)
    return node


def _with(tree: Node, keys: Sequence[str], node: Node) -> Node:
    """*tree* with *node* under *keys*; what is in the way and no mapping is replaced."""
    if not keys:
        return node
    children = tree.value if isinstance(tree.value, dict) else {}
    below = children.get(keys[0], Node({}, node.place))
    return Node({**children, keys[0]: _with(below, keys[1:], node)}, tree.place)


def _without(tree: Node, path: str) -> Node:
    key, _, rest = path.partition(".")
    if not isinstance(tree.value, dict) or key not in tree.value:
        return tree
    if rest:
        below = _without(tree.value[key], rest)
        return Node({**tree.value, key: below}, tree.place)
    return Node({name: node for name, node in tree.value.items() if name != key}, tree.place)
