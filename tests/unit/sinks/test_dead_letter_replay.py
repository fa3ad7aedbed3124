"""How a replay answers to what a server says to whole requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import orjson

from logship.elastic import Elastic, Pieces, Reply
from logship.errors import ConnectionFailed, ErrorReply
from logship.model import Refusal
from logship.settings.model import ElasticsearchSettings
from logship.sinks.dead_letter import DeadLetter
from logship.sinks.dead_letter_box import DeadLetterBox
from logship.sinks.dead_letter_replay import Reasons, Replay, Replayed


class Server:
    """Stands for the connection: each request is answered by the next of a list of answers.

    An answer is an error to raise, or the statuses by id; ids not named are created. The last
    answer is given for ever.
    """

    settings = ElasticsearchSettings()
    compresses = False

    def __init__(self, *answers: Exception | dict[str, int]) -> None:
        self.answers = list(answers)
        self.sent: list[list[str]] = []

    async def request(self, method: str, path: str, body: Pieces, **_: object) -> Reply:
        lines = b"".join(body).splitlines()
        ids = [orjson.loads(line)["create"]["_id"] for line in lines[::2]]
        self.sent.append(ids)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        items = [{"create": _outcome(answer.get(id_, 201))} for id_ in ids]
        return Reply(200, {}, orjson.dumps({"errors": True, "items": items}))


def _outcome(status: int) -> dict[str, Any]:
    if status == 201:
        return {"status": status}
    return {"status": status, "error": {"type": f"type_{status}", "reason": "why"}}


class Time:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def letters(ids: Sequence[str], size: int = 10) -> list[DeadLetter]:
    return [
        DeadLetter("logs", id_, "", 400, "t", "r", "", None,
                   orjson.dumps({"message": "x" * size}), (id_.encode(),))
        for id_ in ids
    ]  # fmt: skip


def replay(
    server: Server, tmp_path: Path, found: list[DeadLetter], time: Time | None = None
) -> tuple[Replayed, set[bytes]]:
    box = DeadLetterBox(tmp_path)
    time = time or Time()
    run = Replay(
        cast(Elastic, server), box, clock=time, repair=lambda document: document,
        patience_seconds=60.0, pause=time.pause,
    )  # fmt: skip
    with box.locked():
        result = asyncio.run(run.run(iter(found)))
    return result, box.cleared()


def test_too_large_a_request_is_halved(tmp_path: Path) -> None:
    """413 halves the batch down to one document, which alone is refused."""
    too_large = ErrorReply(413, "", "too large")
    server = Server(too_large, {}, too_large, {}, too_large)
    result, cleared = replay(server, tmp_path, letters("abcd"))
    assert server.sent == [list("abcd"), list("ab"), list("cd"), ["c"], ["d"]]
    assert (result.delivered, result.refused.total, result.left) == (3, 1, 0)
    assert cleared == {b"a", b"b", b"c"}


def test_a_request_that_is_refused_whole_is_bisected(tmp_path: Path) -> None:
    """400 for the whole request costs the one document that causes it."""
    bad = ErrorReply(400, "illegal_argument_exception", "malformed")
    server = Server(bad, bad, {}, {})
    result, cleared = replay(server, tmp_path, letters("abc"))
    assert server.sent == [list("abc"), ["a", "b"], ["a"], ["b"], ["c"]]
    assert (result.delivered, result.refused.total) == (3, 0)
    assert cleared == {b"a", b"b", b"c"}


def test_no_permission_ends_it_at_once(tmp_path: Path) -> None:
    """401 is not tried again; nothing is cleared and everything is left, later batches, too."""
    server = Server(ErrorReply(401, "security_exception", "no such key"))
    many = letters([f"{n:04}" for n in range(1200)])
    result, cleared = replay(server, tmp_path, many)
    assert len(server.sent) == 1
    assert (result.left, result.trouble) == (1200, "HTTP 401 security_exception: no such key")
    assert cleared == set()
    assert not result.is_complete


def test_pauses_grow_until_patience_ends(tmp_path: Path) -> None:
    """Without progress pauses double up to ten seconds, and end after a minute."""
    time = Time()
    result, _ = replay(Server(ConnectionFailed("refused")), tmp_path, letters("a"), time)
    assert time.pauses[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert 60 <= time.now <= 70
    assert (result.left, result.trouble) == (1, "refused")


def test_progress_renews_patience(tmp_path: Path) -> None:
    """As long as something is stored now and then, it goes on; Retry-After is honoured."""
    time = Time()
    busy = ErrorReply(503, "", "busy", retry_after_seconds=45.0)
    server = Server(busy, {"b": 429, "c": 429}, busy, {"c": 429}, busy, {})
    result, cleared = replay(server, tmp_path, letters("abc"), time)
    assert (result.delivered, result.trouble) == (3, "")
    assert time.pauses == [45.0, 0.5, 45.0, 0.5, 45.0]
    assert cleared == {b"a", b"b", b"c"}


def test_no_wish_of_the_server_outlasts_patience(tmp_path: Path) -> None:
    """A Retry-After of an hour does not hang the command for an hour."""
    time = Time()
    busy = ErrorReply(503, "", "busy", retry_after_seconds=3600.0)
    result, _ = replay(Server(busy), tmp_path, letters("a"), time)
    assert (time.pauses, result.left) == ([60.0], 1)


def test_each_outcome_is_counted(tmp_path: Path) -> None:
    """Stored, there before, refused: each document counts once, and two kinds are cleared."""
    result, cleared = replay(Server({"b": 409, "c": 400}), tmp_path, letters("abc"))
    assert (result.delivered, result.already_there, result.refused.total) == (1, 1, 1)
    assert result.refused.kinds == {("type_400", "why"): (1, "logs/c")}
    assert cleared == {b"a", b"b"}


def test_batches_are_bounded_by_bytes(tmp_path: Path) -> None:
    """Large documents go in requests of about five megabytes, each document once."""
    server = Server({})
    result, _ = replay(server, tmp_path, letters("abcde", size=2 << 20))
    assert server.sent == [["a", "b"], ["c", "d"], ["e"]]
    assert result.delivered == 5


def test_reasons_are_bounded() -> None:
    """Reasons that quote values do not fill memory: the first hundred kinds are kept."""
    reasons = Reasons()
    for letter in letters([str(number) for number in range(300)]):
        reasons.add(letter, Refusal(0, 400, "t", f"value [{letter.id}]"))
        reasons.add(letter, Refusal(0, 400, "t", "value [0]"))
    assert reasons.total == 600
    assert len(reasons.kinds) == 100
    assert reasons.kinds["t", "value [0]"] == (301, "logs/0")
