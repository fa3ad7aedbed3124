from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest

from logship.elastic import Elastic
from logship.errors import ConnectionFailed, ElasticError, ErrorReply
from logship.schema.flat import SCALARS, TEXTS
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import (
    confirm_template,
    index_template,
    put_template,
    template_name,
)


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


def test_every_pattern_has_a_template_of_its_own() -> None:
    """Agents with other patterns do not take one another's template away."""
    names = ("logs-%Y.%m.%d", "{service}-logs-%Y.%m.%d", "logs-{service}", "logs-%Y.%m", "logs-%Y",
             "logs", "logs-%Y.%m.%d.%H", "a-%Y-b", "a-b-%Y", "a.b-%Y", "a-b-%Y.%m.%d",
             "a.b-%Y.%m.%d", "a-b-c-%Y.%m.%d")  # fmt: skip
    indices = [IndexSettings(name=name) for name in names]
    indices += [
        IndexSettings(data_stream=name) for name in ("logs", "a-b", "a-b-c", "logs-app-default")
    ]
    found = {template_name(index) for index in indices}
    assert len(found) == len(indices)
    assert found >= {"logship-logs", "logship-a-b", "logship-logs-app-default"}
    assert not any(set(name) & set("*,# ") or name != name.lower() for name in found)
    same = [IndexSettings(name="{a}-logs-%Y.%m.%d"), IndexSettings(name="{b}-logs-%Y.%m.%d")]
    assert len({template_name(index) for index in same}) == 1


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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ErrorReply(401, "security_exception", "who?"), " Check elasticsearch.api_key, or"),
        (ErrorReply(302, "", "redirects to /login"), " Check elasticsearch.hosts: is this the"),
        (ErrorReply(503, "", "starting"), ""),
        (ErrorReply(429, "", "busy"), ""),
        (ConnectionFailed("refused"), ""),
    ],
)
def test_what_to_do_about_a_server_that_refuses(
    error: ElasticError, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing else is sent before the template is there, so its line says what to do."""

    class Refusing(Server):
        urls = ("http://one:9200",)

        async def request(self, *arguments: Any, **options: Any) -> None:
            if self.asked:
                return await super().request(*arguments, **options)
            self.asked += 1
            raise error

    async def no_pause(seconds: float) -> None:
        pass

    asyncio.run(
        confirm_template(
            cast(Elastic, Refusing()), IndexSettings(), lambda why: None, pause_for=no_pause
        )
    )
    (record,) = caplog.records
    tail = "records wait, and it is tried again."
    assert record.getMessage().partition(tail)[2].startswith(said)
    assert bool(said) == (not record.getMessage().endswith(tail))
