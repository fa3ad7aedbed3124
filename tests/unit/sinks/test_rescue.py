from __future__ import annotations

from typing import Any

import orjson
import pytest

from logship.model import Document, Refusal
from logship.sinks.elasticsearch.blame import named_field
from logship.sinks.elasticsearch.rescue import TAG, Rescuer, Step

PARSING = "document_parsing_exception"
OBJECT_IN_LONG = (
    "[1:9] failed to parse field [a] of type [long] in document with id 'x'. Preview of field's "
    "value: '{b=2}'; caused by illegal_argument_exception: Cannot parse object as number"
)
CONCRETE = (
    "[1:7] object mapping for [c] tried to parse field [c] as object, but found a concrete value"
)
TOTAL = (
    "[1:53] failed to parse: Limit of total fields [5] has been exceeded while adding new fields "
    "[6]; caused by illegal_argument_exception: Limit of total fields [5] has been exceeded while "
    "adding new fields [6]"
)
DEPTH = (
    "[1:121] failed to parse: Limit of mapping depth [20] has been exceeded due to object field "
    "[q.q.q.q.q.q.q.q.q.q.q.q.q.q.q.q.q.q.q.q]"
)
IMMENSE = (
    'Document contains at least one immense term in field="k" (whose UTF8 encoding is longer than '
    "the max length 32766), all of which were skipped."
)
BLANK = "[1:2] failed to parse: field name cannot contain only whitespace: ['e..f']"
NESTED = (
    "[1:100064] The number of nested documents has exceeded the allowed limit of [10000]. This "
    "limit can be set by changing the [index.mapping.nested_objects.limit] index level setting."
)
DUPLICATE = (
    "[1:6] failed to parse: [1:11] Duplicate field 'd'\n at [Source: (byte[])\"{}\"; line: 1]"
)


def refusal(reason: str, type_: str = PARSING) -> Refusal:
    return Refusal(0, 400, type_, reason)


def rescued(
    source: str, *reasons: str, done: Step = Step.AS_IT_WAS, rescuer: Rescuer | None = None
) -> dict[str, Any]:
    """Return what a document becomes after refusals for *reasons*."""
    document = Document("logs", "id", source.encode())
    found = (rescuer or Rescuer()).rescue(document, done, [refusal(r) for r in reasons])
    assert found is not None
    fields: dict[str, Any] = orjson.loads(found[0])
    assert fields["tags"][-1] == TAG
    del fields["tags"]
    return fields


@pytest.mark.parametrize(
    ("reason", "named"),
    [
        (OBJECT_IN_LONG, ("a", None)),
        (CONCRETE, ("c", False)),
        (DEPTH, ("q", None)),
        (IMMENSE, ("k", None)),
        (TOTAL, ("", None)),
        (BLANK, ("", None)),
        ("failed to parse field [a.b] of type [ip] in document with id 'x'", ("a.b", None)),
        (
            "[1:6] Could not dynamically add mapping for field [a.b]. Existing mapping for [a] "
            "must be of type object but found [long].",
            ("a", True),
        ),
        (
            "[1:7] mapping set to strict, dynamic introduction of [b] within [_doc] is not allowed",
            ("b", None),
        ),
        (
            "[1:7] mapping set to strict, dynamic introduction of [b] within [a] is not allowed",
            ("a.b", None),
        ),
        ("mapper [f] cannot be changed from type [long] to [text]", ("f", None)),
        ("can't merge a non object mapping [f] with an object mapping", ("f", None)),
        ("[1:57] Cannot write to a field alias [al].", ("al", None)),
        (
            "[1:6] failed to parse: The [dense_vector] field [vec] in doc [document with id 'x'] "
            "has a different number of dimensions [2] than defined in the mapping [3]",
            ("vec", None),
        ),
    ],
)
def test_reasons_name_fields(reason: str, named: tuple[str, bool | None]) -> None:
    """A server's own words tell which field it does not take."""
    assert named_field(reason) == named


IN_B = OBJECT_IN_LONG.replace("[a]", "[a.b]")
NONE_NAMED = "no field is named"
LONG = "12345678901234567890123"


@pytest.mark.parametrize(
    ("reason", "source", "expected"),
    [
        (OBJECT_IN_LONG, '{"a":{"b":2},"m":1}', {"m": 1, "rescued": {"a": '{"b":2}'}}),
        (OBJECT_IN_LONG, f'{{"a":{LONG}}}', {"rescued": {"a": LONG}}),
        (CONCRETE, '{"c":"text"}', {"rescued": {"c": "text"}}),
        (CONCRETE, '{"c":[true,2.5,null]}', {"rescued": {"c": ["true", "2.5"]}}),
        (IN_B, '{"a":{"b":"x","c":1}}', {"a": {"c": 1}, "rescued": {"a.b": "x"}}),
        (IN_B, '{"a.b":"x"}', {"rescued": {"a.b": "x"}}),
        (
            IN_B,
            '{"a":[{"b":"x"},{"b":{"y":1}},3]}',
            {"a": [{}, {}, 3], "rescued": {"a.b": ["x", '{"y":1}']}},
        ),
        (OBJECT_IN_LONG, '{"a.b":"x","a":1}', {"rescued": {"a": ['{"b":"x"}', "1"]}}),
        (OBJECT_IN_LONG.replace("[a]", "[a.keyword]"), '{"a":"x"}', {"rescued": {"a": "x"}}),
        (OBJECT_IN_LONG, '{"a":{},"rescued":"mine"}', {"rescued": {"a": "{}", "rescued": "mine"}}),
        (DEPTH, '{"q":{"q":{"q":1}},"m":2}', {"m": 2, "rescued": {"q": '{"q":{"q":1}}'}}),
        (
            BLANK,
            '{"e..f":1,"g":{"":2},"h":[{" ":3}],"i":4}',
            {"i": 4, "rescued": {"e._.f": "1", "g": '{"":2}', "h": '[{" ":3}]'}},
        ),
        (
            "[1:2] failed to parse: field name cannot contain only dots",
            '{"..":1,"g":{".":2},"i":4}',
            {"i": 4, "rescued": {"_._._": "1", "g": '{".":2}'}},
        ),
        (
            "[1:2] Field name cannot contain only whitespace: [ ]",
            '{" ":1,"i":4}',
            {"i": 4, "rescued": {"_": "1"}},
        ),
        (
            NESTED,
            '{"n":[{"a":1},{"a":2}],"o":{"p":[{"q":1}]},"r":{"s":1},"t":[1]}',
            {
                "r": {"s": 1},
                "t": [1],
                "rescued": {"n": '[{"a":1},{"a":2}]', "o": '{"p":[{"q":1}]}'},
            },
        ),
        (
            TOTAL,
            '{"message":"m","log.offset":7,"new":1,"error":{"type":"E"},"extra":{"k":1}}',
            {
                "message": "m",
                "log.offset": 7,
                "error": {"type": "E"},
                "rescued": {"new": "1", "extra": '{"k":1}'},
            },
        ),
        (
            NONE_NAMED,
            '{"message":{"x":1},"n":1}',
            {"rescued": {"message": '{"x":1}', "n": "1"}},
        ),
    ],
)
def test_named_field_becomes_text(reason: str, source: str, expected: dict[str, Any]) -> None:
    """What a server does not take is kept as text, everything else as it was."""
    assert rescued(source, reason) == expected


@pytest.mark.parametrize("length", [10, 600, 5000])
def test_name_that_is_too_long(length: int) -> None:
    """Fields of names that an index finds too long are moved, all at once, and nothing else."""
    name = "n" * length
    reason = f"Field name [{name}] is longer than the limit of [9] characters"
    source = f'{{"{name}":1,"o":{{"{name}z":2,"ok":3}},"a.{name}.b":4,"m":5,"a.b.c.d.e.f":6}}'
    document = Document("logs", "id", source.encode())
    refused = refusal(reason[:2000], "illegal_argument_exception")
    found = Rescuer().rescue(document, Step.AS_IT_WAS, [refused])
    assert found is not None
    fields = orjson.loads(found[0])
    assert fields == {
        "m": 5,
        "a.b.c.d.e.f": 6,
        "tags": [TAG],
        "rescued": {name: "1", "o": f'{{"{name}z":2,"ok":3}}', f"a.{name}.b": "4"},
    }


def test_blank_name_in_a_field_that_is_moved_anyway() -> None:
    """With the field known to be refused gone, the blank name is too: no other is moved."""
    rescuer = Rescuer()
    rescued('{"c":"text"}', CONCRETE, rescuer=rescuer)
    found = rescued('{"c":[1,{" ":2}],"i":4}', BLANK, rescuer=rescuer)
    assert found == {"i": 4, "rescued": {"c": '[1,{" ":2}]'}}


@pytest.mark.parametrize("number", ["1e400", "-1e9999", "9" * 5000, f"-{'9' * 1500}"])
def test_numbers_beyond_all_bounds_keep_their_digits(number: str) -> None:
    """A number that neither Python nor Elasticsearch can hold is kept as it was written."""
    named = OBJECT_IN_LONG
    assert rescued(f'{{"a":{number},"m":1}}', named) == {"m": 1, "rescued": {"a": number}}
    assert rescued(f'{{"a":{number}}}', NONE_NAMED) == {"rescued": {"a": number}}


def test_earlier_values_of_a_key_are_kept() -> None:
    """Of a key that is there twice the last value counts, and the others are not lost."""
    found = rescued('{"d":1,"x":{"y":"a","y":"b"},"d":2,"d":{"z":3}}', DUPLICATE)
    assert found == {"d": {"z": 3}, "x": {"y": "b"}, "rescued": {"d": ["1", "2"], "y": "a"}}


def test_steps() -> None:
    """A document is changed by keys, then by field, then whole, and then given up."""
    document = Document("logs", "id", b'{"message":"m","d":1,"d":2,"n":{"o":1},"tags":["t"]}')
    rescuer, refusals, steps = Rescuer(), [], []
    done = Step.AS_IT_WAS
    for reason in (DUPLICATE, OBJECT_IN_LONG.replace("[a]", "[n]"), OBJECT_IN_LONG):
        refusals.append(refusal(reason))
        found = rescuer.rescue(document, done, refusals)
        assert found is not None
        source, done = found
        steps.append(orjson.loads(source))
    assert done == Step.ALL_MOVED
    assert rescuer.rescue(document, done, [*refusals, refusal(CONCRETE)]) is None
    tags = ["t", TAG]
    assert steps == [
        {"message": "m", "d": 2, "n": {"o": 1}, "rescued": {"d": "1"}, "tags": tags},
        {"message": "m", "d": 2, "rescued": {"d": "1", "n": '{"o":1}'}, "tags": tags},
        {
            "message": "m",
            "rescued_source": '{"d":2,"n":{"o":1},"rescued":{"d":["1"]}}',
            "tags": tags,
        },
    ]


def test_what_was_blamed_is_not_kept_in_the_end() -> None:
    """In the last step also logship's own fields go when a refusal named them."""
    found = rescued(
        '{"message":"m","service":"s","n":1}',
        OBJECT_IN_LONG.replace("[a]", "[service]"),
        "no field is named",
        done=Step.FIELDS_MOVED,
    )
    assert found == {"message": "m", "rescued_source": '{"service":"s","n":1}'}


def test_known_conflicts_are_moved_together() -> None:
    """Of two conflicts that were seen before, one refusal is enough, in that index only."""
    rescuer = Rescuer()
    rescued('{"a":{"b":2}}', OBJECT_IN_LONG, rescuer=rescuer)
    rescued('{"c":1}', CONCRETE, rescuer=rescuer)
    both = '{"a":{"b":2},"c":1}'
    expected = {"rescued": {"a": '{"b":2}', "c": "1"}}
    assert rescued(both, OBJECT_IN_LONG, rescuer=rescuer) == expected
    assert rescued(both, CONCRETE, rescuer=rescuer) == expected
    assert rescued('{"a":3,"c":1}', CONCRETE, rescuer=rescuer) == {"a": 3, "rescued": {"c": "1"}}
    other = rescuer.rescue(
        Document("other", "id", both.encode()), Step.AS_IT_WAS, [refusal(CONCRETE)]
    )
    assert other is not None
    assert orjson.loads(other[0])["a"] == {"b": 2}


def test_memory_is_bounded() -> None:
    """However many indices and fields conflict, what is remembered of them is little."""
    rescuer = Rescuer()
    for number in range(1000):
        reason = OBJECT_IN_LONG.replace("[a]", f"[f{number}]")
        source = b'{"f%d":{}}' % number
        for index in ("same", f"logs-{number}"):
            rescuer.rescue(Document(index, "id", source), Step.AS_IT_WAS, [refusal(reason)])
    assert len(rescuer._known) <= 200
    assert max(map(len, rescuer._known.values())) <= 100


@pytest.mark.parametrize(
    "hopeless",
    [
        refusal("invalid index name", "invalid_index_name_exception"),
        refusal("Limit of something else", "illegal_argument_exception"),
        Refusal(0, 413, PARSING, "larger than the server takes"),
    ],
)
def test_what_is_no_mappings_fault(hopeless: Refusal) -> None:
    """What no change of fields can help is left as it is."""
    document = Document("logs", "id", b'{"a":1}')
    assert Rescuer().rescue(document, Step.AS_IT_WAS, [hopeless]) is None


@pytest.mark.parametrize("source", [b'{"a":', b"\xff", b"[1]", b'{"a":' * 100_000])
def test_what_is_no_json(source: bytes) -> None:
    """A document that cannot be read is left as it is."""
    document = Document("logs", "id", source)
    assert Rescuer().rescue(document, Step.AS_IT_WAS, [refusal(CONCRETE)]) is None


@pytest.mark.parametrize(
    "type_", ["illegal_argument_exception", "max_bytes_length_exceeded_exception"]
)
def test_immense_terms_are_no_parsing_error(type_: str) -> None:
    """A term that is too long comes as another type, and is helped all the same."""
    document = Document("logs", "id", b'{"k":"xxx"}')
    found = Rescuer().rescue(document, Step.AS_IT_WAS, [refusal(IMMENSE, type_)])
    assert found is not None
    assert orjson.loads(found[0]) == {"tags": [TAG], "rescued": {"k": "xxx"}}
