"""Records and queries that both servers and the predicate are held to."""

from __future__ import annotations

from typing import Any

__all__ = ["LUCENE", "MAPPED", "QUERIES", "RECORDS"]

RECORDS: list[dict[str, Any]] = [
    {"level": "ERROR", "service": "api", "message": "Payment failed for order-7: card declined"},
    {"level": "error", "service": "api", "message": "payment FAILED", "status": 502},
    {
        "level": "INFO",
        "service": "api",
        "message": "GET /health 200",
        "status": 200,
        "path": "/health",
    },
    {
        "level": "INFO",
        "service": "web",
        "message": "GET /index.html 404",
        "status": 404,
        "path": "/index.html",
    },
    {"level": "WARNING", "service": "web", "message": "slow request", "duration_ms": 1250.5},
    {"level": "WARN", "service": "worker", "message": "retry 3 of 5", "duration_ms": 999},
    {"level": "CRITICAL", "service": "worker", "message": "out of memory"},
    {"level": "FATAL", "service": "db", "message": "disk full: /var/lib/db"},
    {"level": "DEBUG", "service": "db", "message": "query took 12 ms", "duration_ms": 12},
    {"level": "TRACE", "service": "db", "message": "enter", "tags": ["a", "b"]},
    {"level": "NOTICE", "service": "api", "message": "config reloaded", "tags": ["config"]},
    {"service": "api", "message": "no level at all", "user_id": "u-1"},
    {"level": "INFO", "service": "API", "message": "upper case service", "user_id": "u-2"},
    {"level": "INFO", "service": "api-gateway", "message": "Verbindung geschlossen: größer ÄÖÜ"},
    {"level": "INFO", "service": "api", "message": "日本語 ログ", "user_id": "ü"},
    {"level": "INFO", "service": "api", "message": "user john.doe@example.com logged in"},
    {"level": "INFO", "service": "api", "message": "ip 10.0.0.1 port 8080", "client": "10.0.0.1"},
    {"level": "INFO", "service": "api", "message": "", "empty": ""},
    {
        "level": "ERROR",
        "service": "api",
        "error.type": "ValueError",
        "error.message": "bad value: x",
    },
    {
        "level": "ERROR",
        "service": "api",
        "error": {"type": "KeyError", "message": "missing key id"},
    },
    {
        "level": "ERROR",
        "service": "x",
        "message": "nested",
        "extra": {"order": {"id": 7, "paid": True}},
    },
    {
        "level": "ERROR",
        "service": "x",
        "message": "flat",
        "extra.order.id": 8,
        "extra.order.paid": False,
    },
    {"service": "t", "@timestamp": "2026-11-20T23:59:59.999Z", "message": "before midnight"},
    {"service": "t", "@timestamp": "2026-11-21T00:00:00Z", "message": "midnight"},
    {"service": "t", "@timestamp": "2026-11-21T10:30:00+02:00", "message": "with an offset"},
    {"service": "t", "@timestamp": "2026-11-22T00:00:00Z", "message": "the next day"},
    {"message": "a long path", "path": "/api/v1/orders/7?full=true", "method": "get"},
    {"message": "another", "path": "/api/v2/orders", "method": "POST", "status": 201},
    {"message": 'quotes "here" and \\ there', "path": "C:\\temp\\x", "note": "a*b?c"},
    {
        "message": "many",
        "status": [200, 500],
        "tags": ["b", "c"],
        "items": [{"sku": "a"}, {"sku": "b"}],
    },
    {"message": "negative", "status": -1, "ratio": 0.5, "duration_ms": "fast"},
    {"message": "null and nothing", "user_id": None, "tags": [], "extra": {}},
]

QUERIES = """
*
*:*
payment
PAYMENT failed
"payment failed"
"failed payment"
payment or memory
payment OR memory NOT declined
pay*
*ment
pa?ment
order-7
"order-7"
card declined
/pay.*/
message:payment
message:"GET /health"
message:/(get|retry)/
health
index.html
john.doe@example.com
john
10.0.0.1
8080
größer
GRÖSSER
ÄÖÜ
日本語
日本
ログ
level:ERROR
level:error
level:Err*
level:/err.*/
level:(ERROR or CRITICAL)
level:WARN
level:WARNING
level >= WARNING
level > WARNING
level <= INFO
level < DEBUG
level:[DEBUG TO NOTICE]
level:{DEBUG TO NOTICE}
not level:*
_exists_:level
level:FATAL
service:api
service:API
service:ap*
service:"api"
service:(api or web)
service:api*
service:*i
service:/ap[i\\-]+/
-service:api
not service:api
service:api and not level:INFO
service:api AND (level:ERROR OR message:health)
service:[api TO web]
service >= t
status:200
status:"200"
status:[400 TO 599]
status:{200 TO 404}
status >= 400
status > 404
status < 0
status:-1
status != 200
status:error
status:"not a number"
not status:error
status:error or level:CRITICAL
status:*
not status:*
status >= 400 and not path:"/health"
duration_ms:999
duration_ms:999.0
duration_ms >= 12 and duration_ms < 1000
ratio:0.5
ratio > 0.25
path:/health
path:"/health"
path:"/index.html"
path:\\/api\\/*
path:*orders*
path:"C:\\\\temp\\\\x"
note:"a*b?c"
note:a\\*b\\?c
note:a*c
tags:a
tags:b
tags:(a b)
tags:*
not tags:*
user_id:u-1
user_id:ü
user_id:*
empty:*
empty:""
message:*
not message:*
error.type:ValueError
error.type:KeyError
error.message:value
error.message:"missing key"
extra.order.id:7
extra.order.id >= 7
extra.order.paid:true
extra.order.paid:false
extra.order.paid:""
extra.order.paid:maybe
items.sku:a
client:10.0.0.1
nosuchfield:x
not nosuchfield:x
nosuchfield:*
@timestamp:*
@timestamp >= 2027
@timestamp < 2027
@timestamp > 2025
@timestamp <= 2026
@timestamp > 2026
@timestamp <= 2026-11
@timestamp:2026
@timestamp:2026-11
@timestamp:[2026-10 TO 2026-11]
@timestamp >= 1795257000000
@timestamp:1795219200000
@timestamp >= 2026-11-21
@timestamp > 2026-11-21
@timestamp <= 2026-11-21
@timestamp < 2026-11-21
@timestamp:[2026-11-21 TO 2026-11-21]
@timestamp:{2026-11-20 TO 2026-11-22}
@timestamp:2026-11-21
@timestamp:"2026-11-21T08:30:00Z"
@timestamp >= 2026-11-21T00:00:00Z and @timestamp < 2026-11-22T00:00:00Z
quotes
"quotes here"
here and there
there
_id:3
_id:"3"
-payment -memory level:*
(payment or slow) and not (level:CRITICAL or duration_ms > 2000)
""".strip().splitlines()

# What only an index can know, from its mapping: a predicate sees one record.
MAPPED: dict[str, list[int]] = {
    "method:GET": [26],  # the field has the normalizer "lowercase"
    "method:post": [27],
    "timestamp >= 2026-11-21T08:30:00Z": [24, 25],  # an alias of @timestamp
    "error:*": [18, 19],  # dotted names are below the object
    "extra:*": [20, 21],
    "duration_ms:>1000": [4],  # not the text in that field
}

# Elasticsearch's own syntax, with "message" as the default field and AND as the operator.
LUCENE: dict[str, list[int]] = {
    "payment": [0, 1],
    "payment AND failed": [0, 1],
    "payment failed": [0, 1],
    "+payment -declined": [1],
    "message:(payment OR memory)": [0, 1, 6],
    "level:ERROR AND service:api": [0, 1, 18, 19],
    "status:[400 TO 599]": [1, 3, 29],
    "status:>=400": [1, 3, 29],
    "status:{200 TO 404]": [3, 27],
    "level:err*": [0, 1, 18, 19, 20, 21],
    "service:ap?": [0, 1, 2, 10, 11, 14, 15, 16, 17, 18, 19],
    '"payment failed"': [0, 1],
    "/pay.*/": [0, 1],
    "_exists_:user_id": [11, 12, 14],
    "NOT _exists_:level": [11, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31],
    "@timestamp:[2026-11-21 TO 2026-11-22}": [23, 24],
    'message:"GET /health"': [2],
    "service:api^2 OR payment": [0, 1, 2, 10, 11, 14, 15, 16, 17, 18, 19],
    "\\/health": [2],
    "*": [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
        17,
        20,
        21,
        22,
        23,
        24,
        25,
        26,
        27,
        28,
        29,
        30,
        31,
    ],
}
