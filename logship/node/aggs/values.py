"""What aggregations know of the fields they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from logship.node import dates
from logship.node.dsl.compiled import Predicate
from logship.node.dsl.compiler import Compiler
from logship.node.errors import illegal_argument, unknown_field
from logship.node.fields import Field, FlattenedKey
from logship.node.sorting import fielddata_disabled
from logship.node.values import address_text
from logship.node.view import Doc, View

NUMERIC = frozenset({"integer", "float", "date", "boolean"})
Values = Callable[[Doc], list[Any]]


class Context:
    """The indices of one search, for the aggregations over them.

    Args:
        views: Of all indices searched.
        now: The present in nanoseconds.
    """

    def __init__(self, views: Sequence[View], now: int) -> None:
        self.views, self.now = views, now

    def field(self, path: str) -> Field | FlattenedKey | None:
        """Return what *path* is in the first index that maps it."""
        for view in self.views:
            found = view.field(path)
            if found is not None:
                return found
        return None

    def values(self, kind: str, path: str, *, numeric: bool = False) -> Values:
        """Return a function from a document to its values of *path*.

        Raises:
            NodeError: The field is of a type that *kind* does not take.
        """
        for view in self.views:
            field = view.field(path)
            if isinstance(field, Field) and field.family == "text":
                raise fielddata_disabled(path, view.index.name)
            is_other = not isinstance(field, Field) or field.family not in NUMERIC
            if numeric and field is not None and is_other:
                type_ = field.type if isinstance(field, Field) else "flattened"
                raise illegal_argument(
                    f"Field [{path}] of type [{type_}] is not supported for aggregation [{kind}]"
                )
        getters = {view.position: view.terms(path) for view in self.views}
        if len(getters) == 1:
            return next(iter(getters.values()))
        return lambda doc: getters[doc.view.position](doc)

    def nanos(self, kind: str, path: str) -> Values:
        """Return a function from a document to its dates of *path* in nanoseconds.

        Raises:
            NodeError: The field is no date.
        """
        units: dict[int, int] = {}
        for view in self.views:
            field = view.field(path)
            if field is None:
                units[view.position] = 1
            elif isinstance(field, Field) and field.family in {"date", "integer", "float"}:
                units[view.position] = field.unit if field.family == "date" else dates.MILLI
            else:
                type_ = field.type if isinstance(field, Field) else "flattened"
                if type_ in {"text", "match_only_text"}:
                    raise fielddata_disabled(path, view.index.name)
                raise illegal_argument(
                    f"Field [{path}] of type [{type_}] is not supported for aggregation [{kind}]"
                )
        getters = {view.position: view.terms(path) for view in self.views}

        def get(doc: Doc) -> list[Any]:
            position = doc.view.position
            unit = units[position]
            return [int(value * unit) for value in getters[position](doc)]

        return get

    def predicate(self, query: Any) -> Predicate:
        """Return whether a document matches *query*, in its own index.

        Raises:
            NodeError: The query is malformed, or does not fit an index.
        """
        compiled = {
            view.position: Compiler(view, self.now).compile(query).matches for view in self.views
        }
        return lambda doc: compiled[doc.view.position](doc)


def bucket_key(field: Field | FlattenedKey | None, value: Any) -> dict[str, Any]:
    """Return how a bucket shows *value*: its key, and as text where types say so."""
    if isinstance(field, Field):
        if field.family == "boolean" or isinstance(value, bool):
            return {"key": int(value), "key_as_string": "true" if value else "false"}
        if field.family == "date":
            millis = value * field.unit // dates.MILLI
            text = field.format.text_of(millis * dates.MILLI)
            return {"key": millis, "key_as_string": text}
        if field.family == "ip" and isinstance(value, bytes):
            return {"key": address_text(value)}
    return {"key": value}


def only(kind: str, body: Mapping[str, Any], *members: str) -> None:
    """Refuse members that are not known.

    Raises:
        NodeError: Names the first.
    """
    for key in body:
        if key not in members:
            raise unknown_field(kind, key)


def field_of(body: Mapping[str, Any]) -> str:
    """Return the field that an aggregation is over.

    Raises:
        NodeError: It names none.
    """
    if "script" in body:
        raise illegal_argument("script_lang not supported [painless]")
    if not isinstance(body.get("field"), str):
        raise illegal_argument("Required one of fields [field, script], but none were specified.")
    return str(body["field"])
