from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, cast

import pytest

from logship.elastic import Elastic, Reply
from logship.errors import ConnectionFailed, ElasticError, ErrorReply
from logship.sinks.elasticsearch.version import confirm_version


class Server:
    """Answers ``GET /`` with one answer after the other; the last one stays."""

    urls = ("http://one:9200",)

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def request(self, method: str, path: str, **_: object) -> Reply:
        assert (method, path) == ("GET", "/")
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, ElasticError):
            raise answer
        return Reply(200, {}, answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def numbered(number: str, **more: str) -> dict[str, Any]:
    return {"version": {"number": number, **more}}


def confirm(server: Server) -> tuple[list[str], list[float]]:
    """Confirm and return what was said, and the pauses."""
    said: list[str] = []
    pauses: list[float] = []

    async def pause_for(seconds: float) -> None:
        pauses.append(seconds)

    elastic = cast(Elastic, server)
    asyncio.run(confirm_version(elastic, said.append, pause_for=pause_for))
    return said, pauses


@pytest.mark.parametrize(
    "answer",
    [
        numbered("7.17.0"),
        numbered("8.0.0"),
        numbered("8.19.21"),
        numbered("9.5.3-SNAPSHOT"),
        numbered("2.19.0", distribution="opensearch"),
        ErrorReply(403, "security_exception", "no right"),
        ErrorReply(404, "", "not found"),
        ConnectionFailed("refused"),
        {"acknowledged": True},
        numbered("nonsense"),
        ["other"],
        {"version": 8},
        b"<html>",
    ],
)
def test_taken_as_it_is(answer: object, caplog: pytest.LogCaptureFixture) -> None:
    """New enough, another product, or not saying what it is: nothing is said, nothing waits."""
    server = Server(answer)
    assert confirm(server) == ([], [])
    assert (server.asked, caplog.text) == (1, "")


def test_too_old(caplog: pytest.LogCaptureFixture) -> None:
    """An old server gets one clear line, and is looked at again until it is a new one."""
    caplog.set_level(logging.INFO)
    server = Server(*[numbered("7.16.3")] * 12, numbered("8.19.0"))
    said, pauses = confirm(server)
    problem = "version 7.16.3 is too old: 7.17 or newer is needed"
    assert said == [problem] * 12 + [""]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.5, 5.0)
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"Elasticsearch at http://one:9200: {problem}. Nothing is dropped")
    assert last == "Elasticsearch at http://one:9200 is new enough now."


def test_newer_than_known(caplog: pytest.LogCaptureFixture) -> None:
    """A server newer than what was tested is used, with a warning."""
    assert confirm(Server(numbered("10.0.1"))) == ([], [])
    (record,) = caplog.records
    assert "has version 10.0.1" in record.getMessage()
