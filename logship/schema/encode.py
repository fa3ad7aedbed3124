"""Records become JSON, whatever they hold."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

__all__ = ["as_text", "encode_record", "safe_text"]

MAX_DEPTH = 20  # what Elasticsearch's mapping takes
_OPTIONS = orjson.OPT_NON_STR_KEYS


def encode_record(record: object) -> bytes:
    """Return *record* as one line of JSON.

    Never raises: what JSON cannot carry becomes text (objects by ``str``, numbers beyond
    64 bits, keys that are not text), NaN and infinities become null. What is nested too deeply
    for the encoder (254 levels) becomes text, whole, at the 20th level; what contains itself
    ends where it begins again.
    """
    try:
        return orjson.dumps(record, default=_readable, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(_plain(record, 0, set()))


def as_text(value: object) -> str:
    """Return *value* as a person would read it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else encode_record(value).decode()


def safe_text(value: object) -> str:
    """Return ``str(value)``, also for objects whose ``__str__`` raises."""
    try:
        text = str(value)
    except Exception as error:  # anything an application's __str__ may do
        text = f"<{type(value).__name__} whose str() raised {type(error).__name__}>"
    return text.encode("utf-8", "replace").decode()


def _readable(value: object) -> Any:
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, float):  # a subclass, as numpy has
        return float(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return bytes(value).decode("utf-8", "replace")
        except ValueError:  # a released memoryview
            return safe_text(value)
    return safe_text(value)


def _big(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # longer than Python turns into decimal digits
        return hex(number)


def _plain(value: Any, depth: int, above: set[int]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else _big(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, (dict, list, tuple, set, frozenset)):
        return _plain(_readable(value), depth, above)
    if id(value) in above or depth >= MAX_DEPTH:
        return "…" if id(value) in above else _deep_text(value)
    above.add(id(value))
    try:
        if isinstance(value, dict):
            return {safe_text(k): _plain(v, depth + 1, above) for k, v in value.items()}
        return [_plain(item, depth + 1, above) for item in value]
    except Exception:  # a class of the application's own that only looks like a container
        return safe_text(value)
    finally:
        above.discard(id(value))


def _deep_text(value: object) -> str:
    """Return *value*, which may be nested some 900 levels deep, as JSON, else as Python does."""
    try:
        text = json.dumps(value, default=_readable, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return safe_text(value)
    return text.encode("utf-8", "replace").decode()
