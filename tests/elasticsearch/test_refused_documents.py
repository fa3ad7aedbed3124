"""Every way known to us in which one document can be refused: each costs itself alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.elasticsearch.client import Client
from tests.support.agent import AgentProcess

pytestmark = pytest.mark.real_es

PROPERTIES: dict[str, Any] = {
    "alias": {"type": "alias", "path": "word"},
    "byte": {"type": "byte"},
    "date": {"type": "date"},
    "flag": {"type": "boolean"},
    "flat": {"type": "flattened"},
    "float": {"type": "float"},
    "geo": {"type": "geo_point"},
    "ip": {"type": "ip"},
    "long": {"type": "long"},
    "many": {"type": "nested"},
    "nanos": {"type": "date_nanos"},
    "object": {"properties": {"code": {"type": "long"}}},
    "range": {"type": "integer_range"},
    "rescued": {"type": "flattened", "ignore_above": 8191},
    "strict": {"dynamic": "strict", "properties": {"a": {"type": "long"}}},
    "vector": {"type": "dense_vector", "dims": 3},
    "word": {"type": "keyword"},
}
SETTINGS = {
    "index.mapping.ignore_malformed": False,
    "index.mapping.field_name_length.limit": 100,
    "index.mapping.nested_objects.limit": 10,
    "number_of_replicas": 0,
}
DIGITS = "9" * 5000
LONG, LONGER = "n" * 101, "n" * 3000
DEEP = '{"q":' * 25 + "1" + "}" * 25
DEEPER = '{"q":' * 24 + "1" + "}" * 24

# What is refused of a record, as JSON, and what is kept of it as text.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "alias": ('"alias":"x"', {"alias": "x"}),
    "blank": ('" ":1', {"_": "1"}),
    "boolean": ('"flag":"maybe"', {"flag": "maybe"}),
    "date": ('"date":"yesterday"', {"date": "yesterday"}),
    "date far away": ('"date":99999999999999999999', {"date": "99999999999999999999"}),
    "depth": (f'"deep":{DEEP}', {"deep": DEEP}),
    "depth by dots": (
        f'"{".".join("abcdefghijklmnopqrstuvwx")}":1',
        {"a": f'{{"{".".join("bcdefghijklmnopqrstuvwx")}":1}}'},
    ),
    "dimensions": ('"vector":[1,2]', {"vector": ["1", "2"]}),
    "dots only": ('"..":1', {"_._._": "1"}),
    "empty name": ('"":1', {"_": "1"}),
    "flattened": ('"flat":"x"', {"flat": "x"}),
    "flattened too deep": (f'"flat":{{"q":{DEEPER}}}', {"flat": DEEP}),
    "geo": ('"geo":{"lat":100,"lon":500}', {"geo": '{"lat":100,"lon":500}'}),
    "half a character": ('"long":"\\ud800"', {"long": "?"}),
    "half a character within": ('"long":{"\\ud800":1}', {"long": '{"?":1}'}),
    "immense": (f'"word":"{"w" * 40_000}"', {"word": "w" * 40_000}),
    "inner dots": ('"e..f":1', {"e._.f": "1"}),
    "ip": ('"ip":"999.1.1.1"', {"ip": "999.1.1.1"}),
    "key twice": ('"twice":1,"twice":2', {"twice": "1"}),
    "long name": (f'"{LONG}":1', {LONG: "1"}),
    "long name within": (f'"o":{{"{LONG}":1}}', {"o": f'{{"{LONG}":1}}'}),
    "longer name": (f'"{LONGER}":1', {LONGER: "1"}),
    "many objects": (f'"many":[{",".join(["{}"] * 20)}]', {"many": f"[{','.join(['{}'] * 20)}]"}),
    "metadata": ('"_id":"x"', {"_id": "x"}),
    "metadata object": ('"_source":{"a":1}', {"_source": '{"a":1}'}),
    "mixed": ('"mixed":[1,"a"]', {"mixed": ["1", "a"]}),
    "mixed objects": ('"objects":[{"b":2},1]', {"objects": '[{"b":2},1]'}),
    "nanoseconds": ('"nanos":"1600-01-01"', {"nanos": "1600-01-01"}),
    "number out of all range": ('"float":1e400', {"float": "1e400"}),
    "number out of range": ('"byte":300', {"byte": "300"}),
    "number too long": (f'"long":{DIGITS}', {"long": DIGITS, "case": "number too long"}),
    "object": ('"word":{"a":"b"}', {"word": '{"a":"b"}'}),
    "range": ('"range":{"gte":5,"lte":1}', {"range": '{"gte":5,"lte":1}'}),
    "scalar": ('"object":"GET"', {"object": "GET"}),
    "strict": ('"strict":{"z":1}', {"strict.z": "1"}),
    "text": ('"long":"many"', {"long": "many"}),
}
ORDINARY = '{"@timestamp":"2026-11-21T10:00:00Z","message":"ordinary"}'


def test_each_costs_itself_alone(real_url: str, name: str, tmp_path: Path) -> None:
    """What is refused arrives with one field as text and all else as it was; others untouched."""
    lines: list[str] = []
    for case, (fields, _) in CASES.items():
        message = f'"@timestamp":"2026-11-21T10:00:00Z","message":"{case}","case":"{case}"'
        lines += [f"{{{message},{fields}}}", ORDINARY]
    (tmp_path / "app.log").write_text("".join(f"{line}\n" for line in lines))
    with Client(real_url) as client:
        index = f"{name}-2026.11.21"
        body = {"settings": SETTINGS, "mappings": {"properties": PROPERTIES}}
        assert client.request("PUT", f"/{index}", body).status == 200
        command = ("ship", tmp_path / "app.log", "--to", real_url, "--once")
        options = ("--state-dir", tmp_path / "state", "--index", f"{name}-%Y.%m.%d")
        with AgentProcess(*command, *options, log=tmp_path / "agent.err") as agent:
            assert agent.wait(60) == 0, agent.stderr
        said = f"delivered {len(lines)}, rescued {len(CASES)}, held 0, dead letters 0"
        assert said in agent.stderr, agent.stderr
        client.request("POST", f"/{index}/_refresh")
        answer = client.request("POST", f"/{index}/_search", {"size": 1000})
        found = [hit["_source"] for hit in answer.json["hits"]["hits"]]
    ordinary = [one for one in found if one["message"] == "ordinary"]
    assert len(ordinary) == len(CASES)
    assert not any("rescued" in one or "tags" in one for one in ordinary)
    rescued = {one["message"]: one.get("rescued") for one in found if one not in ordinary}
    assert rescued == {case: expected for case, (_, expected) in CASES.items()}
    kept = {one["message"] for one in found if "case" in one}
    assert kept == CASES.keys() - {"number too long"}
