"""YAML text to a tree of `Node`: every value with its line and column.

Scalars without quotes mean what `resolve_plain` says. Anchors, aliases and ``<<`` work;
tags do not. Variables are put in here, so that a file cannot change its own structure
through the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from logship.settings.tree import (
    Node,
    Place,
    Unreadable,
    printable,
    resolve_plain,
    without_surrogates,
)
from logship.settings.variables import BadVariable, substitute

__all__ = ["read_yaml"]

MAX_DEPTH = 40
MAX_VALUES = 100_000
TAG = "tag:yaml.org,2002:"
PLAIN_TAGS = frozenset({f"{TAG}str", f"{TAG}seq", f"{TAG}map"})

TAG_PROBLEM = 'tags such as "!!int" are not known here; a text that begins with "!" needs quotes'
PROBLEMS = {
    "character '\\t'": "a tab; indent with spaces",
    "undefined alias": 'an alias that is not defined; a text that begins with "*" needs quotes',
    "undefined tag handle": TAG_PROBLEM,
    "duplicate anchor": "an anchor that is defined twice",
    "another document": 'a second document ("---"); a settings file has one',
    "unexpected end of stream": "a quote that is not closed",
    "mapping values are not allowed": (
        'a ":" where none may be; check the indentation, and put texts with ": " in quotes'
    ),
    "cannot start any token": "a character that cannot begin a value; put the text in quotes",
    "expected <block end>": "this does not fit the lines above; check the indentation",
    "could not find expected ':'": 'a key without ":"; check the indentation',
    "but got '{'": 'inside of {} and [] a variable needs quotes: "${NAME}"',
    "expected ',' or": 'a "{" or "[" that is not closed, or a missing ","',
    "expected '<document start>'": "this does not fit the lines above; check the indentation",
    "directive": 'a text that begins with "%" needs quotes',
}

Report = Callable[[Place, str, str], None]


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to the node graph, without its own idea of what a scalar means."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """As inherited, within a depth that the interpreter's stack can take."""
        if self._depth >= MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def read_yaml(
    data: bytes, origin: str, environment: Mapping[str, str], report: Report
) -> Node | None:
    """Return the document in *data* as a tree; an empty document is an empty mapping.

    Args:
        data: The file, UTF-8 with or without a byte order mark.
        origin: The file's name for places.
        environment: Where variables are looked up.
        report: Called with the place, the path of the setting (empty for the document) and
            what is wrong, once for each mistake.

    Returns:
        The tree; None when the text as a whole cannot be read, which was reported.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        report(_place_at(data[: error.start], origin), "", "is not UTF-8; save the file as UTF-8")
        return None
    root = _compose(text, origin, report)
    if root is None:
        return None
    try:
        return _Graph(origin, environment, report).convert(root)
    except _TooLarge as error:
        report(error.place, error.path, error.what)
        return None


def _compose(text: str, origin: str, report: Report) -> Any:
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except ReaderError as error:
        before = text[: error.position].encode("utf-8", "surrogatepass")
        report(_place_at(before, origin), "", "not valid YAML: a character that may not be there")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if "end of stream" in (error.problem or ""):
            mark = error.context_mark or mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        report(Place(origin, line, column), "", f"not valid YAML: {_problem(error)}")
    except (ValueError, OverflowError):
        # An escape beyond Unicode.
        line = loader.line + 1 if loader else 1
        column = loader.column + 1 if loader else 1
        report(Place(origin, line, column), "", "not valid YAML: an escape that is no character")
    else:
        if root is not None:
            return root
        mark = _Loader("").get_mark()
        return yaml.MappingNode(f"{TAG}map", [], start_mark=mark)
    return None


def _problem(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's complaint in plain words, without the names it quotes: they may be secrets."""
    problem = f"{error.problem or error.context or 'cannot be read'}"
    for beginning, words in PROBLEMS.items():
        if beginning in problem:
            return words
    return printable(problem)


def _place_at(before: bytes, origin: str) -> Place:
    lines = before.decode("utf-8", "replace").split("\n")
    return Place(origin, len(lines), len(lines[-1]) + 1)


class _TooLarge(Exception):
    def __init__(self, place: Place, path: str, what: str) -> None:
        self.place, self.path, self.what = place, path, what


class _Built(NamedTuple):
    """A tree, how many values it has with aliases written out, and how deep it is."""

    node: Node
    values: int = 1
    depth: int = 1


class _Graph:
    """Converts PyYAML's node graph, in which aliases make shared nodes and even rings."""

    def __init__(self, origin: str, environment: Mapping[str, str], report: Report) -> None:
        self._origin, self._environment, self._report = origin, environment, report
        self._done: dict[int, _Built] = {}
        self._open: set[int] = set()

    def convert(self, root: yaml.Node) -> Node:
        """Return the tree under *root*."""
        return self._convert(root, "").node

    def _convert(self, node: yaml.Node, path: str) -> _Built:
        key = id(node)
        if key in self._done:
            return self._done[key]
        place = self._place(node)
        if key in self._open:
            return _Built(Node(Unreadable("contains itself"), place))
        self._open.add(key)
        if node.tag not in PLAIN_TAGS:
            built = _Built(Node(Unreadable(TAG_PROBLEM), place))
        elif isinstance(node, yaml.MappingNode):
            built = self._mapping(node, place, path)
        elif isinstance(node, yaml.SequenceNode):
            built = self._list(node, place, path)
        else:
            assert isinstance(node, yaml.ScalarNode)
            built = _Built(self._scalar(node, place))
        self._open.discard(key)
        if built.values > MAX_VALUES:
            raise _TooLarge(place, path, "its aliases expand to too many values")
        if built.depth > MAX_DEPTH:
            raise _TooLarge(place, path, "nested too deeply")
        self._done[key] = built
        return built

    def _list(self, node: yaml.SequenceNode, place: Place, path: str) -> _Built:
        items, values, depth = [], 1, 0
        for index, item in enumerate(node.value):
            child = self._convert(item, f"{path}[{index}]")
            items.append(child.node.at(self._place(item)))
            values += child.values
            depth = max(depth, child.depth)
        return _Built(Node(items, place), values, depth + 1)

    def _mapping(self, node: yaml.MappingNode, place: Place, path: str) -> _Built:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        values, depth = 1, 0
        for key_node, value_node in node.value:
            key_place = self._place(key_node)
            key = self._key(key_node)
            if key is None:
                self._report(key_place, path, "a key must be a text")
                continue
            child_path = f"{path}.{printable(key)}" if path else printable(key)
            built = self._convert(value_node, child_path)
            child = built.node
            values += built.values
            depth = max(depth, built.depth)
            if key == "<<" and key_node.style is None:
                self._merge(child, key_place, child_path, merged)
            elif key in entries:
                first = entries[key].place.line
                self._report(key_place, child_path, f"given twice, first in line {first}")
            else:
                entries[key] = child.at(key_place)
        return _Built(Node({**merged, **entries}, place), values, depth + 1)

    def _merge(self, child: Node, place: Place, path: str, merged: dict[str, Node]) -> None:
        """What ``<<`` brings in; of several mappings the first has precedence."""
        sources = child.value if isinstance(child.value, list) else [child]
        for source in sources:
            if isinstance(source.value, Unreadable):
                self._report(place, path, source.value.what)
                continue
            if not isinstance(source.value, dict):
                self._report(place, path, f"expected a mapping, found {source.description}")
                continue
            for key, value in source.value.items():
                merged.setdefault(key, value.at(place))

    def _key(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag not in PLAIN_TAGS:
            return None
        return without_surrogates(node.value)

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Node:
        try:
            raw, from_variable = substitute(node.value, self._environment)
        except BadVariable as problem:
            return Node(Unreadable(str(problem)), place)
        text = without_surrogates(raw)
        if text is None:
            return Node(Unreadable("is not valid Unicode"), place)
        value = resolve_plain(text) if node.style is None else text
        return Node(value, place, text, from_variable)

    def _place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(self._origin, mark.line + 1, mark.column + 1)
