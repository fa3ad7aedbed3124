"""What is not sent: documents older than the retention, and names beyond the bound."""

from __future__ import annotations

import asyncio
from typing import cast

import orjson
import pytest

from logship.elastic import Elastic
from logship.errors import ConnectionFailed, ErrorReply
from logship.model import EXPIRED_HEAD, BatchResult, Documents, action_head
from logship.settings.model import DAY_SECONDS, IndexSettings
from logship.sinks.elasticsearch import ElasticsearchSink
from logship.sinks.elasticsearch.gate import Gate
from tests.support.fakes import FakeClock
from tests.unit.sinks.test_sink import FakeElastic

RETENTION = IndexSettings(retention_seconds=30 * DAY_SECONDS)
BY_SERVICE = IndexSettings(name="{service}-%Y.%m.%d")
CREATED = b'{"create":{"status":201}}'


def documents(*indices: str, with_id: bool = True) -> Documents:
    """Documents of the given indices; an index that begins with ``!`` is expired."""
    heads = [
        action_head(index.lstrip("!"), b"s", with_id=with_id, is_expired=index[0] == "!")
        for index in indices
    ]
    count = len(indices)
    ids = [b"%d" % n if with_id else b"" for n in range(count)]
    columns = (heads, ids, [b'"log.offset":'] * count, [b"1,"] * count, [b'"m":1}'] * count)
    return Documents.of(columns, 0.0)


def reply(*statuses: int) -> bytes:
    items = [{"create": {"status": status}} for status in statuses]
    return orjson.dumps({"errors": any(status > 300 for status in statuses), "items": items})


def write(
    elastic: FakeElastic, gate: Gate, batch: Documents
) -> tuple[BatchResult, list[dict[str, str]]]:
    """What became of *batch*, and the actions that were sent."""
    sink = ElasticsearchSink(cast(Elastic, elastic), clock=FakeClock(), gate=gate)
    result = asyncio.run(sink.write(batch))
    sent = [line for _, _, body, _ in elastic.asked for line in body.split(b"\n")[:-1:2]]
    return result, [orjson.loads(line)["create"] for line in sent]


@pytest.mark.parametrize("with_id", [True, False])
def test_expired_head_means_the_same(with_id: bool) -> None:
    """The mark changes nothing of the action line that it stands in."""
    (batch, marked) = documents("a", with_id=with_id), documents("!a", with_id=with_id)
    assert marked.heads[0].startswith(EXPIRED_HEAD)
    assert not batch.heads[0].startswith(EXPIRED_HEAD)
    assert marked.document(0) == batch.document(0)


def test_expired_documents_are_rejected() -> None:
    """They are not sent, the others are, and every position is in its group."""
    elastic = FakeElastic(reply(201, 400, 429))
    result, sent = write(elastic, Gate(RETENTION), documents("!old", "a", "b", "!old", "c"))
    assert [action["_id"] for action in sent] == ["s1", "s2", "s4"]
    assert (list(result.delivered), list(result.retryable)) == ([1], [4])
    assert [one.position for one in result.rejected] == [0, 2, 3]
    assert [one.type for one in result.rejected] == ["older_than_retention", "", *[
        "older_than_retention"]]  # fmt: skip
    assert result.rejected[0].reason == "older than index.retention (30d) when it was read"
    assert result.held == []


def test_names_beyond_the_bound_are_held() -> None:
    """The first so many names go on being written to, the others are held with the reason."""
    gate = Gate(BY_SERVICE, 2)
    elastic = FakeElastic(reply(201, 201, 201))
    batch = documents("a-2026.11.21", "b-2026.11.21", "c-2026.11.21", "a-2026.11.22")
    result, sent = write(elastic, gate, batch)
    assert list(result.delivered) == [0, 1, 3]
    (held,) = result.held
    assert (held.position, held.type) == (2, "too_many_index_names")
    assert "c-2026.11.21 would be one more than 2 different index names" in held.reason
    elastic = FakeElastic(reply(201))
    result, sent = write(elastic, gate, documents("c-2026.11.23", "b-2026.11.23"))
    assert [action["_index"] for action in sent] == ["b-2026.11.23"]


def test_nothing_left_to_send() -> None:
    """No request is made for a batch of which nothing may be sent."""
    elastic = FakeElastic(ConnectionFailed("not asked"))
    result, sent = write(elastic, Gate(RETENTION), documents("!a", "!b"))
    assert (sent, elastic.asked) == ([], [])
    assert (result.verdict, result.was_sent) == ("items", False)
    assert [one.position for one in result.rejected] == [0, 1]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (ConnectionFailed("cut"), "retry"),
        (ErrorReply(403, "security_exception", "no"), "pause"),
        (ErrorReply(413, "", ""), "split"),
        (b"{}", "retry"),
    ],
)
def test_unanswered_batches_are_whole(answer: bytes | Exception, verdict: str) -> None:
    """When the request fails nothing is settled, not even what was not sent."""
    result, _ = write(FakeElastic(answer), Gate(RETENTION), documents("!a", "b", "c"))
    assert result.verdict == verdict
    assert list(result.retryable) == [0, 1, 2]
    assert [*result.rejected, *result.held, *result.delivered] == []


def test_an_open_gate_costs_no_look() -> None:
    """Without retention and fields everything is sent as it is."""
    batch = documents("a", "b")
    assert Gate(IndexSettings()).sort(batch) is None
    stream = IndexSettings(data_stream="s", retention_seconds=DAY_SECONDS)
    assert Gate(stream).sort(batch) is None
    assert Gate(RETENTION).sort(batch) is None
    assert Gate(BY_SERVICE).sort(documents("a-2026.11.21")) is None
