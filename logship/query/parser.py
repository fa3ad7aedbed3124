"""Text → tree, by recursive descent.

::

    either   = all, { "OR", all } ;
    all      = operand, { [ "AND" ], operand } ;       (* with default_operator="or" the AND
                                                          is needed, and the OR is not *)
    operand  = [ "NOT" | "!" | "-" | "+" ], ( "(", either, ")" | field, value | value ) ;
    field    = name, ":" | name ;                      (* the second before a comparison *)
    value    = word | phrase | regexp | range | comparison | "(", either, ")" ;
    range    = ( "[" | "{" ), end, "TO", end, ( "]" | "}" ) ;
    comparison = ( ">" | ">=" | "<" | "<=" | "!=" ), ( word | phrase ) ;

Operators count in either case, and as ``&&``, ``||``, ``!``. AND binds tighter than OR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from logship.query.reader import Raw, Reader
from logship.query.tree import (
    And,
    Bound,
    Everything,
    Exists,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Query,
    Range,
    Regexp,
    Wildcard,
    Word,
)

__all__ = ["parse"]

MAX_DEPTH = 40
_OPERATOR = re.compile(r"(?i:(and|or|not)(?=[\s()\"]|$))|(&&|\|\|)|(!)(?!=)")
_WILD_FIELD = re.compile(r"[\w.@/-]*[*?][\w.@/*?-]*:")
_PUNCTUATION = re.compile(r"[\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]+")
_SYMBOLS = {"&&": "and", "||": "or", "!": "not"}
_RANGE_ENDS = frozenset("]}")


def parse(text: str, *, default_operator: Literal["and", "or"] = "and") -> Query:
    r"""Read a query as people type it into Kibana.

    ``level:ERROR AND service:api``, ``status:[400 TO 599]``, ``duration_ms:>1000``,
    ``status >= 400 and not path:"/health"``, ``pay*``, ``url:*`` and ``_exists_:user_id``,
    ``level:(ERROR OR WARNING)``, ``+must -mustnot``, ``"a phrase"``. A backslash takes away
    the meaning of the character after it. Empty text and ``*`` match everything; boosts
    (``^2``) are read and have no effect.

    Args:
        text: The query.
        default_operator: What stands between words with nothing between them.

    Raises:
        QueryError: *text* is not a query; carries the position.
    """
    reader = Reader(text)
    reader.skip_space()
    if not reader.peek():
        return Query(text, Everything(0), default_operator)
    parser = _Parser(reader, joins_all=default_operator == "and")
    root = parser.either(None)
    if reader.peek():
        raise reader.error("this ) closes nothing; remove it or quote the text")
    return Query(text, root, default_operator)


@dataclass(frozen=True, slots=True)
class _Operand:
    """A node and what stood before it: with a default of OR, marks count for all beside it."""

    node: Node
    mark: Literal["", "+", "-", "not"] = ""
    after_or: bool = False


class _Parser:
    """The rules of the grammar; each reads its part and leaves the reader after it."""

    def __init__(self, reader: Reader, *, joins_all: bool) -> None:
        self.reader = reader
        self.joins_all = joins_all
        self.depth = 0

    def either(self, field: str | None) -> Node:
        """Read alternatives up to the end of the group or text."""
        position = self.reader.position
        found = [self._all(field)]
        while not self._at_end():
            after_or = self._take("or")
            if not after_or and self.joins_all:
                raise self.reader.error("AND or OR is missing here")
            operand = self._all(field)
            found.append(_Operand(operand.node, operand.mark, after_or))
        if self.joins_all:
            return _or([operand.node for operand in found], position)
        return _marked(found, position)

    def _all(self, field: str | None) -> _Operand:
        position = self.reader.position
        first = self._operand(field)
        nodes = [first.node]
        while not self._at_end():
            if self._take("and") or (self.joins_all and self._peek_operator() != "or"):
                nodes.append(self._operand(field).node)
            else:
                break
        return first if len(nodes) == 1 else _Operand(_and(nodes, position))

    def _operand(self, field: str | None) -> _Operand:
        reader = self.reader
        reader.skip_space()
        position = reader.position
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise reader.error("the query is nested too deeply")
        try:
            if self._take("not"):
                return _Operand(_not(self._operand(field).node, position), "not")
            sign = reader.take("+", "-")
            if not sign:
                return _Operand(self._plain(field))
            reader.skip_space()
            if reader.peek() in ("", "+", "-", ")"):
                raise reader.error(f"nothing follows the {sign}; quote text that has it", position)
            node = self._operand(field).node
            return _Operand(node, "+") if sign == "+" else _Operand(_not(node, position), "-")
        finally:
            self.depth -= 1

    def _plain(self, field: str | None) -> Node:
        reader = self.reader
        position = reader.position
        if not reader.peek():
            raise reader.error("the query ends where a word or field was expected")
        operator = self._peek_operator()
        if operator:
            raise reader.error(f"nothing to the left of {operator.upper()}; quote it as a word")
        if reader.peek() in "([{":
            return self._value(field, position)
        name = reader.field()
        if name is not None:
            return self._named(name, position)
        if reader.peek() == ":":
            raise reader.error("the name of the field is missing before the :")
        if _WILD_FIELD.match(reader.text, reader.position):
            raise reader.error("a field name with * or ? is not supported; name the field")
        return self._value(field, position)

    def _named(self, name: str, position: int) -> Node:
        reader = self.reader
        after = reader.position
        reader.skip_space()
        if reader.position > after and self._peek_operator() in ("and", "or", "not"):
            raise reader.error(f"the value of {name} is missing", after)
        if name == "*":
            if not reader.take("*"):
                raise reader.error("only *:* can follow *: ; name the field", position)
            return Everything(position)
        if name == "_exists_":
            raw = reader.word()
            if not raw.text or raw.has_wildcards:
                raise reader.error("_exists_: needs the name of a field", after)
            return Exists(raw.text, position)
        return self._value(name, position)

    def _value(self, field: str | None, position: int) -> Node:
        reader = self.reader
        character = reader.peek()
        if character == "(":
            return self._group(field)
        if character and character in "[{":
            if field is None:
                raise reader.error("a range needs a field before it, as in status:[400 TO 599]")
            return self._range(field, position)
        if character == '"':
            return Phrase(field, reader.phrase(), position)
        if field is not None and (operator := reader.take(">=", "<=", ">", "<", "!=")):
            return self._comparison(field, operator, position)
        expression = reader.regexp()
        if expression is not None:
            return Regexp(field, expression, position)
        raw = reader.word()
        if not raw.text:
            raise reader.error(f"the value of {field} is missing" if field else "a word is missing")
        return _word(field, raw, position)

    def _group(self, field: str | None) -> Node:
        reader = self.reader
        opened = reader.position
        reader.position += 1
        reader.skip_space()
        if reader.peek() == ")":
            raise reader.error("nothing is between ( and ); quote them as text", opened)
        node = self.either(field)
        if not reader.take(")"):
            raise reader.error("this ( is not closed; add a )", opened)
        reader.boost()
        return node

    def _range(self, field: str, position: int) -> Node:
        reader = self.reader
        opened = reader.position
        lower_in = reader.take("[", "{") == "["
        lower = self._range_end(lower_in)
        reader.skip_space()
        if not reader.take("TO ", "to ", "TO\t", "to\t"):
            raise reader.error("a range is written [from TO to]; TO is missing here")
        bound = self._range_end_text()
        reader.skip_space()
        closing = reader.take("]", "}")
        if not closing:
            raise reader.error("this range is not closed; add a ] or }", opened)
        upper = None if bound is None else Bound(bound, closing == "]")
        reader.boost()
        if lower is None and upper is None:
            return Exists(field, position)
        return Range(field, lower, upper, position)

    def _range_end(self, inclusive: bool) -> Bound | None:
        text = self._range_end_text()
        return None if text is None else Bound(text, inclusive)

    def _range_end_text(self) -> str | None:
        reader = self.reader
        reader.skip_space()
        if reader.peek() == '"':
            return reader.phrase()
        raw = reader.word(_RANGE_ENDS)
        if not raw.text:
            raise reader.error("an end of the range is missing; write * for an open one")
        return None if raw.text == "*" and not raw.is_escaped else raw.text

    def _comparison(self, field: str, operator: str, position: int) -> Node:
        reader = self.reader
        reader.skip_space()
        quoted = reader.peek() == '"'
        if operator == "!=":
            if reader.take(">", "<", "!="):
                raise reader.error("a value is missing after !=")
            return Not(self._value(field, reader.position), position)
        text = reader.phrase() if quoted else reader.word().text
        if not text and not quoted:
            raise reader.error(f"a value is missing after {operator}")
        bound = Bound(text, operator.endswith("="))
        if operator[0] == ">":
            return Range(field, bound, None, position)
        return Range(field, None, bound, position)

    def _at_end(self) -> bool:
        self.reader.skip_space()
        return self.reader.peek() in ("", ")")

    def _peek_operator(self) -> str:
        found = _OPERATOR.match(self.reader.text, self.reader.position)
        if found is None:
            return ""
        return _SYMBOLS.get(found[0]) or found[0].lower()

    def _take(self, operator: str) -> bool:
        found = _OPERATOR.match(self.reader.text, self.reader.position)
        if found is None or (_SYMBOLS.get(found[0]) or found[0].lower()) != operator:
            return False
        self.reader.position = found.end()
        return True


def _word(field: str | None, raw: Raw, position: int) -> Node:
    if raw.has_wildcards:
        if raw.pattern.strip("*"):
            return Wildcard(field, raw.pattern, position)
        return Everything(position) if field is None else Exists(field, position)
    if field is None and _PUNCTUATION.fullmatch(raw.text):
        return Nothing(position)
    return Word(field, raw.text, position)


def _not(node: Node, position: int) -> Node:
    return node if isinstance(node, Nothing) else Not(node, position)


def _and(nodes: list[Node], position: int) -> Node:
    said = [node for node in nodes if not isinstance(node, Nothing)]
    if not said:
        return Nothing(position)
    return said[0] if len(said) == 1 else And(tuple(said), position)


def _or(nodes: list[Node], position: int) -> Node:
    said = [node for node in nodes if not isinstance(node, Nothing)]
    if not said:
        return Nothing(position)
    return said[0] if len(said) == 1 else Or(tuple(said), position)


def _marked(operands: list[_Operand], position: int) -> Node:
    """With a default of OR: what is marked decides, the rest counts only beside no ``+``."""
    required: list[Node] = []
    excluded: list[Node] = []
    optional: list[Node] = []
    for operand in operands:
        if operand.mark == "+":
            required.append(operand.node)
        elif operand.mark == "-" or (operand.mark == "not" and not operand.after_or):
            excluded.append(operand.node)
        else:
            optional.append(operand.node)
    if not required and optional:
        required = [_or(optional, position)]
    return _and(required + excluded, position)
