"""Envelopes: what was fixed comes back as it was, and nothing else is taken for one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import orjson
import pytest

from logship.model import Documents, action_head
from logship.spool import Claim, envelope, envelopes
from logship.spool import claim as claim_module
from logship.spool.parse import NotAnEnvelope, parse_envelope


class Owed:
    def __init__(self) -> None:
        self.count = 0

    def settle(self, count: int) -> None:
        self.count += count


def claimed(path: Path, data: bytes) -> Claim:
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return Claim(path, descriptor)


def test_an_envelope_holds_index_id_and_document() -> None:
    """What was fixed when the record was made is in the line, as it would have been sent."""
    head = action_head('a "quoted" näme', b"prefix-", with_id=True)
    line = envelope(head, b"0001", b'{"n":1.50,"deep":{\n"x":[]}}')
    assert line.count(b"\n") == 1
    assert orjson.loads(line) == {
        "index": 'a "quoted" näme',
        "id": "prefix-0001",
        "doc": {"n": 1.5, "deep": {"x": []}},
    }


def test_documents_come_back_as_they_were(tmp_path: Path) -> None:
    """Of all five columns, byte for byte, with their ids or without, each owed to the receipt."""
    with_id = action_head("logs-2026.11.21", b"seed", with_id=True)
    without = action_head("logs-2026.11.22", b"", with_id=False)
    columns = (
        [with_id, with_id, without],
        [b"0001", b"0002", b""],
        [b'"log.offset":', b"", b""],
        [b"12,", b"", b""],
        [b'"n":12345678901234567890.0}', b'"\\ud83d\\ude00":"\xc3\xa4"}', b'"a":null}'],
    )
    before = Documents.of(columns, 0.0)
    claim = claimed(tmp_path / "x", b"".join(envelopes(before)))
    owed = Owed()
    (after,) = claim.read(owed)
    os.close(claim.descriptor)
    assert [after.document(i) for i in range(3)] == [before.document(i) for i in range(3)]
    after.settle()
    assert (owed.count, claim.bad_lines) == (3, 0)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "truncated"),
        (b"plain text\n", "malformed"),
        (b'{"id":"a","doc":{"n":1}}\n', "index"),
        (b'{"index":"","id":"a","doc":{"n":1}}\n', "the index is empty"),
        (b'{"index":1,"id":"a","doc":{"n":1}}\n', "index"),
        (b'{"index":"a","id":"b","doc":"text"}\n', "no JSON object"),
        (b'{"index":"a","id":"b","doc":{ }}\n', "empty one"),
        (b'{"index":"a","id":"b","doc":{"n":1}\n', "truncated"),
        (b'{"index":"a","id":"%b","doc":{"n":1}}\n' % (b"x" * 513), "512 bytes"),
        (b'{"index":"a","id":"b","doc":{"n":1}} {"index":"a"}\n', "trailing"),
    ],
)
def test_other_lines_are_none(line: bytes, why: str) -> None:
    """What would spoil the request, or has not all that is needed, is refused with the reason."""
    with pytest.raises(NotAnEnvelope, match=why):
        parse_envelope(line)


def test_reading_is_in_portions(tmp_path: Path) -> None:
    """A long file is never in memory as a whole."""
    head = action_head("logs", b"", with_id=True)
    lines = [envelope(head, b"%d" % n, b'{"pad":"%b"}' % (b"x" * 2000)) for n in range(2000)]
    claim = claimed(tmp_path / "x", b"".join(lines))
    parts = list(claim.read(Owed()))
    os.close(claim.descriptor)
    assert sum(map(len, parts)) == 2000
    assert max(part.size_bytes for part in parts) < 2 << 20


def test_endless_lines_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no request could hold costs itself only, and not its length in memory."""
    monkeypatch.setattr(claim_module, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(claim_module, "BYTES_AT_ONCE", 100)
    head = action_head("logs", b"", with_id=True)
    lines = [
        envelope(head, b"%d" % n, b'{"pad":"%b"}' % (b"x" * size))
        for n, size in enumerate((10, 3000, 20, 5000))
    ]
    claim = claimed(tmp_path / "x", b"".join(lines)[:-1])
    parts = list(claim.read(Owed()))
    assert [part.document(i).id for part in parts for i in range(len(part))] == ["0", "2"]
    assert [line.number for line in claim.first_bad] == [2, 4]
    claim.keep_bad_lines(tmp_path / "bad")
    os.close(claim.descriptor)
    assert (tmp_path / "bad").read_bytes() == lines[1] + lines[3][:-1]
