"""Sections: mappings with known keys, described as data, that become a settings object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from logship.settings import units
from logship.settings.kinds import Kind, Size, Time
from logship.settings.reading import INVALID, Reading, did_you_mean, not_available
from logship.settings.tree import Node, Unreadable, printable

__all__ = ["Given", "Key", "Section", "join"]


@dataclass(frozen=True, slots=True)
class Key:
    """One setting of a section.

    Attributes:
        name: As it is written in YAML.
        kind: Which values it takes.
        doc: One sentence for people: editors show it.
        required: What to say when it is missing; empty when it need not be given.
        nullable: Whether null is the same as not given although there is a default.
        stands_for: The attribute that this key is another way of giving; such keys have
            no attribute of their own.
    """

    name: str
    kind: Kind
    doc: str
    required: str = ""
    nullable: bool = False
    stands_for: str = ""

    @property
    def attribute(self) -> str:
        """The name in the settings object: times carry their unit there."""
        return f"{self.name}_seconds" if isinstance(self.kind, Time) else self.name


@dataclass(frozen=True, slots=True)
class Given:
    """What a section was given, before it becomes an object; sections may adjust it.

    Attributes:
        values: Valid values by key.
        node: The section.
        path: Of the section, empty for the root.
        reading: Where mistakes go.
    """

    values: dict[str, Any]
    node: Node
    path: str
    reading: Reading

    def has(self, key: str) -> bool:
        """Whether *key* has a value in the section, right or wrong."""
        child = self._children().get(key)
        return child is not None and not _is_nothing(child)

    def given_in_file(self) -> list[str]:
        """Return the keys that have a value and a place in a file, right or wrong."""
        return [
            key for key, child in self._children().items() if self.has(key) and child.place.line
        ]

    def section(self, key: str) -> Given:
        """Return what the section under *key* was given, without its values."""
        absent = Node({}, self.node.place)
        child = self._children().get(key, absent)
        return Given({}, child, join(self.path, key), self.reading)

    def wrong(self, key: str, what: str) -> None:
        """Note a mistake about *key*, at its place when it was given, else at the section's."""
        child = self._children().get(key, self.node)
        self.reading.wrong(child.place, join(self.path, key), what)

    def _children(self) -> dict[str, Node]:
        return self.node.value if isinstance(self.node.value, dict) else {}


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping that becomes an object of *model*.

    Attributes:
        model: A dataclass; what is not given keeps its defaults.
        keys: The settings, in the order they are explained in.
        later: Keys that a later version will know.
        finish: Looks at the values together, and may change them, before the object is made.
        placeholders: Stand in for required values that are missing or wrong.
    """

    model: type
    keys: tuple[Key, ...]
    later: tuple[str, ...] = ()
    finish: Callable[[Given], None] | None = None
    placeholders: Mapping[str, Any] = field(default_factory=dict)

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """Return the settings object; made from what is right when something is wrong."""
        children = {} if node.value is None else node.value
        if isinstance(children, Unreadable):
            reading.wrong(node.place, path, children.what)
            return INVALID
        if not isinstance(children, dict):
            reading.wrong(node.place, path, f"expected a mapping, found {node.description}")
            return INVALID
        self._refuse_unknown(children, path, reading)
        given = Given({}, node, path, reading)
        for key in self.keys:
            self._read_key(key, children.get(key.name), given)
        if self.finish is not None:
            self.finish(given)
        attributes = {key.name: key.attribute for key in self.keys}
        values = {attributes.get(name, name): value for name, value in given.values.items()}
        return self.model(**{**self.placeholders, **values})

    def default(self, key: Key) -> Any:
        """Return the model's default of *key*; MISSING when it has none."""
        for attribute in fields(self.model):
            if attribute.name == (key.stands_for or key.attribute):
                return attribute.default
        return MISSING

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the mapping."""
        properties = {key.name: self._key_schema(key) for key in self.keys}
        required = [key.name for key in self.keys if key.required]
        return {
            "type": "object" if required else ["object", "null"],
            "properties": properties,
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def _read_key(self, key: Key, child: Node | None, given: Given) -> None:
        if child is None:
            if key.required:
                given.wrong(key.name, f"is missing; {key.required}")
            return
        if self._is_nullable(key) and _is_nothing(child):
            return
        value = key.kind.read(child, join(given.path, key.name), given.reading)
        if value is not INVALID:
            given.values[key.name] = value

    def _is_nullable(self, key: Key) -> bool:
        return key.nullable or self.default(key) is None

    def _refuse_unknown(self, children: Mapping[str, Node], path: str, reading: Reading) -> None:
        names = [key.name for key in self.keys]
        for name, child in children.items():
            if name in names:
                continue
            if name in self.later:
                what = not_available("this setting")
            elif name in reading.belongs:
                what = f"unknown setting here; it belongs under {reading.belongs[name]}"
            else:
                what = f"unknown setting{did_you_mean(name, names)}"
            reading.wrong(child.place, join(path, printable(name)), what)

    def _key_schema(self, key: Key) -> dict[str, Any]:
        schema = {"description": key.doc, **key.kind.schema()}
        if self._is_nullable(key):
            schema = _or_null(schema)
        default = self.default(key)
        if default is MISSING or key.stands_for or key.nullable:
            return schema
        return {**schema, "default": _shown(default, key.kind)}


def join(path: str, key: str) -> str:
    """Return the path of *key* in the section at *path*."""
    return f"{path}.{key}" if path else key


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*types, "null"]}


def _is_nothing(node: Node) -> bool:
    # A variable that is empty counts as not given: that is how containers leave things out.
    return node.value is None or (node.from_variable and not node.raw)


def _shown(default: Any, kind: Kind) -> Any:
    """A default as it would be written in YAML."""
    if default is None:
        return None
    if isinstance(kind, Size):
        return units.format_size(default)
    if isinstance(kind, Time):
        return units.format_duration(default)
    if isinstance(default, tuple):
        return list(default)
    return str(default) if isinstance(default, Path) else default
