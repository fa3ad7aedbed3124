from __future__ import annotations

import orjson
import pytest

from logship.model import action_head
from logship.sinks.elasticsearch.request import bulk_body
from tests.support.fakes import NOON, make_documents


def test_action_lines_are_pinned() -> None:
    """An action line creates, under the id that the content decides, and says nothing else."""
    head = action_head("logs-2026.11.21", b"SEEDSEED00", with_id=True)
    assert head == b'\n{"create":{"_index":"logs-2026.11.21","_id":"SEEDSEED00'
    without = action_head("logs-2026.11.21", b"SEEDSEED00", with_id=False)
    assert without == b'\n{"create":{"_index":"logs-2026.11.21'
    assert orjson.loads(without + b'"}}') == {"create": {"_index": "logs-2026.11.21"}}


@pytest.mark.parametrize("index", ['a"b', "a\nb", "a\0b", "a\\", "é"])
def test_names_go_through_an_encoder(index: str) -> None:
    """No index name can break out of its action line."""
    for with_id, end in ((True, b'0"}}'), (False, b'"}}')):
        head = action_head(index, b"seed", with_id=with_id)
        assert head.count(b"\n") == 1
        assert orjson.loads(head + end)["create"]["_index"] == index


def test_body_is_pinned() -> None:
    """Every document is an action line and a source line that begins with the ingest time."""
    documents, _ = make_documents(2, length=1)
    assert bulk_body(documents, NOON + 0.0016) == (
        b'{"create":{"_index":"logs-2026.11.21","_id":"seed000000"}}\n'
        b'{"@ingested":"2026-11-21T12:00:00.001Z","log.offset":0,"n":0,"pad":"x"}\n'
        b'{"create":{"_index":"logs-2026.11.21","_id":"seed000001"}}\n'
        b'{"@ingested":"2026-11-21T12:00:00.001Z","log.offset":1,"n":1,"pad":"x"}\n'
    )


def test_size_is_what_goes_over_the_wire() -> None:
    """Bounds are in true bytes."""
    documents, _ = make_documents(7)
    assert documents.size_bytes == len(bulk_body(documents, NOON))


def test_attempts_differ_in_the_stamp_alone() -> None:
    """Another attempt has another ingest time and the same bytes otherwise."""
    documents, _ = make_documents(2)
    first, second = bulk_body(documents, NOON), bulk_body(documents, NOON + 60)
    assert first != second
    assert second.replace(b"12:01:00", b"12:00:00") == first
