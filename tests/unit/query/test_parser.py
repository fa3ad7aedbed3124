"""The reading of queries: what each form means and where mistakes are shown."""

from __future__ import annotations

from typing import Literal

import pytest

from logship.errors import QueryError
from logship.query import parse
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
    Range,
    Regexp,
    Wildcard,
    Word,
    walk,
)


def shape(node: Node) -> str:
    """Write a tree down without its positions, fully bracketed."""
    match node:
        case Everything():
            return "*"
        case Nothing():
            return "nothing"
        case Word():
            return f"{node.field or ''}={node.text}"
        case Phrase():
            return f'{node.field or ""}="{node.text}"'
        case Wildcard():
            return f"{node.field or ''}~{node.pattern}"
        case Regexp():
            return f"{node.field or ''}=/{node.pattern}/"
        case Exists():
            return f"{node.field}?"
        case Range():
            lower, upper = node.lower, node.upper
            start = "" if lower is None else f"{'[' if lower.inclusive else '{'}{lower.text}"
            end = "" if upper is None else f"{upper.text}{']' if upper.inclusive else '}'}"
            return f"{node.field}:{start}..{end}"
        case Not():
            return f"not {shape(node.operand)}"
        case And():
            return "(" + " and ".join(map(shape, node.operands)) + ")"
        case Or():
            return "(" + " or ".join(map(shape, node.operands)) + ")"


def read(text: str, default_operator: Literal["and", "or"] = "and") -> str:
    return shape(parse(text, default_operator=default_operator).root)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "*"),
        ("   ", "*"),
        ("*", "*"),
        ("**", "*"),
        ("*:*", "*"),
        ("timeout", "=timeout"),
        ('"connection refused"', '="connection refused"'),
        ("level:ERROR AND service:api", "(level=ERROR and service=api)"),
        ("level:ERROR service:api", "(level=ERROR and service=api)"),
        ("status:[400 TO 599]", "status:[400..599]"),
        ("status:{400 TO 599}", "status:{400..599}"),
        ("status:{400 TO 599]", "status:{400..599]"),
        ("status:[400 to *]", "status:[400.."),
        ("status:[* TO 400}", "status:..400}"),
        ("status:[* TO *]", "status?"),
        ('day:["a b" TO "c d"]', "day:[a b..c d]"),
        ("t:[-5 TO -1]", "t:[-5..-1]"),
        ("duration_ms:>1000", "duration_ms:{1000.."),
        ("duration_ms:>=1000", "duration_ms:[1000.."),
        ("duration_ms: < 1000", "duration_ms:..1000}"),
        ("duration_ms<=1.5", "duration_ms:..1.5]"),
        ("status >= 400", "status:[400.."),
        (
            'status >= 400 and not path:"/health"',
            '(status:[400.. and not path="/health")',
        ),
        ("status != 200", "not status=200"),
        ("status!=200", "not status=200"),
        ("level:(ERROR OR WARNING)", "(level=ERROR or level=WARNING)"),
        ("level:(ERROR WARNING)", "(level=ERROR and level=WARNING)"),
        ("status:(>=400 <500)", "(status:[400.. and status:..500})"),
        ("status:(200 OR [400 TO 499])", "(status=200 or status:[400..499])"),
        ("a:(b c:d)", "(a=b and c=d)"),
        ("pay*", "~pay*"),
        ("service:pay*", "service~pay*"),
        ("service:p?y", "service~p?y"),
        ("url:*", "url?"),
        ("_exists_:user_id", "user_id?"),
        ("_exists_:http.request.method", "http.request.method?"),
        ("+must -mustnot", "(=must and not =mustnot)"),
        ("!x", "not =x"),
        ("! x", "not =x"),
        ("not not x", "not not =x"),
        ("a && b || c", "((=a and =b) or =c)"),
        ("a OR b AND c", "(=a or (=b and =c))"),
        ("a or b c or d", "(=a or (=b and =c) or =d)"),
        ("(a or b) and c", "((=a or =b) and =c)"),
        ("NOT a AND b", "(not =a and =b)"),
        ("NOT (a b)", "not (=a and =b)"),
        ("not(a)", "not =a"),
        ("-level:DEBUG", "not level=DEBUG"),
        (r"a\:b", "=a:b"),
        (r"\AND", "=AND"),
        (r"pay\*", "=pay*"),
        (r"f:a\*b*", r"f~a\*b*"),
        (r"f:\(x\)", "f=(x)"),
        (r"my\ field:x", "my field=x"),
        (r'"say \"hi\" \\ now"', r'="say "hi" \ now"'),
        ("url:http://x/y", "url=http://x/y"),
        ("url:http://x/y?q=1&r=2", "url~http://x/y?q=1&r=2"),
        ("http://x/y", "=http://x/y"),
        ("path:/health", "path=/health"),
        ("path:/health/", "path=/health/"),
        ("path:/health AND url:/x/", "(path=/health and url=/x/)"),
        ("path:/v[12]/", "path=/v[12]/"),
        ("path:/api.*/", "path=/api.*/"),
        (r"path:/a\/b+/", r"path=/a\/b+/"),
        ("time:10:05:33", "time=10:05:33"),
        ("10:05:33", "=10:05:33"),
        ("@timestamp:>now-1h", "@timestamp:{now-1h.."),
        ("@timestamp:>=now-1d/d", "@timestamp:[now-1d/d.."),
        ("@timestamp >= 2026-11-21T10:00:00Z", "@timestamp:[2026-11-21T10:00:00Z.."),
        (
            "@timestamp:[2026-11-21T10:00:00+01:00 TO now]",
            "@timestamp:[2026-11-21T10:00:00+01:00..now]",
        ),
        ("http.request-id:x", "http.request-id=x"),
        (
            "kubernetes.labels.app.kubernetes.io/name:api",
            "kubernetes.labels.app.kubernetes.io/name=api",
        ),
        ("größe:5", "größe=5"),
        ("status : 500", "status=500"),
        ("status: 500", "status=500"),
        ("a->b", "=a->b"),
        ("temp:-5", "temp=-5"),
        ("temp:>-5", "temp:{-5.."),
        ("boosted^2", "=boosted"),
        ("boosted^2.5 x", "(=boosted and =x)"),
        ('"a b"^3', '="a b"'),
        ("(a or b)^2", "(=a or =b)"),
        ("f:[1 TO 2]^2", "f:[1..2]"),
        ("x^y", "=x^y"),
        ("~/file", "=~/file"),
        ("android", "=android"),
        ("and:5", "and=5"),
        ("nothing", "=nothing"),
        ("state:not", "state=not"),
        ("TO", "=TO"),
        ("a = b", "(=a and =b)"),
        ("=", "nothing"),
        ("not =", "nothing"),
        ("(= or x) -", None),
        ("a OR (= -> )", "=a"),
        ("[", None),
    ],
)
def test_reads(text: str, expected: str | None) -> None:
    """Each form reads as the tree that people mean by it, or is a mistake (None)."""
    if expected is None:
        with pytest.raises(QueryError):
            parse(text)
    else:
        assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", "(=a or =b)"),
        ("a b AND c", "(=a or (=b and =c))"),
        ("a OR b c", "(=a or =b or =c)"),
        ("+a b", "=a"),
        ("+a b -c", "(=a and not =c)"),
        ("a b -c", "((=a or =b) and not =c)"),
        ("a NOT c", "(=a and not =c)"),
        ("a OR NOT c", "(=a or not =c)"),
        ("-a -b", "(not =a and not =b)"),
        ("-a AND b", "(not =a and =b)"),
        ("level:(ERROR WARNING)", "(level=ERROR or level=WARNING)"),
    ],
)
def test_default_or(text: str, expected: str) -> None:
    """With a default of OR, marked operands decide and the others are alternatives."""
    assert read(text, "or") == expected


@pytest.mark.parametrize(
    ("text", "position", "what"),
    [
        ("level:", 6, "the value of level is missing"),
        ("level: AND x", 6, "the value of level is missing"),
        ("level:)", 6, "the value of level is missing"),
        ("a AND", 5, "the query ends where a word or field was expected"),
        ("AND a", 0, "nothing to the left of AND"),
        ("a OR OR b", 5, "nothing to the left of OR"),
        ("(a", 0, "this ( is not closed"),
        ("a)", 1, "this ) closes nothing"),
        ("()", 0, "nothing is between ( and )"),
        ('x "abc', 2, "the quote is not closed"),
        ("f:[1 TO 2", 2, "this range is not closed"),
        ("f:[1 2]", 5, "TO is missing"),
        ("f:[ TO 2]", 7, "TO is missing"),
        ("[1 TO 2]", 0, "a range needs a field"),
        ("x:>", 3, "a value is missing after >"),
        ("fuzzy~2", 5, "similar words (~) are not supported"),
        ('"a b"~3', 5, "similar words (~) are not supported"),
        ("error.*:x", 0, "a field name with * or ? is not supported"),
        ("*:x", 0, "only *:* can follow *:"),
        (":x", 0, "the name of the field is missing"),
        ("a --b", 2, "nothing follows the -"),
        ("a -", 2, "nothing follows the -"),
        ("a\\", 1, "nothing follows the backslash"),
        ("_exists_:", 9, "_exists_: needs the name of a field"),
    ],
)
def test_mistakes(text: str, position: int, what: str) -> None:
    """A mistake is named, with the place where it stands under a caret."""
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert what in caught.value.what
    assert caught.value.position == position
    assert str(caught.value).splitlines()[-1] == "  " + " " * position + "^"


def test_nesting_has_a_bound() -> None:
    """Deep nesting is a mistake in the query, not a crash of the parser."""
    assert read("(" * 30 + "a" + ")" * 30) == "=a"
    for text in ("(" * 5000, "not " * 5000 + "a", "-(" * 5000, "f:(" * 5000):
        with pytest.raises(QueryError, match="nested too deeply"):
            parse(text)


def test_positions() -> None:
    """Nodes say where they begin in the text."""
    root = parse("a OR (b:c AND not d)").root
    found = {shape(node): node.position for node in walk(root)}
    assert found["=a"] == 0
    assert found["b=c"] == 6
    assert found["not =d"] == 14
    assert found["=d"] == 18


def test_range_bounds_are_kept_apart() -> None:
    """Each end of a range keeps whether it belongs to the range."""
    root = parse("f:[1 TO 2}").root
    assert root == Range("f", Bound("1", True), Bound("2", False), 0)
