"""Queries over records in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from logship.errors import QueryError
from logship.query import compile_predicate, parse

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)

RECORD: dict[str, Any] = {
    "@timestamp": "2026-11-21T11:30:00.250Z",
    "level": "ERROR",
    "service": "payment-api",
    "message": "Payment of 12.50 EUR failed: connection refused by host db-1.example.com",
    "status": 503,
    "duration_ms": "1250.5",
    "url": "http://shop/cart?id=7",
    "path": "/cart",
    "user": {"id": "u1", "roles": ["admin", "buyer"], "address": {"city": "Köln"}},
    "http.request": {"method": "POST"},
    "error.type": "ConnectionError",
    "error": {"stack_trace": "Traceback\n  File x\nConnectionError: refused"},
    "ok": False,
    "retries": 0,
    "nothing": None,
    "empty": [],
    "hollow": {"inner": None},
    "items": [{"sku": "a1"}, {"sku": "b2"}, {"other": 1}],
    "version": "1.10",
}


def matches(text: str, record: dict[str, Any] | None = None, **options: Any) -> bool:
    predicate = compile_predicate(parse(text), now=lambda: NOW, **options)
    return predicate(RECORD if record is None else record)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "payment",
        "PAYMENT refused",
        '"connection refused"',
        '"Connection REFUSED by"',
        "db-1.example.com",
        "12.50",
        "pay*",
        "conn?ction",
        "/pay.*/",
        "level:error",
        "level:ERR*",
        "level >= WARNING",
        "level:[warn TO fatal]",
        "level < critical",
        "service:payment-api",
        "service:pay*",
        "service:*api",
        "status:503",
        "status:503.0",
        "status:5*",
        "status:[500 TO 599]",
        "status >= 500 and status < 504",
        "status:>99",
        "duration_ms:>1000",
        "duration_ms:1250.5",
        "retries:0",
        "retries <= 0",
        "ok:false",
        "url:http://shop/cart?id=7",
        r"url:http\://shop/cart\?id=7",
        "path:/cart",
        "path:/.c.*/",
        "user.id:u1",
        "user.roles:buyer",
        "user.address.city:Köln",
        "http.request.method:POST",
        "error.type:ConnectionError",
        "error.stack_trace:traceback",
        "items.sku:b2",
        "_exists_:user",
        "user:*",
        "user.roles:*",
        "not nothing:*",
        "not empty:*",
        "not hollow:*",
        "not absent:*",
        "not absent:5",
        "@timestamp:>now-1h",
        "@timestamp >= 2026-11-21",
        "@timestamp:[2026-11-21 TO 2026-11-21]",
        "@timestamp:2026-11-21",
        "@timestamp >= 2026-11-21T12:30:00.250+01:00",
        "@timestamp <= 2026-11-21T11:30",
        "@timestamp < 1795300000000",
        "@timestamp:>=now/d",
        "version:>1.09",
        "absent:x or level:ERROR",
        "level:(INFO OR ERROR) -service:web",
    ],
)
def test_matches(text: str) -> None:
    """The record is found by each of these."""
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "=",
        "paymen",
        '"refused connection"',
        "payment absent",
        "level:ERRO",
        "level > error",
        "level:[DEBUG TO WARNING]",
        "service:Payment-API",
        "service:payment",
        "service:PAY*",
        "status:50",
        "status:>503",
        "status:{503 TO 600]",
        "status:[400 TO 503}",
        "status:>abc",
        "ok:0",
        "ok:true",
        "retries:false",
        "version:1.1",
        "user:u1",
        "user.id:U1",
        "nothing:*",
        "nothing:None",
        "empty:*",
        "hollow:*",
        "hollow.inner:*",
        "absent:<5",
        "@timestamp:>now-10m",
        "@timestamp > 2026-11-21",
        "@timestamp < 2026-11-21",
        "@timestamp < 2026-11-21T11:30",
        "@timestamp:[2026-11-20 TO 2026-11-20]",
        "error.message:refused",
        "level:ERROR AND absent:x",
        "not level:error",
    ],
)
def test_does_not_match(text: str) -> None:
    """The record is found by none of these."""
    assert not matches(text)


def test_a_word_with_parts_in_or_mode() -> None:
    """With a default of OR, one part of a compound word is enough."""
    record = {"message": "order 9"}
    assert compile_predicate(parse("order-7", default_operator="or"))(record)
    assert not compile_predicate(parse("order-7"))(record)


def test_zone_of_times_without_one() -> None:
    """A day in a query is the day of the zone that was asked for."""
    record = {"@timestamp": "2026-11-20T23:30:00Z"}
    berlin = timezone(timedelta(hours=1))
    assert matches("@timestamp:2026-11-21", record, zone=berlin)
    assert not matches("@timestamp:2026-11-21", record)


def test_now_moves_with_the_clock() -> None:
    """A predicate that lives long asks what time it is for each record."""
    times = iter([NOW, NOW + timedelta(hours=2)])
    clock = {"now": next(times)}
    predicate = compile_predicate(parse("@timestamp:>now-1h"), now=lambda: clock["now"])
    assert predicate(RECORD)
    clock["now"] = next(times)
    assert not predicate(RECORD)


def test_epoch_times_in_records() -> None:
    """Milliseconds since 1970 are times as well."""
    assert matches("@timestamp:2026-11-21", {"@timestamp": 1795257000000})
    assert matches("@timestamp >= 2026-11-21T11:30Z", {"@timestamp": NOW})


def test_several_default_fields() -> None:
    """A bare word is looked for in each of the default fields."""
    assert matches("connectionerror", default_fields=("message", "error.type"))
    assert not matches("connectionerror")


def test_bad_regular_expression() -> None:
    """An expression that cannot be read is a mistake in the query, with its position."""
    with pytest.raises(QueryError, match="regular expression") as caught:
        compile_predicate(parse("a path:/(b+/"))
    assert caught.value.position == 2


def test_hostile_values_raise_nothing() -> None:
    """Whatever sits in a record, asking about it is safe."""
    for value in ({}, [], [[]], [None], object(), b"\xff", float("nan"), "", "9" * 400, -1, True):
        for text in ("f:5", "f:>5", "f:a*", "f:[a TO b]", "@timestamp:>now", "level >= INFO", "x"):
            field = "level" if text[0] == "l" else text[0] if text[0] == "f" else "@timestamp"
            matches(text, {field: value, "message": value})
