from __future__ import annotations

import orjson
import pytest

from logship.model import action_head, merge
from logship.sinks.elasticsearch.request import BulkBody
from tests.support.fakes import NOON, bulk_body, make_documents


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


@pytest.mark.parametrize("ingested", ["@ingested", "event.ingested"])
def test_length_is_that_of_all_pieces(ingested: str) -> None:
    """What is announced is what is sent, however often, and whatever the stamp is called."""
    documents, _ = make_documents(7)
    body = BulkBody(documents, NOON, ingested, piece_bytes=2 * documents.size_bytes // 7)
    pieces = list(body)
    assert len(pieces) > 2
    assert len(body) == sum(map(len, pieces))
    assert list(body) == pieces
    sources = b"".join(pieces).split(b"\n")[1::2]
    assert [next(iter(orjson.loads(source))) for source in sources] == [ingested] * 7


def test_pieces_end_with_their_documents() -> None:
    """A long document among short ones has its piece, and none is empty."""
    long, _ = make_documents(1, length=5000)
    short, _ = make_documents(4, first=1)
    body = BulkBody(merge([short.part(0, 2), long, short.part(2, 4)]), NOON, piece_bytes=100)
    assert [len(piece) > 5000 for piece in body] == [False, False, True, False, False]
    assert b"".join(body).count(b"\n") == 10
