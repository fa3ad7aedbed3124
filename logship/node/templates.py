"""Index templates: which one is for a new index, and what comes out of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from logship.node import settings as index_settings
from logship.node.analysis import Analyzers
from logship.node.dynamic import check_templates
from logship.node.errors import Json, NodeError, illegal_argument, invalid_request, parsing
from logship.node.mapping import Mapping as FieldMapping
from logship.node.mapping import merged_definitions

_COMPOSABLE = frozenset(
    {"index_patterns", "template", "composed_of", "priority", "version", "_meta", "data_stream",
     "allow_auto_create", "ignore_missing_component_templates", "deprecated",
     "created_date", "created_date_millis", "modified_date", "modified_date_millis"}
)  # fmt: skip
_STREAM = frozenset({"hidden", "allow_custom_routing", "failure_store"})
_FORBIDDEN = re.compile(r"[ \",/<>?\\|]")
_BODY = frozenset({"settings", "mappings", "aliases", "lifecycle", "data_stream_options"})
_LEGACY = frozenset({"index_patterns", "order", "settings", "mappings", "aliases", "version"})


@dataclass
class Composed:
    """What templates and request together say about a new index."""

    settings: index_settings.Flat = field(default_factory=dict)
    mappings: Json = field(default_factory=dict)
    aliases: Json = field(default_factory=dict)
    data_stream: Json | None = None

    def add(self, body: Mapping[str, Any]) -> None:
        """Lay *body* over what is there; it wins.

        Raises:
            NodeError: It names unknown settings or mappings.
        """
        self.settings.update(index_settings.index_settings(body.get("settings") or {}))
        check_templates((body.get("mappings") or {}).get("dynamic_templates"))
        self.mappings = merged_definitions(self.mappings, body.get("mappings") or {}, replace=True)
        self.aliases.update(body.get("aliases") or {})

    def compile(self) -> FieldMapping:
        """Return the mapping, ready for use.

        Raises:
            NodeError: It cannot be used.
        """
        return compile_mapping(self.mappings, self.settings)


def compile_mapping(definition: Json, settings: index_settings.Flat) -> FieldMapping:
    """Return a mapping under the given index settings.

    Raises:
        NodeError: It cannot be used.
    """
    analysis = index_settings.nested(settings).get("index", {}).get("analysis", {})
    return FieldMapping(
        definition,
        Analyzers(analysis),
        ignore_malformed=index_settings.is_on(settings, "mapping.ignore_malformed"),
    )


def matching(templates: Mapping[str, Json], index: str) -> list[str]:
    """Return the names of the composable templates for *index*, the winner first."""
    names = [name for name, body in templates.items() if _is_for(body, index)]
    return sorted(names, key=lambda name: -int(templates[name].get("priority") or 0))


def _is_for(body: Json, index: str) -> bool:
    return any(fnmatchcase(index, pattern) for pattern in body.get("index_patterns", ()))


def compose(
    index: str,
    composable: Mapping[str, Json],
    components: Mapping[str, Json],
    legacy: Mapping[str, Json],
) -> Composed:
    """Return what the templates make of a new index of this name.

    One composable template counts, the one of highest priority; the older kind only where
    there is none, all that match, by their order.
    """
    result = Composed()
    names = matching(composable, index)
    if names:
        template = composable[names[0]]
        for component in template.get("composed_of") or ():
            result.add(components.get(component, {}).get("template", {}))
        result.add(template.get("template") or {})
        result.data_stream = template.get("data_stream")
        return result
    bodies = [body for body in legacy.values() if _is_for(body, index)]
    for body in sorted(bodies, key=lambda one: int(one.get("order") or 0)):
        result.add(body)
    return result


def check_composable(
    name: str, body: Json, composable: Mapping[str, Json], components: Mapping[str, Json]
) -> Json:
    """Return a composable template as it is kept.

    Raises:
        NodeError: It is not usable, or another of the same priority has the same pattern.
    """
    _check_members("index_template", body, _COMPOSABLE)
    patterns = body.get("index_patterns")
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if patterns is None:
        raise illegal_argument("Required [index_patterns]")
    if not patterns:
        raise illegal_argument("There must be at least one pattern, zero given")
    priority = _priority(body.get("priority"))
    _check_stream(body.get("data_stream"))
    _check_names(name, patterns)
    _check_members("template", body.get("template") or {}, _BODY)
    ignored = body.get("ignore_missing_component_templates") or ()
    missing = [
        one for one in body.get("composed_of") or () if one not in components and one not in ignored
    ]
    if missing:
        raise NodeError(
            400,
            "invalid_index_template_exception",
            f"index_template [{name}] invalid, cause [index template [{name}] specifies component "
            f"templates [{', '.join(missing)}] that do not exist]",
        )
    for other, there in composable.items():
        if other == name or int(there.get("priority") or 0) != priority:
            continue
        if any(_overlap(one, two) for one in patterns for two in there["index_patterns"]):
            raise illegal_argument(
                f"index template [{name}] has index patterns {_shown(patterns)} matching "
                f"patterns from existing templates [{other}] with patterns ({other} => "
                f"{_shown(there['index_patterns'])}) that have the same priority "
                f"[{priority}], multiple index templates may not match during index "
                "creation, please use a different priority"
            )
    kept = {**body, "index_patterns": patterns, "composed_of": body.get("composed_of") or []}
    _try(name, kept, components)
    return kept


def _priority(value: Any) -> int:
    try:
        priority = int(value or 0)
    except (TypeError, ValueError):
        what = "[index_template] failed to parse field [priority]"
        cause = {"type": "illegal_argument_exception", "reason": f'For input string: "{value}"'}
        raise NodeError(400, "x_content_parse_exception", what, caused_by=cause) from None
    if priority < 0:
        raise invalid_request("index template priority must be >= 0")
    return priority


def _check_stream(value: Any) -> None:
    for key in value or ():
        if key not in _STREAM:
            what = "[index_template] failed to parse field [data_stream]"
            cause = {"type": "x_content_parse_exception",
                     "reason": f"[data_stream_template] unknown field [{key}]"}  # fmt: skip
            raise NodeError(400, "x_content_parse_exception", what, caused_by=cause)


def _check_names(name: str, patterns: list[str]) -> None:
    """Refuse names that no index can have."""
    wrong = []
    if " " in name:
        wrong.append("name must not contain a space")
    if name != name.lower():
        wrong.append("name must be lower cased")
    for pattern in patterns:
        what = f"index_pattern [{pattern}] must not"
        if " " in pattern:
            wrong.append(f"index_patterns [{pattern}] must not contain a space")
        wrong += [f"{what} contain a '{one}'" for one in ",#:" if one in pattern]
        if pattern.startswith("_"):
            wrong.append(f"{what} start with '_'")
        if _FORBIDDEN.search(pattern):
            wrong.append(
                f"{what} contain the following characters "
                "[' ','\"','*',',','/','<','>','?','\\','|']"
            )
    if wrong:
        numbered = "".join(f"{number}: {one};" for number, one in enumerate(wrong, 1))
        raise NodeError(
            400,
            "invalid_index_template_exception",
            f"index_template [{name}] invalid, cause [Validation Failed: {numbered}]",
        )


def _overlap(one: str, two: str) -> bool:
    """Whether there is a name that both patterns are for; ``*`` is any text."""
    # The states are places in the two patterns, so there are few.
    reached, todo = {(0, 0)}, [(0, 0)]
    while todo:
        left, right = todo.pop()
        if left == len(one) and right == len(two):
            return True
        first, second = one[left : left + 1], two[right : right + 1]
        steps = []
        if first == "*":
            steps += [(left + 1, right)] + ([(left, right + 1)] if second else [])
        if second == "*":
            steps += [(left, right + 1)] + ([(left + 1, right)] if first else [])
        if first and first == second:
            steps.append((left + 1, right + 1))
        new = [step for step in steps if step not in reached]
        reached.update(new)
        todo += new
    return False


def _try(name: str, body: Json, components: Mapping[str, Json]) -> None:
    composed = Composed()
    for component in body["composed_of"]:
        composed.add(components.get(component, {}).get("template", {}))
    template = body.get("template") or {}
    try:
        composed.settings.update(index_settings.index_settings(template.get("settings") or {}))
    except NodeError as error:
        raise NodeError(
            400,
            "invalid_index_template_exception",
            f"index_template [{name}] invalid, cause [Validation Failed: 1: {error.reason};]",
        ) from None
    try:
        composed.add(template)
        composed.compile()
    except NodeError as error:
        inner = error.cause()
        raise illegal_argument(
            f"composable template [{name}] template after composition is invalid",
            {
                "type": "illegal_argument_exception",
                "reason": f"invalid composite mappings for [{name}]",
                "caused_by": inner,
            },
        ) from None


def check_component(name: str, body: Json) -> Json:
    """Return a component template as it is kept.

    Raises:
        NodeError: It is not usable.
    """
    _check_members("component_template", body, _COMPOSABLE)
    if not isinstance(body.get("template"), dict):
        raise illegal_argument("Required [template]")
    _check_members("template", body["template"], _BODY)
    composed = Composed()
    composed.add(body["template"])
    composed.compile()
    return body


def check_legacy(name: str, body: Json) -> Json:
    """Return a template of the older kind as it is kept.

    Raises:
        NodeError: It is not usable.
    """
    _check_members("template", body, _LEGACY)
    patterns = body.get("index_patterns")
    if not patterns:
        raise NodeError(
            400,
            "action_request_validation_exception",
            "Validation Failed: 1: index patterns are missing;",
        )
    composed = Composed()
    composed.add(body)
    composed.compile()
    kept = {"order": int(body.get("order") or 0), "settings": {}, "mappings": {}, "aliases": {}}
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return {**kept, **body, "index_patterns": patterns}


def _check_members(what: str, body: Any, known: frozenset[str]) -> None:
    if not isinstance(body, dict):
        raise parsing(f"[{what}] expected an object")
    for key in body:
        if key not in known:
            raise NodeError(400, "x_content_parse_exception", f"[{what}] unknown field [{key}]")


def _shown(names: list[str]) -> str:
    return "[" + ", ".join(names) + "]"
