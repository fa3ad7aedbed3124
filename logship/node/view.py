"""Documents as a search sees them: typed values of fields, through one index' mapping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logship.node.documents import loads
from logship.node.fields import Field, FlattenedKey
from logship.node.index import Index
from logship.node.mapping import Mapping
from logship.node.values import flattened_leaves

Raw = Callable[[Any], list[Any]]
Terms = Callable[["Doc"], list[Any]]


class Doc:
    """One stored document; the source is parsed when it is first needed."""

    __slots__ = ("_source", "id", "ignored", "raw", "seq", "seq_no", "time", "version", "view")

    def __init__(
        self,
        view: View,
        seq: int,
        id_: str,
        seq_no: int,
        version: int,
        time: int | None,
        ignored: str | None,
        raw: bytes,
    ) -> None:
        self.view, self.seq, self.id, self.seq_no = view, seq, id_, seq_no
        self.version, self.time, self.ignored, self.raw = version, time, ignored, raw
        self._source: Any = None

    @property
    def source(self) -> Any:
        """The document as parsed JSON."""
        if self._source is None:
            self._source = loads(self.raw)
        return self._source


class View:
    """One index during one search.

    Attributes:
        position: Of the index among those searched, for tie breaks.
    """

    def __init__(self, index: Index, position: int = 0) -> None:
        self.index, self.position = index, position
        self.mapping: Mapping = index.mapping
        self._terms: dict[str, Terms] = {}
        self._raw: dict[str, Raw] = {}

    def field(self, path: str) -> Field | FlattenedKey | None:
        """Return what *path* is in this index; None when it is not mapped."""
        return self.mapping.field(path)

    def raw_values(self, path: str) -> Raw:
        """Return a function from a source to all values at *path*, lists opened."""
        known = self._raw.get(path)
        if known is None:
            known = self._raw[path] = raw_getter(path)
        return known

    def terms(self, path: str) -> Terms:
        """Return a function from a document to what *path* is searched by."""
        known = self._terms.get(path)
        if known is None:
            known = self._terms[path] = self._getter(path)
        return known

    def _getter(self, path: str) -> Terms:
        field = self.field(path)
        if field is None:
            return self._metadata(path)
        if isinstance(field, FlattenedKey):
            raw, key = self.raw_values(field.path), field.key
            return lambda doc: [
                text
                for value in raw(doc.source)
                for leaf, text in flattened_leaves(value)
                if leaf == key
            ]
        raw, convert = self.raw_values(field.source_path), field.terms
        if field.path == "@timestamp" and field.family == "date":
            return _time_getter(raw, field)

        def get(doc: Doc) -> list[Any]:
            values = raw(doc.source)
            if len(values) == 1:
                return convert(values[0])
            return [term for value in values for term in convert(value)]

        return get

    def _metadata(self, path: str) -> Terms:
        if path == "_id":
            return lambda doc: [doc.id]
        if path == "_index":
            name = self.index.name
            return lambda doc: [name]
        if path == "_ignored":
            return lambda doc: loads(doc.ignored.encode()) if doc.ignored else []
        return lambda doc: []


def _time_getter(raw: Raw, field: Field) -> Terms:
    """``@timestamp`` stands in a column of its own: no parsing needed, usually."""
    unit, convert = field.unit, field.terms

    def get(doc: Doc) -> list[Any]:
        if doc.time is not None:
            return [doc.time // unit]
        return [term for value in raw(doc.source) for term in convert(value)]

    return get


def raw_getter(path: str) -> Raw:
    """Return a function from a source to the values at *path*.

    Both spellings count: ``{"host": {"name": 1}}`` and ``{"host.name": 1}``.
    """
    parts = path.split(".")
    count = len(parts)
    if count == 1:

        def simple(source: Any) -> list[Any]:
            value = source.get(path)
            if type(value) is list:
                return _opened(value)
            return [] if value is None else [value]

        return simple
    names = [[".".join(parts[i:j]) for j in range(i + 1, count + 1)] for i in range(count)]

    def collect(value: Any, at: int, found: list[Any]) -> None:
        if isinstance(value, list):
            for one in value:
                collect(one, at, found)
            return
        if not isinstance(value, dict):
            return
        for length, name in enumerate(names[at], 1):
            if name in value:
                if at + length == count:
                    found.extend(_opened(value[name]))
                else:
                    collect(value[name], at + length, found)

    def get(source: Any) -> list[Any]:
        found: list[Any] = []
        collect(source, 0, found)
        return found

    return get


def _opened(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [one for below in value for one in _opened(below)]
    return [] if value is None else [value]
