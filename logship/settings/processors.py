"""The processors section: a list of verbs, each with its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from logship.settings.field_values import Fields
from logship.settings.kinds import Kind
from logship.settings.model import ProcessorSettings
from logship.settings.reading import INVALID, Reading, did_you_mean, not_available
from logship.settings.tree import Node, Unreadable, quote

__all__ = ["LATER_VERBS", "VERBS", "Processor"]


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Nothing, or an empty mapping."""

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """Return the empty dict; `INVALID` when there is something."""
        if node.value is None or node.value == {}:
            return {}
        reading.wrong(node.place, path, "takes no options")
        return INVALID

    def schema(self) -> dict[str, Any]:
        """Null or an empty object."""
        return {"type": ["object", "null"], "maxProperties": 0}


# Which options each verb takes; what they do is the business of the stage.
VERBS: dict[str, Kind] = {
    "add_fields": Fields(at_least_one=True),
    "add_host": NoOptions(),
}
DOCS = {
    "add_fields": "Puts these fields on every record.",
    "add_host": "Adds the machine's architecture and operating system to every record.",
}
LATER_VERBS = (
    "copy_fields",
    "rename_fields",
    "keep_fields",
    "drop_fields",
    "convert",
    "parse_json",
    "parse_logfmt",
    "parse_pattern",
    "parse_timestamp",
    "parse_url",
    "parse_user_agent",
    "extract",
    "add_tags",
    "remove_tags",
    "add_container",
    "add_kubernetes",
    "truncate",
    "redact",
    "sample",
    "throttle",
    "deduplicate",
    "drop",
)


@dataclass(frozen=True, slots=True)
class Processor:
    """One entry: a mapping from one verb to its options, or a verb alone."""

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """Return the `ProcessorSettings`; `INVALID` when something is wrong."""
        value = node.value
        if isinstance(value, Unreadable):
            reading.wrong(node.place, path, value.what)
            return INVALID
        if isinstance(value, str):
            value = {value: Node(None, node.place)}
        if not isinstance(value, dict) or not value:
            what = 'expected a processor such as "add_host:"'
            reading.wrong(node.place, path, f"{what}, found {node.description}")
            return INVALID
        is_right = self._refuse_unknown(value, path, reading)
        verbs = [name for name in value if name in VERBS]
        if len(verbs) > 1:
            what = f'{quote(verbs[1])} is a processor of its own: begin its line with "- "'
            reading.wrong(value[verbs[1]].place, path, what)
            is_right = False
        if not verbs:
            return INVALID
        verb = verbs[0]
        options = VERBS[verb].read(value[verb], f"{path}.{verb}", reading)
        if options is INVALID or not is_right:
            return INVALID
        return ProcessorSettings(verb, options, where=str(node.place))

    def schema(self) -> dict[str, Any]:
        """A word, or an object with one property."""
        properties = {
            verb: {"description": DOCS[verb], **kind.schema()} for verb, kind in VERBS.items()
        }
        alone = [verb for verb, kind in VERBS.items() if isinstance(kind, NoOptions)]
        mapping = {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }
        return {"anyOf": [mapping, {"enum": alone}]}

    def _refuse_unknown(self, value: dict[str, Node], path: str, reading: Reading) -> bool:
        unknown = [name for name in value if name not in VERBS]
        for name in unknown:
            if name == "when":
                what = not_available('"when"')
            elif name in LATER_VERBS:
                what = not_available(f"the processor {quote(name)}")
            else:
                what = f"unknown processor {quote(name)}{did_you_mean(name, VERBS)}"
            reading.wrong(value[name].place, path, what)
        return not unknown
