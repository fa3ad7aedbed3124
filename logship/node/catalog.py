"""Which indices, aliases, data streams, templates and cluster settings there are.

Held in memory, kept in the database. Changes happen on the writing thread only, and only
after their commit; readers take what is there at that moment.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import orjson

from logship.node import templates
from logship.node.dates import date_format
from logship.node.errors import Json, NodeError, illegal_argument, index_not_found
from logship.node.index import Index, Options, Resolved
from logship.node.mapping import merged_definitions
from logship.node.names import check_index_name, new_uuid, without_date_math
from logship.node.store import Store, create_text_table, drop_documents

KINDS = ("index_template", "component_template", "template", "data_stream", "cluster", "pipeline")
_DAY = date_format("yyyy.MM.dd")


class Catalog:
    """Everything but the documents. Load it once, on the writing thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.indices: dict[str, Index] = {}
        self.state: dict[str, dict[str, Json]] = {kind: {} for kind in KINDS}
        self.next_seq = 1

    def load(self) -> None:
        """Read all from the database."""
        connection = self.store.connection()
        for kind, name, body in connection.execute("SELECT kind, name, body FROM state"):
            self.state.setdefault(kind, {})[name] = orjson.loads(body)
        if "uuid" not in self.state["cluster"]:
            identity = {"cluster": new_uuid(), "node": new_uuid()}
            with self.store.transaction() as transaction:
                self._put(transaction, "cluster", "uuid", identity)
            self.state["cluster"]["uuid"] = identity
        columns = (
            "id, name, uuid, created_millis, is_closed, next_seq_no, documents, settings, "
            "mapping, aliases"
        )
        for row in connection.execute(f"SELECT {columns} FROM indices ORDER BY name"):
            self._load_index(row)
        for name, stream in self.state["data_stream"].items():
            for backing in stream["indices"]:
                self.indices[backing].stream = name
        (last,) = connection.execute("SELECT max(seq) FROM documents").fetchone()
        self.next_seq = (last or 0) + 1

    def _load_index(self, row: tuple[Any, ...]) -> None:
        (id_, name, uuid, created, is_closed, next_seq_no, documents, *texts) = row
        settings, definition, aliases = (orjson.loads(text) for text in texts)
        self.indices[name] = Index(
            id_, name, uuid, created, settings, templates.compile_mapping(definition, settings),
            aliases, bool(is_closed), next_seq_no, documents,
        )  # fmt: skip

    @property
    def cluster_uuid(self) -> str:
        """Identifies this data folder for good."""
        return str(self.state["cluster"]["uuid"]["cluster"])

    @property
    def node_id(self) -> str:
        """Identifies this node for good."""
        return str(self.state["cluster"]["uuid"]["node"])

    @property
    def cluster_settings(self) -> Json:
        """Flat settings under ``persistent`` and ``transient``."""
        found = self.state["cluster"].get("settings", {})
        return {"persistent": {}, "transient": {}, **found}

    def cluster_setting(self, name: str, default: str = "") -> str:
        """Return the text of one cluster setting; transient before persistent."""
        both = {**self.cluster_settings["persistent"], **self.cluster_settings["transient"]}
        return str(both.get(name, default))

    @staticmethod
    def _put(connection: sqlite3.Connection, kind: str, name: str, body: Json) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (kind, name, orjson.dumps(body))
        )

    def put(self, kind: str, name: str, body: Json) -> None:
        """Keep *body* under *kind* and *name*."""
        with self.store.transaction() as connection:
            self._put(connection, kind, name, body)
        self.state[kind] = {**self.state[kind], name: body}

    def remove(self, kind: str, names: Iterable[str]) -> None:
        """Forget what is kept under *kind* and *names*."""
        names = list(names)
        with self.store.transaction() as connection:
            for name in names:
                connection.execute("DELETE FROM state WHERE kind = ? AND name = ?", (kind, name))
        self.state[kind] = {k: v for k, v in self.state[kind].items() if k not in names}

    def composed(self, name: str) -> templates.Composed:
        """Return what the templates make of a new index of this name."""
        return templates.compose(
            name,
            self.state["index_template"],
            self.state["component_template"],
            self.state["template"],
        )

    def create(self, name: str, body: Json | None = None, *, stream: str | None = None) -> Index:
        """Make an index from its templates and *body* and return it.

        Raises:
            NodeError: The name is taken or not allowed, *body* cannot be used, or the limit of
                shards is reached.
        """
        if stream is None:
            check_index_name(name)
        self._check_free(name)
        composed = self.composed(stream or name)
        composed.add(body or {})
        if stream is not None:
            properties = composed.mappings.setdefault("properties", {})
            time_field = properties.get("@timestamp", {"type": "date"})
            properties["@timestamp"] = {"ignore_malformed": False, **time_field}
            composed.aliases = {}
        mapping = composed.compile()
        limit = int(composed.settings.get("index.mapping.total_fields.limit") or 1000)
        if mapping.count > limit:
            raise illegal_argument(f"Limit of total fields [{limit}] has been exceeded")
        shards = int(composed.settings.get("index.number_of_shards", 1))
        self._check_shard_limit(shards)
        settings = {k: v for k, v in composed.settings.items() if v is not None}
        aliases = _checked_aliases(composed.aliases, name)
        index = Index(
            0, name, new_uuid(), int(time.time() * 1000), settings, mapping, aliases, stream=stream
        )
        with self.store.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO indices (name, uuid, created_millis, settings, mapping, aliases) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (name, index.uuid, index.created_millis, orjson.dumps(settings).decode(),
                 orjson.dumps(mapping.definition).decode(), orjson.dumps(aliases).decode()),
            )  # fmt: skip
            index.id = cursor.lastrowid or 0
            create_text_table(connection, index.id)
        self.indices = dict(sorted({**self.indices, name: index}.items()))
        return index

    def _check_free(self, name: str) -> None:
        there = self.indices.get(name)
        if there is not None:
            raise NodeError(
                400,
                "resource_already_exists_exception",
                f"index [{name}/{there.uuid}] already exists",
                extra={"index_uuid": there.uuid, "index": name},
            )
        if name in self.state["data_stream"]:
            raise NodeError(
                400, "resource_already_exists_exception", f"data_stream [{name}] already exists"
            )
        if any(name in index.aliases for index in self.indices.values()):
            raise NodeError(
                400,
                "invalid_index_name_exception",
                f"Invalid index name [{name}], already exists as alias",
                extra={"index_uuid": "_na_", "index": name},
            )

    def _check_shard_limit(self, wanted: int) -> None:
        limit = int(self.cluster_setting("cluster.max_shards_per_node", "1000"))
        there = sum(one.shards for one in self.indices.values() if not one.is_closed)
        if there + wanted > limit:
            raise NodeError(
                400,
                "validation_exception",
                f"Validation Failed: 1: this action would add [{wanted}] shards, but this cluster "
                f"currently has [{there}]/[{limit}] maximum normal shards open; for more "
                "information, see https://www.elastic.co/guide/en/elasticsearch/reference/8.19/"
                "size-your-shards.html#troubleshooting-max-shards-open;",
            )

    def create_stream(self, name: str) -> Index:
        """Make a data stream with its first backing index, and return that."""
        return self._add_backing(name, {"indices": [], "generation": 0})

    def roll_stream(self, name: str) -> Index:
        """Give a data stream a new backing index to write to, and return that."""
        return self._add_backing(name, self.state["data_stream"][name])

    def _add_backing(self, name: str, stream: Json) -> Index:
        generation = int(stream["generation"]) + 1
        day = _DAY.text_of(time.time_ns())
        index = self.create(f".ds-{name}-{day}-{generation:06d}", stream=name)
        names = [*stream["indices"], index.name]
        self.put("data_stream", name, {**stream, "indices": names, "generation": generation})
        return index

    def delete(self, indices: Iterable[Index]) -> None:
        """Delete indices with their documents."""
        doomed = {index.name for index in indices}
        with self.store.transaction() as connection:
            for name in doomed:
                id_ = self.indices[name].id
                drop_documents(connection, id_)
                connection.execute("DELETE FROM indices WHERE id = ?", (id_,))
        self.indices = {k: v for k, v in self.indices.items() if k not in doomed}
        for name, stream in list(self.state["data_stream"].items()):
            left = [one for one in stream["indices"] if one not in doomed]
            if len(left) != len(stream["indices"]):
                self.put("data_stream", name, {**stream, "indices": left})

    def save(self, index: Index, **changes: Any) -> None:
        """Change settings, mapping, aliases or is_closed of an index."""
        values = {
            "settings": changes.get("settings", index.settings),
            "mapping": changes.get("mapping", index.mapping),
            "aliases": changes.get("aliases", index.aliases),
            "is_closed": changes.get("is_closed", index.is_closed),
        }
        with self.store.transaction() as connection:
            connection.execute(
                "UPDATE indices SET settings = ?, mapping = ?, aliases = ?, is_closed = ? "
                "WHERE id = ?",
                (orjson.dumps(values["settings"]).decode(),
                 orjson.dumps(values["mapping"].definition).decode(),
                 orjson.dumps(values["aliases"]).decode(), int(values["is_closed"]), index.id),
            )  # fmt: skip
        for name, value in values.items():
            setattr(index, name, value)

    def put_mapping(self, index: Index, definition: Json) -> None:
        """Merge *definition* into the mapping of *index*.

        Raises:
            NodeError: A field would change its type, or the limit of fields be exceeded.
        """
        combined = merged_definitions(index.mapping.definition, definition)
        mapping = templates.compile_mapping(combined, index.settings)
        limit = index.limits[0]
        if mapping.count > limit:
            raise illegal_argument(f"Limit of total fields [{limit}] has been exceeded")
        self.save(index, mapping=mapping)

    def resolve(self, expression: str, options: Options) -> list[Resolved]:
        """Return the indices that *expression* names, by name, each once.

        Args:
            expression: Comma-separated names, aliases, data streams, wildcards, exclusions
                with ``-``; empty and ``_all`` mean all.
            options: How to read it.

        Raises:
            NodeError: A name that does not exist, or nothing at all where that is not allowed.
        """
        found: dict[str, Resolved] = {}
        parts = [part for part in expression.split(",") if part] or ["*"]
        seen_wildcard = False
        for part in parts:
            part = without_date_math("*" if part == "_all" else part)
            if part.startswith("-") and seen_wildcard:
                for name in [one for one in found if fnmatchcase(one, part[1:])]:
                    del found[name]
                continue
            if "*" in part:
                seen_wildcard = True
                self._expand(part, options, found)
                continue
            self._named(part, options, found)
        if not found and not options.allow_no_indices:
            raise index_not_found(expression or "_all")
        return [found[name] for name in sorted(found)]

    def _expand(self, pattern: str, options: Options, found: dict[str, Resolved]) -> None:
        for index in self.indices.values():
            shown = not index.is_hidden or options.hidden or pattern.startswith(".")
            if options.closed if index.is_closed else options.open:
                if shown and fnmatchcase(index.name, pattern):
                    _include(found, index, None)
                if index.stream is not None and fnmatchcase(index.stream, pattern):
                    _include(found, index, None)
                for alias, body in index.aliases.items():
                    if fnmatchcase(alias, pattern):
                        _include(found, index, body.get("filter"))

    def _named(self, name: str, options: Options, found: dict[str, Resolved]) -> None:
        if name.startswith("_"):
            from logship.node.names import invalid_index_name

            raise invalid_index_name(name, "must not start with '_'.")
        index = self.indices.get(name)
        if index is not None:
            if index.is_closed and not options.closed:
                if options.ignore_unavailable:
                    return
                raise index.closed_error()
            _include(found, index, None)
            return
        targets = self.aliased(name) or [
            (self.indices[one], {})
            for one in self.state["data_stream"].get(name, {}).get("indices", ())
        ]
        if not targets:
            if options.ignore_unavailable:
                return
            raise index_not_found(name)
        for target, body in targets:
            _include(found, target, body.get("filter"))

    def aliased(self, alias: str) -> list[tuple[Index, Json]]:
        """Return the indices behind *alias* with the alias' definition in each."""
        return [
            (index, index.aliases[alias])
            for index in self.indices.values()
            if alias in index.aliases
        ]

    def may_create(self, name: str) -> None:
        """Accept the automatic creation of an index.

        Raises:
            NodeError: ``action.auto_create_index`` forbids it.
        """
        rule = self.cluster_setting("action.auto_create_index", "true")
        if rule in {"true", "*"}:
            return
        if rule == "false":
            why = " and [action.auto_create_index] is [false]"
            raise index_not_found(name, why=why)
        for pattern in rule.split(","):
            bare = pattern.strip().lstrip("+-")
            if fnmatchcase(name, bare):
                if not pattern.strip().startswith("-"):
                    return
                why = (
                    f" and [action.auto_create_index] contains [{pattern.strip()}] which forbids "
                    "automatic creation of the index"
                )
                raise index_not_found(name, why=why)
        why = f" and [action.auto_create_index] ([{rule}]) doesn't match"
        raise index_not_found(name, why=why)


def _include(found: dict[str, Resolved], index: Index, alias_filter: Json | None) -> None:
    resolved = found.setdefault(index.name, Resolved(index))
    if alias_filter is None:
        resolved.is_filtered = False
    else:
        resolved.filters.append(alias_filter)


def _checked_aliases(aliases: Json, index: str) -> Json:
    known = {"filter", "is_write_index", "is_hidden", "routing", "index_routing", "search_routing"}
    for name, body in aliases.items():
        check_index_name(name)
        if name == index:
            raise illegal_argument(f"alias name [{name}] self-conflicts with index name")
        for key in body or {}:
            if key not in known:
                raise illegal_argument(f"Unknown field [{key}] in alias [{name}]")
    return {name: body or {} for name, body in aliases.items()}


def next_name(name: str) -> str:
    """Return the name after *name* for a rollover: its number plus one, six digits.

    Raises:
        NodeError: It does not end in a number.
    """
    match = re.fullmatch(r"(.*)-(\d+)", name)
    if match is None:
        raise illegal_argument(f"index name [{name}] does not match pattern '^.*-\\d+$'")
    return f"{match[1]}-{int(match[2]) + 1:06d}"
