"""What a field that no mapping names becomes: the first value decides."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from logship.node.dates import MILLIS, date_format
from logship.node.errors import Json, illegal_argument
from logship.node.mapping import Mapping

_SLASH_DATE = "yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis"
_NUMBER = re.compile(r"[+-]?[\d.]+")
_DEFAULTS: dict[str, Json] = {
    "string": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}},
    "long": {"type": "long"},
    "double": {"type": "float"},
    "boolean": {"type": "boolean"},
    "date": {"type": "date"},
    "object": {"type": "object"},
}
_TYPE_OF = {"string": "text"}
_CONDITIONS = frozenset(
    {"match_mapping_type", "unmatch_mapping_type", "match", "unmatch", "path_match",
     "path_unmatch", "match_pattern", "mapping"}
)  # fmt: skip


def detected(value: Any, *, dates: bool) -> tuple[str, str | None]:
    """Return the kind of a JSON value as templates name it, and its date format if it is one.

    Args:
        value: Neither null nor a list.
        dates: Whether texts that look like dates are dates.
    """
    if isinstance(value, bool):
        return "boolean", None
    if isinstance(value, int):
        return "long", None
    if isinstance(value, float):
        return "double", None
    if isinstance(value, dict):
        return "object", None
    if dates and not _NUMBER.fullmatch(value) and value[:1].isdigit():
        for fmt in (MILLIS, _SLASH_DATE):
            try:
                date_format(fmt).moment(value)
            except ValueError:
                continue
            return "date", None if fmt == MILLIS else fmt
    return "string", None


def definition_for(mapping: Mapping, path: str, value: Any) -> Json:
    """Return the definition of a new field from its first value.

    Raises:
        NodeError: A dynamic template matches but cannot be used.
    """
    kind, fmt = detected(value, dates=mapping.date_detection)
    name = path.rpartition(".")[2]
    for one in mapping.templates:
        template = next(iter(one.values()))
        if _matches(template, kind, name, path):
            return _filled(template.get("mapping", {}), kind, name)
    definition = dict(_DEFAULTS[kind])
    return {**definition, "format": fmt} if fmt else definition


def check_templates(templates: Any) -> None:
    """Refuse dynamic templates with members that are not known.

    Raises:
        NodeError: Names the member.
    """
    for one in templates or ():
        name, template = next(iter(one.items()))
        for key in template:
            if key not in _CONDITIONS:
                raise illegal_argument(
                    f"Illegal dynamic template parameter: [{key}] of template [{name}]"
                )


def _matches(template: Json, kind: str, name: str, path: str) -> bool:
    wanted = _listed(template.get("match_mapping_type", "*"))
    if "*" not in wanted and kind not in wanted:
        return False
    if kind in _listed(template.get("unmatch_mapping_type", [])):
        return False
    is_regex = template.get("match_pattern") == "regex"
    for key, text, is_wanted in (
        ("match", name, True),
        ("unmatch", name, False),
        ("path_match", path, True),
        ("path_unmatch", path, False),
    ):
        if key in template:
            patterns = _listed(template[key])
            if any(_like(text, pattern, is_regex=is_regex) for pattern in patterns) != is_wanted:
                return False
    return True


def _like(text: str, pattern: str, *, is_regex: bool) -> bool:
    return bool(re.fullmatch(pattern, text)) if is_regex else fnmatchcase(text, pattern)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _filled(definition: Any, kind: str, name: str) -> Json:
    type_ = {"string": "text", "double": "float"}.get(kind, kind)

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{name}", name).replace("{dynamic_type}", type_)
        if isinstance(value, dict):
            return {key: fill(below) for key, below in value.items()}
        return value

    filled: Json = fill(definition)
    if "type" not in filled and "properties" not in filled:
        filled["type"] = type_
    return filled
