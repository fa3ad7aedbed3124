from __future__ import annotations

from typing import Any

import pytest

from logship.processors import AddFields, compile_processors
from logship.processors.add_host import add_host
from logship.settings.model import ProcessorSettings


def test_fields_of_a_source_give_way() -> None:
    """What a record says itself is kept where fields do not overwrite."""
    process = AddFields({"service": "api", "team": "core"}, overwrites=False)
    assert process({"service": "own"}) == {"service": "own", "team": "core"}


def test_the_processor_overwrites() -> None:
    """``add_fields`` sets its fields whatever a record has."""
    (process,) = compile_processors([ProcessorSettings("add_fields", {"service": "api"})])
    assert process({"service": "own", "a": 1}) == {"service": "api", "a": 1}


@pytest.mark.parametrize("overwrites", [True, False])
def test_nothing_is_shared_between_records(overwrites: bool) -> None:
    """A record may be changed after it got its fields, and no other record sees it."""
    settings: dict[str, Any] = {"tags": ["web"], "labels": {"a": [1]}}
    process = AddFields(settings, overwrites=overwrites)
    first, second = process({}), process({})
    assert first is not None
    assert second is not None
    first["tags"].append("cut")
    first["labels"]["a"].append(2)
    assert second == process({}) == {"tags": ["web"], "labels": {"a": [1]}}
    assert settings == {"tags": ["web"], "labels": {"a": [1]}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host": "edge-1"}, {"host.name": "edge-1"}),
        ({"service": {"name": "api", "version": "1"}},
         {"service": "api", "extra": {"service_version": "1"}}),
        ({"tags": "web"}, {"tags": ["web"]}),
        ({"level": "info"}, {"level": "INFO"}),
        ({"extra": "x"}, {"extra": {"extra": "x"}}),
        ({"service": None}, {}),
        ({"environment": {"name": "x"}}, {"extra": {"environment_name": "x"}}),
    ],
)  # fmt: skip
def test_settings_cannot_bring_a_shape_that_is_refused(
    fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    """What is added comes out as it would from a record."""
    assert AddFields(fields)({}) == expected


def test_add_host_says_more_of_the_machine() -> None:
    """Architecture and system are added as texts, and a record's own words win."""
    process = add_host({})
    record = process({"host.os.type": "plan9"})
    assert record is not None
    assert record.keys() == {"host.architecture", "host.os.type", "host.os.kernel"}
    assert record["host.os.type"] == "plan9"
    assert all(isinstance(value, str) and value for value in record.values())
