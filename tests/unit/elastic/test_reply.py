from __future__ import annotations

import pytest

from logship.elastic.connection import Reply
from logship.errors import BadReply


def test_half_a_character() -> None:
    """A document with a lone surrogate, which others may have stored, spoils no reply."""
    reply = Reply(200, {}, b'{"a":"x\\ud800y \xc3\xa9","b":[1,2.5,{"\\udc00":null}]}')
    assert reply.json() == {"a": "x?y é", "b": [1, 2.5, {"?": None}]}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":"\\ud800"', b"\xff", b"[" * 100_000])
def test_what_is_no_json(body: bytes) -> None:
    """Anything else is a bad reply."""
    with pytest.raises(BadReply, match="not JSON"):
        Reply(200, {}, body).json()
