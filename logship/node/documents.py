"""One document against a mapping: is it accepted, what is indexed of it, which fields are new.

Two ways to the same answer: ``quick.quick`` for documents whose fields are all known and
plain, which is nearly all of them, and `DocumentReader` for the rest, which also words the
errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

import orjson

from logship.node import dynamic, jsontext
from logship.node.errors import NodeError
from logship.node.fields import Field, date_of
from logship.node.mapping import Mapping, ObjectNode
from logship.node.values import BadValue, flattened_leaves, single, value_text

_METADATA = frozenset({"_id", "_index", "_source", "_seq_no", "_version", "_primary_term",
                       "_routing", "_ignored", "_field_names", "_doc_count", "_tier",
                       "_nested_path", "_data_stream_timestamp"})  # fmt: skip
TIME_FIELD = "@timestamp"
_LONG = 2**63
_LONG_NUMBER = "[1:1] failed to parse: Number value length exceeds the maximum allowed (1000)"
_TOO_DEEP = "[1:1] failed to parse: Document nesting depth exceeds the maximum allowed (1000)"


@dataclass(slots=True)
class Indexed:
    """What the index keeps of one document beside its source.

    Attributes:
        texts: Strings for full-text narrowing.
        time: ``@timestamp`` in nanoseconds; None when absent, repeated or unusable.
        ignored: Fields whose value was stored but not indexed.
        mapping: The mapping with the document's new fields; None when there are none.
    """

    texts: list[str] = dataclass_field(default_factory=list)
    time: int | None = None
    ignored: set[str] = dataclass_field(default_factory=set)
    mapping: Mapping | None = None


def parse_source(line: bytes, mapping: Mapping, id_: str) -> dict[str, Any]:
    """Return the document in *line*.

    Args:
        line: JSON.
        mapping: Names the field that a broken text stands in.
        id_: Quoted in errors.

    Raises:
        NodeError: It is not a JSON object; worded as for one item.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        document = _parse_strictly(line, mapping, id_)
    if not isinstance(document, dict):
        reason = "Malformed content, must start with an object"
        raise NodeError(400, "document_parsing_exception", reason)
    return document


def loads(source: bytes) -> Any:
    """Return the JSON value of a stored source."""
    try:
        return orjson.loads(source)
    except orjson.JSONDecodeError:
        import json

        # Lone surrogates: legal in JSON escapes, refused by the fast parser.
        return json.loads(source)


def _parse_strictly(line: bytes, mapping: Mapping, id_: str) -> Any:
    import json

    if not line.strip():
        reason = "[0:0] failed to parse, document is empty"
        raise NodeError(400, "document_parsing_exception", reason)
    try:
        jsontext.check(line)
    except jsontext.JsonFault as fault:
        if line.lstrip()[:1] in b'["-0123456789':
            reason = "Malformed content, must start with an object"
            raise NodeError(400, "document_parsing_exception", reason) from None
        raise _worded(fault, mapping, id_) from None
    try:
        return json.loads(line)
    except ValueError:  # Python takes no longer numbers
        raise NodeError(400, "document_parsing_exception", _LONG_NUMBER) from None


def _worded(fault: jsontext.JsonFault, mapping: Mapping, id_: str) -> NodeError:
    error = fault.as_document_error()
    path = ".".join(part for part in fault.path or () if isinstance(part, str))
    leaf = mapping.fields.get(path)
    if leaf is not None:
        error.reason = (
            f"[1:{fault.last + 1}] failed to parse field [{leaf.path}] of type [{leaf.type}] in "
            f"document with id '{id_}'. Preview of field's value: ''"
        )
    return error


class DocumentReader:
    """Reads one document carefully.

    Args:
        mapping: Of the index; never changed.
        line: The source, for the places in error messages.
        id_: The document's id, quoted in errors.
        limits: (number of fields, depth of objects, whether fields beyond are left out,
            characters of a field's name).
    """

    def __init__(
        self, mapping: Mapping, line: bytes, id_: str, limits: tuple[int, int, bool, int]
    ) -> None:
        self._old, self._mapping, self._line, self._id = mapping, mapping, line, id_
        self._field_limit, self._depth_limit, self._beyond_is_ignored, self._longest_name = limits
        self._result = Indexed()
        self._new: dict[str, str] = {}
        self._conflict: NodeError | None = None
        self._times: list[int] = []

    def read(self, document: dict[str, Any]) -> Indexed:
        """Return what is indexed of *document*.

        Raises:
            NodeError: The document is refused; worded as for one item.
        """
        try:
            return self._read(document)
        except RecursionError:
            raise NodeError(400, "document_parsing_exception", _TOO_DEEP) from None

    def _read(self, document: dict[str, Any]) -> Indexed:
        if self._line.count(b'":') != jsontext.count_keys(document) or b'" :' in self._line:
            try:
                jsontext.check(self._line)
            except jsontext.JsonFault as fault:
                raise fault.as_document_error() from None
        self._object(document, self._mapping.root, (), ())
        # New fields are merged when everything could be parsed.
        if self._conflict is not None:
            raise self._conflict
        if len(self._times) == 1:
            self._result.time = self._times[0]
        if self._mapping is not self._old:
            self._result.mapping = self._mapping
        return self._result

    def _object(
        self, value: dict[str, Any], node: ObjectNode, path: jsontext.Path, names: tuple[str, ...]
    ) -> None:
        for key, below in value.items():
            here = (*path, key)
            parts = tuple(key.split("."))
            if len(parts) > 1 and parts[-1] == "":
                parts = parts[:-1]
            if any(not part.strip() for part in parts):
                raise self._blank_name(key, here, names)
            if not names and len(parts) == 1 and key in _METADATA and below != []:
                raise self._metadata(key, below, here)
            self._member(node, parts, below, here, names)

    def _member(
        self,
        node: ObjectNode,
        parts: tuple[str, ...],
        value: Any,
        path: jsontext.Path,
        names: tuple[str, ...],
    ) -> None:
        name, rest = parts[0], parts[1:]
        if rest:
            # {"a.b": 1} means {"a": {"b": 1}}
            for part in reversed(rest):
                value = {part: value}
        self._named(node, name, value, path, (*names, name), unfolded=len(rest))

    def _named(
        self,
        node: ObjectNode,
        name: str,
        value: Any,
        path: jsontext.Path,
        names: tuple[str, ...],
        *,
        unfolded: int,
    ) -> None:
        if self._mapping is not self._old:
            node = self._mapping.objects[node.path] if node.path else self._mapping.root
        if not node.is_enabled:
            return
        child = node.children.get(name)
        full = ".".join(names)
        if isinstance(value, list) and not (isinstance(child, Field) and child.family == "opaque"):
            for number, one in enumerate(value):
                self._named(node, name, one, (*path, number), names, unfolded=unfolded)
            return
        if value is None and not isinstance(child, Field):
            return
        if child is None or full in self._new:
            child = self._dynamic(node, name, value, path, full, child)
            if child is None:
                return
        if isinstance(child, ObjectNode):
            if not child.is_enabled:
                return
            if not isinstance(value, dict):
                shown = "null" if path and isinstance(path[-1], int) else name
                place = self._place(path)
                reason = (
                    f"{place} object mapping for [{full}] tried to parse field [{shown}] as "
                    "object, but found a concrete value"
                )
                raise NodeError(400, "document_parsing_exception", reason)
            if unfolded:
                ((key, below),) = value.items()
                self._named(child, key, below, path, (*names, key), unfolded=unfolded - 1)
            else:
                self._object(value, child, path, names)
            return
        self._leaf(child, value, path)

    def _dynamic(
        self,
        node: ObjectNode,
        name: str,
        value: Any,
        path: jsontext.Path,
        full: str,
        known: Field | ObjectNode | None,
    ) -> Field | ObjectNode | None:
        if value is None:
            return None
        if known is None and node.dynamic == "false":
            return None
        if known is None and node.dynamic == "strict":
            within = node.path or "_doc"
            reason = (
                f"{self._place(path)} mapping set to strict, dynamic introduction of "
                f"[{name}] within [{within}] is not allowed"
            )
            raise NodeError(400, "strict_dynamic_mapping_exception", reason)
        if len(name) > self._longest_name:
            reason = (
                f"Field name [{name}] is longer than the limit of [{self._longest_name}] characters"
            )
            raise NodeError(400, "illegal_argument_exception", reason)
        definition = dynamic.definition_for(self._mapping, full, self._whole(value, path))
        type_ = definition.get("type", "object")
        if known is not None:
            if self._new[full] == type_:
                return known
            self._conflict = self._conflict or _merge_conflict(full, self._new[full], type_)
            self._check_names(value, path, full)
            return None
        if type_ == "object" and full.count(".") + 1 >= self._depth_limit:
            reason = (
                f"Limit of mapping depth [{self._depth_limit}] has been exceeded due to object "
                f"field [{full}]"
            )
            raise self._failed(reason, path)
        size = 1 + len(definition.get("fields", {}))
        if self._mapping.count + size > self._field_limit:
            if self._beyond_is_ignored:
                self._result.ignored.add(full)
                return None
            added = self._mapping.count + size - self._old.count
            reason = (
                f"Limit of total fields [{self._field_limit}] has been exceeded while adding "
                f"new fields [{added}]"
            )
            raise self._failed(reason, path)
        if self._mapping is self._old:
            self._mapping = self._old.copy()
            node = self._mapping.objects[node.path] if node.path else self._mapping.root
        self._new[full] = type_
        return self._mapping.add(node, name, definition)

    def _whole(self, value: Any, path: jsontext.Path) -> Any:
        """Return *value* as an integer where it was one, beyond what the fast parser keeps."""
        if isinstance(value, float) and abs(value) >= _LONG:
            begin, end = jsontext.span(self._line, path)
            if self._line[begin:end].lstrip(b"-").isdigit():
                return _LONG
        return value

    def _check_names(self, value: Any, path: jsontext.Path, full: str) -> None:
        """Refuse names that no field can have in what is not mapped any more."""
        for key, below in value.items() if isinstance(value, dict) else ():
            if any(not part.strip() for part in key.removesuffix(".").split(".")):
                raise self._blank_name(key, (*path, key), tuple(full.split(".")))
            for number, one in enumerate(below) if isinstance(below, list) else [(None, below)]:
                here = (*path, key) if number is None else (*path, key, number)
                self._check_names(one, here, f"{full}.{key}")

    def _leaf(self, leaf: Field, value: Any, path: jsontext.Path) -> None:
        if leaf.type == "alias":
            reason = f"{self._place(path)} Cannot write to a field alias [{leaf.path}]."
            raise NodeError(400, "document_parsing_exception", reason)
        if value is None:
            return
        for one in (leaf, *leaf.subfields):
            try:
                one.check(value)
            except BadValue as error:
                if not one.ignore_malformed or one.family in {"text", "keyword", "flattened"}:
                    raise self._refused(one, value, path, error) from None
                if isinstance(value, dict):
                    raise self._refused(one, value, path, error) from None
                self._result.ignored.add(one.path)
        if leaf.family in {"text", "keyword"}:
            text = value_text(value)
            if leaf.family == "keyword" and len(text) > leaf.ignore_above:
                self._result.ignored.add(leaf.path)
            self._result.texts.append(text)
            self._result.ignored.update(
                one.path
                for one in leaf.subfields
                if one.family == "keyword" and len(text) > one.ignore_above
            )
        elif leaf.family == "flattened":
            self._result.texts.extend(text for _key, text in flattened_leaves(value))
        elif (
            leaf.path == TIME_FIELD
            and leaf.family == "date"
            and leaf.path not in self._result.ignored
        ):
            self._times.append(date_of(leaf, value))

    def _refused(self, leaf: Field, value: Any, path: jsontext.Path, error: BadValue) -> NodeError:
        span = jsontext.span(self._line, path)
        at = (
            span[1]
            if isinstance(value, dict) and self._line[span[0] : span[0] + 1] == b"{"
            else (span[0] + 1)
        )
        if leaf.family == "float" and isinstance(value, float) and leaf.type != "double":
            value = single(value)
        reason = (
            f"[1:{at}] failed to parse field [{leaf.path}] of type [{leaf.type}] in document "
            f"with id '{self._id}'. Preview of field's value: '{_java(value)}'"
        )
        cause = error.build(self._line, span)
        return NodeError(400, "document_parsing_exception", reason, caused_by=cause)

    def _metadata(self, name: str, value: Any, path: jsontext.Path) -> NodeError:
        place = self._place(path)
        reason = (
            f"{place} failed to parse field [{name}] of type [{name}] in document with id "
            f"'{self._id}'. Preview of field's value: '{_java(value)}'"
        )
        below = (
            f"{place} Field [{name}] is a metadata field and cannot be added inside a document. "
            "Use the index API request parameters."
        )
        cause = {"type": "document_parsing_exception", "reason": below}
        return NodeError(400, "document_parsing_exception", reason, caused_by=cause)

    def _blank_name(self, key: str, path: jsontext.Path, names: tuple[str, ...]) -> NodeError:
        place = f"[1:{jsontext.key_offset(self._line, path) + 1}]"
        if key and not key.strip():
            full = ".".join((*names, key))
            reason = f"{place} Field name cannot contain only whitespace: [{full}]"
            return NodeError(400, "document_parsing_exception", reason)
        if not key:
            reason = "field name cannot be an empty string"
        elif not key.strip("."):
            reason = "field name cannot contain only dots"
        else:
            reason = f"field name cannot contain only whitespace: ['{key}']"
        cause = {"type": "illegal_argument_exception", "reason": reason}
        full = f"{place} failed to parse: {reason}"
        return NodeError(400, "document_parsing_exception", full, caused_by=cause)

    def _failed(self, reason: str, path: jsontext.Path) -> NodeError:
        place = self._place(path)
        cause = {"type": "illegal_argument_exception", "reason": reason}
        full = f"{place} failed to parse: {reason}"
        return NodeError(400, "document_parsing_exception", full, caused_by=cause)

    def _place(self, path: jsontext.Path) -> str:
        return f"[1:{jsontext.span(self._line, path)[0] + 1}]"


def _merge_conflict(full: str, before: str, type_: str) -> NodeError:
    if "object" in {before, type_}:
        reason = f"can't merge a non object mapping [{full}] with an object mapping"
    else:
        reason = f"mapper [{full}] cannot be changed from type [{before}] to [{type_}]"
    return NodeError(400, "illegal_argument_exception", reason)


def _java(value: Any) -> str:
    """Return *value* as Java prints it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_java(below) for below in value) + "]"
    if isinstance(value, float) and (abs(value) >= 1e7 or 0 < abs(value) < 1e-3):
        if value in {float("inf"), float("-inf")}:
            return "Infinity" if value > 0 else "-Infinity"
        mantissa, _, exponent = f"{value!r}".partition("e")
        if not exponent:
            mantissa, _, exponent = f"{value:.17e}".partition("e")
            mantissa = mantissa.rstrip("0")
        mantissa = mantissa + ".0" if "." not in mantissa else mantissa
        return f"{mantissa if not mantissa.endswith('.') else mantissa + '0'}E{int(exponent)}"
    return "null" if value is None else value_text(value)
