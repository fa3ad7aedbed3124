from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest

from logship.elastic import Elastic
from logship.errors import ErrorReply
from logship.schema.flat import SCALARS, TEXTS
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template, put_template, template_name


def typed(properties: dict[str, Any], above: str = "") -> set[str]:
    found = set()
    for name, mapping in properties.items():
        if "properties" in mapping:
            found |= typed(mapping["properties"], f"{above}{name}.")
        else:
            found.add(f"{above}{name}")
    return found


def test_every_field_with_a_type_has_its_shape_guarded() -> None:
    """No record can bring an object where the template maps a scalar."""
    mappings = index_template(IndexSettings())["template"]["mappings"]
    by_logship = {"@timestamp", "timestamp", "@ingested", "log.file.path", "log.offset", "extra"}
    by_logship |= {"rescued", "rescued_source"}
    guarded = {*TEXTS, *SCALARS, "level", "tags"}
    assert typed(mappings["properties"]) - by_logship <= guarded


def test_pattern_and_name_follow_the_index_name() -> None:
    """The template captures the names of this pattern, under a name of its own."""
    index = IndexSettings(name="{service}-logs-%Y.%m.%d", shards=3, replicas=0)
    template = index_template(index)
    assert template["index_patterns"] == ["*-logs-2*.*.*"]
    assert template["template"]["settings"]["number_of_shards"] == 3
    assert template["template"]["settings"]["number_of_replicas"] == 0
    assert template_name(index) == "logship-logs"
    assert template_name(IndexSettings(name="a-%Y-b")) == "logship-a-b"


class Server:
    """Takes templates that use none of the types it does not know.

    Attributes:
        taken: The mapping of ``rescued`` in what it took.
        asked: Requests so far.
    """

    def __init__(self, *unknown: str) -> None:
        self._unknown = unknown
        self.taken: dict[str, Any] | None = None
        self.asked = 0

    async def request(self, method: str, path: str, body: bytes) -> None:
        self.asked += 1
        properties = orjson.loads(body)["template"]["mappings"]["properties"]
        for mapping in properties.values():
            if mapping.get("type") in self._unknown:
                reason = "composable template [logship-logs] template after composition is invalid"
                raise ErrorReply(400, "illegal_argument_exception", reason)
        self.taken = properties.get("rescued")


@pytest.mark.parametrize(
    ("unknown", "taken"),
    [
        ((), {"type": "flattened", "ignore_above": 8191}),
        (("flattened",), {"type": "flat_object"}),
        (("flattened", "flat_object"), None),
    ],
)
def test_rescued_is_mapped_as_the_server_can(
    unknown: tuple[str, ...], taken: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A server without one type gets the template with another, and nobody is bothered."""
    server = Server(*unknown)
    asyncio.run(put_template(cast(Elastic, server), IndexSettings()))
    assert (server.taken, server.asked) == (taken, len(unknown) + 1)
    assert caplog.records == []


def test_template_that_is_refused_for_something_else(caplog: pytest.LogCaptureFixture) -> None:
    """What another mapping of one field does not help is one warning."""
    server = Server("double")
    asyncio.run(put_template(cast(Elastic, server), IndexSettings()))
    assert server.asked == 3
    assert ["refuses the index template" in r.getMessage() for r in caplog.records] == [True]
