from __future__ import annotations

from logship.model import Document, Documents, action_head, merge
from tests.support.fakes import FakeReceipt, make_documents, numbers_of


def test_document_is_what_elasticsearch_will_see() -> None:
    """One document, without the ingest stamp, comes out of the columns as it will be stored."""
    documents, _ = make_documents(2, length=1)
    assert documents.document(1) == Document(
        "logs-2026.11.21", "seed000001", b'{"log.offset":1,"n":1,"pad":"x"}'
    )


def test_document_without_an_id() -> None:
    """Where Elasticsearch chooses the id there is none to see."""
    head = action_head('odd "name"', b"seed", with_id=False)
    documents = Documents.of(([head], [b""], [b'"o":'], [b"7,"], [b'"a":1}']), 0.0)
    assert documents.document(0) == Document('odd "name"', "", b'{"o":7,"a":1}')


def test_runs_follow_what_is_picked() -> None:
    """Receipts stay with their documents, in order, and those without any are left out."""
    first, second, third = (FakeReceipt(count) for count in (3, 2, 4))
    documents, _ = make_documents(9)
    documents.runs = [(first, 3), (second, 2), (third, 4)]
    assert documents.select([0, 2, 5, 8]).runs == [(first, 2), (third, 2)]
    assert documents.select([3, 4]).runs == [(second, 2)]
    assert documents.part(2, 6).runs == [(first, 1), (second, 2), (third, 1)]
    assert documents.part(7, 100).runs == [(third, 2)]
    nothing = documents.select([])
    assert (nothing.runs, len(nothing), nothing.size_bytes) == ([], 0, 0)


def test_columns_belong_to_one_batch_alone() -> None:
    """What is picked out of a batch does not change with it."""
    documents, receipt = make_documents(3)
    picked = documents.select([1])
    documents.bodies[1] = b""
    assert numbers_of(picked) == [1]
    assert merge([picked]) is picked
    picked.settle()
    assert receipt.settled == 1
