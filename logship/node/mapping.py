"""The mapping of an index: definitions as Elasticsearch spells them, compiled for use.

A `Mapping` is never changed in place once an index uses it: a document that brings new
fields works on a `copy`, which replaces the old one after the commit.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from fnmatch import fnmatchcase
from typing import Any

from logship.node.analysis import Analyzers
from logship.node.errors import Json, NodeError, illegal_argument, mapper_parsing
from logship.node.fields import FAMILIES, Field, FlattenedKey

_ROOT = frozenset(
    {"properties", "dynamic", "dynamic_templates", "date_detection", "numeric_detection", "_source",
     "_routing", "_meta", "dynamic_date_formats", "runtime", "_data_stream_timestamp", "subobjects"}
)  # fmt: skip
_OBJECT = frozenset({"type", "properties", "dynamic", "enabled", "include_in_parent",
                     "include_in_root", "subobjects"})  # fmt: skip
_DYNAMIC = {"true": "true", "false": "false", "strict": "strict"}


class ObjectNode:
    """An object of the mapping.

    Attributes:
        path: Full dotted name; empty for the root.
        dynamic: true, false or strict, taken over from above where not given.
        is_enabled: Whether anything below is looked at.
        children: By simple name.
        quick: Everything below by its dotted name from here, for documents that spell it so.
    """

    def __init__(
        self, parent: ObjectNode | None, name: str, dynamic: str, *, is_enabled: bool = True
    ) -> None:
        self._parent, self._name = parent, name
        self.path: str = f"{parent.path}.{name}" if parent is not None and parent.path else name
        self.dynamic, self.is_enabled = dynamic, is_enabled
        self.children: dict[str, Field | ObjectNode] = {}
        self.quick: dict[str, Field | ObjectNode] = {}

    def put(self, name: str, child: Field | ObjectNode) -> None:
        """Add a child under its simple name."""
        self.children[name] = child
        node: ObjectNode | None = self
        while node is not None:
            node.quick[name] = child
            name = f"{node._name}.{name}"
            node = node._parent


class Mapping:
    """The compiled mapping of one index.

    Args:
        definition: The ``mappings`` object; dotted names are unfolded.
        analyzers: What the index's settings define.
        ignore_malformed: The index-wide default.

    Raises:
        NodeError: The definition cannot be used.

    Attributes:
        definition: Normalised, as a client gets it back.
        fields: Every leaf by full path, multi-fields and aliases included.
        count: Fields and objects, as counted against the limit.
    """

    def __init__(
        self, definition: MappingType[str, Any], analyzers: Analyzers, *, ignore_malformed: bool
    ) -> None:
        self.analyzers, self.ignore_malformed = analyzers, ignore_malformed
        self.definition = normalized(definition)
        self.fields: dict[str, Field] = {}
        self.objects: dict[str, ObjectNode] = {}
        self.count = 0
        self.date_detection = self.definition.get("date_detection", True) is not False
        self.templates: list[Json] = self.definition.get("dynamic_templates", [])
        self.root = ObjectNode(None, "", _dynamic(self.definition.get("dynamic", True)))
        self._add_all(self.root, self.definition.get("properties", {}))
        self._check_aliases()

    def copy(self) -> Mapping:
        """Return an equal mapping that may be added to."""
        return Mapping(
            copy.deepcopy(self.definition), self.analyzers, ignore_malformed=self.ignore_malformed
        )

    def add(self, parent: ObjectNode, name: str, definition: Json) -> Field | ObjectNode:
        """Add one field or object that a document brought, and return it.

        Raises:
            NodeError: The definition cannot be used.
        """
        properties = self.definition.setdefault("properties", {})
        for part in parent.path.split(".") if parent.path else ():
            above = properties[part]
            if above.get("type") == "object":
                del above["type"]
            properties = above.setdefault("properties", {})
        properties[name] = definition
        return self._add(parent, name, definition)

    def field(self, path: str) -> Field | FlattenedKey | None:
        """Return what *path* names: a leaf, an alias' target, or a key in a flattened field."""
        found = self.fields.get(path)
        if found is not None:
            return self.fields.get(found.definition["path"]) if found.type == "alias" else found
        prefix, _, _ = path.rpartition(".")
        while prefix:
            above = self.fields.get(prefix)
            if above is not None:
                if above.family != "flattened":
                    return None
                return FlattenedKey(prefix, path[len(prefix) + 1 :])
            prefix, _, _ = prefix.rpartition(".")
        return None

    def matching(self, pattern: str) -> Iterator[str]:
        """Yield the full paths of all leaves that match *pattern*, with ``*`` for anything."""
        if "*" not in pattern:
            if self.field(pattern) is not None:
                yield pattern
            return
        for path in self.fields:
            if fnmatchcase(path, pattern):
                yield path

    def below(self, path: str) -> list[Field]:
        """Return the leaves inside the object *path*."""
        prefix = path + "."
        return [field for name, field in self.fields.items() if name.startswith(prefix)]

    def _add_all(self, parent: ObjectNode, properties: MappingType[str, Any]) -> None:
        for name, definition in properties.items():
            self._add(parent, name, definition)

    def _add(self, parent: ObjectNode, name: str, definition: Json) -> Field | ObjectNode:
        path = f"{parent.path}.{name}" if parent.path else name
        type_ = definition.get("type", "object")
        self.count += 1
        if type_ in {"object", "nested"}:
            for parameter, value in definition.items():
                if parameter not in _OBJECT:
                    raise mapper_parsing(
                        f"Mapping definition for [{name}] has unsupported parameters:  "
                        f"[{parameter} : {value}]"
                    )
            node = ObjectNode(
                parent,
                name,
                _dynamic(definition["dynamic"]) if "dynamic" in definition else parent.dynamic,
                is_enabled=definition.get("enabled", True) is not False and parent.is_enabled,
            )
            self.objects[path] = node
            parent.put(name, node)
            self._add_all(node, definition.get("properties", {}))
            return node
        field = self._leaf(path, path, definition)
        parent.put(name, field)
        for sub_name, sub_definition in definition.get("fields", {}).items():
            field.subfields.append(self._leaf(f"{path}.{sub_name}", path, sub_definition))
            self.count += 1
        field.finish()
        return field

    def _leaf(self, path: str, source_path: str, definition: Json) -> Field:
        type_ = definition.get("type")
        if type_ not in FAMILIES:
            name = path.rpartition(".")[2]
            if type_ is None:
                raise mapper_parsing(f"No type specified for field [{name}]")
            raise mapper_parsing(
                f"The mapper type [{type_}] declared on field [{name}] does not exist. It might "
                "have been created within a future version or requires a plugin to be installed. "
                "Check the documentation."
            )
        field = Field(
            path, source_path, definition, self.analyzers, ignore_malformed=self.ignore_malformed
        )
        self.fields[path] = field
        return field

    def _check_aliases(self) -> None:
        for field in self.fields.values():
            if field.type == "alias" and field.definition.get("path") not in self.fields:
                raise mapper_parsing(
                    f"Invalid [path] value [{field.definition.get('path')}] for field alias "
                    f"[{field.path}]: an alias must refer to an existing field in the mappings."
                )


def _dynamic(value: Any) -> str:
    text = str(value).lower()
    if text not in _DYNAMIC:
        if text == "runtime":
            raise illegal_argument("this node does not support [dynamic: runtime]")
        raise illegal_argument(f"No enum constant Dynamic.{text.upper()}")
    return _DYNAMIC[text]


def normalized(definition: MappingType[str, Any]) -> Json:
    """Return a ``mappings`` object with dotted names unfolded and only known members.

    Raises:
        NodeError: It has other members, or properties that are not objects.
    """
    for key, value in definition.items():
        if key not in _ROOT:
            raise mapper_parsing(
                f"Root mapping definition has unsupported parameters:  [{key} : {value}]"
            )
    if definition.get("runtime"):
        raise illegal_argument("this node does not support [runtime] fields")
    result = copy.deepcopy({key: value for key, value in definition.items() if key != "runtime"})
    if "dynamic" in result:
        result["dynamic"] = str(result["dynamic"]).lower()
    if result.get("properties"):
        result["properties"] = _unfolded(result["properties"])
    else:
        result.pop("properties", None)
    return result


def _unfolded(properties: Any) -> Json:
    if not isinstance(properties, dict):
        raise mapper_parsing("Expected map for property [properties] on field [_doc]")
    result: Json = {}
    for name in sorted(properties):
        definition = properties[name]
        if not isinstance(definition, dict):
            raise mapper_parsing(
                f"Expected map for property [fields] on field [{name}] but got a class"
                f" java.lang.{type(definition).__name__.title()}"
            )
        definition = dict(definition)
        if "properties" in definition:
            definition["properties"] = _unfolded(definition["properties"])
            if definition.get("type") == "object":
                del definition["type"]
        first, _, rest = name.partition(".")
        if rest:
            result = merged(result, {first: {"properties": _unfolded({rest: definition})}}, "")
        else:
            result = merged(result, {first: definition}, "")
    return result


def merged(old: Json, new: Json, prefix: str) -> Json:
    """Return the properties *old* with *new* merged in; neither is changed.

    Raises:
        NodeError: A field would change its type.
    """
    result = dict(old)
    for name, definition in new.items():
        before = result.get(name)
        path = prefix + name
        if before is None:
            result[name] = definition
            continue
        types = before.get("type", "object"), definition.get("type", "object")
        if types[0] != types[1]:
            raise _cannot_change(path, *types)
        combined = {**before, **definition}
        for below in ("properties", "fields"):
            if below in before or below in definition:
                combined[below] = merged(
                    before.get(below, {}), definition.get(below, {}), path + "."
                )
        result[name] = combined
    return dict(sorted(result.items()))


def _cannot_change(path: str, old: str, new: str) -> NodeError:
    if old in {"object", "nested"} and new not in {"object", "nested"}:
        return illegal_argument(f"can't merge a non object mapping [{path}] with an object mapping")
    if new in {"object", "nested"} and old not in {"object", "nested"}:
        return illegal_argument(f"can't merge a non object mapping [{path}] with an object mapping")
    return illegal_argument(f"mapper [{path}] cannot be changed from type [{old}] to [{new}]")


def merged_definitions(old: Json, new: Json, *, replace: bool = False) -> Json:
    """Return two ``mappings`` objects as one; the second wins where it may.

    Args:
        old: Normalised.
        new: As given.
        replace: Whether a field of the second may replace one of another type (templates).

    Raises:
        NodeError: A field would change its type, or *new* cannot be used.
    """
    new = normalized(new)
    result = {**old, **{key: value for key, value in new.items() if key != "properties"}}
    if "properties" in old or "properties" in new:
        before, after = old.get("properties", {}), new.get("properties", {})
        try:
            result["properties"] = merged(before, after, "")
        except NodeError:
            if not replace:
                raise
            result["properties"] = {**before, **after}
    if old.get("dynamic_templates") and new.get("dynamic_templates"):
        names = {next(iter(one)) for one in new["dynamic_templates"]}
        kept = [one for one in old["dynamic_templates"] if next(iter(one)) not in names]
        result["dynamic_templates"] = kept + new["dynamic_templates"]
    return result
