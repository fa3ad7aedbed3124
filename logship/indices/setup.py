"""What ``logship setup`` does: the index template, and what retention needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from logship.elastic import Elastic
from logship.errors import ElasticError, ErrorReply
from logship.indices.keeper import set_lifecycle
from logship.indices.listing import expired, list_indices, path_of
from logship.indices.overriding import overriding
from logship.settings.model import IndexSettings, Settings
from logship.settings.units import format_duration
from logship.sinks.elasticsearch.template import (
    index_template,
    lifecycle,
    put_some_template,
    template_name,
)

__all__ = ["Planned", "Step", "is_in_place", "plan", "set_up"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A request that would be sent."""

    method: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What was done, or not: one sentence.

    Attributes:
        is_trouble: Whether a person should look at it.
    """

    text: str
    is_trouble: bool = False


def plan(settings: Settings) -> list[Planned]:
    """Return the requests that change anything, in order."""
    index = settings.index
    planned = []
    if index.template:
        path = f"/_index_template{path_of(template_name(index))}"
        planned.append(Planned("PUT", path, index_template(index, settings.schema)))
    if index.data_stream is not None and index.retention_seconds is not None:
        path = f"/_data_stream{path_of(index.data_stream)}/_lifecycle"
        planned.append(Planned("PUT", path, dict(lifecycle(index.retention_seconds))))
    return planned


async def set_up(elastic: Elastic, settings: Settings, now: datetime) -> AsyncIterator[Step]:
    """Do it, step by step; the same again changes nothing.

    Raises:
        ElasticError: The server cannot be reached, or refuses the template.
    """
    if settings.index.template:
        async for step in _template(elastic, settings):
            yield step
    else:
        yield Step("index template: left alone (index.template is false)")
    yield await _retention(elastic, settings, now)


async def is_in_place(elastic: Elastic, index: IndexSettings) -> bool:
    """Whether the server has the template, in any version.

    Raises:
        ElasticError: It does not say.
    """
    found = await _stored(elastic, template_name(index))
    return isinstance(found, dict) and bool(found.get("index_templates"))


async def _template(elastic: Elastic, settings: Settings) -> AsyncIterator[Step]:
    index = settings.index
    name = template_name(index)
    before = await _stored(elastic, name)
    put = await put_some_template(elastic, index, settings.schema)
    after = await _stored(elastic, name)
    what = "created" if before is None else "unchanged" if before == after else "updated"
    details = f"for {', '.join(put['index_patterns'])}, priority {put['priority']}"
    yield Step(f"index template {name}: {what}, {details}, schema {settings.schema}")
    try:
        for sentence in await overriding(elastic, index):
            yield Step(sentence, is_trouble=True)
    except ElasticError as error:
        yield Step(f"other templates cannot be listed ({error})", is_trouble=True)


async def _stored(elastic: Elastic, name: str) -> object:
    """The template as the server keeps it; None when it has none."""
    try:
        return (await elastic.request("GET", f"/_index_template{path_of(name)}")).json()
    except ErrorReply as error:
        if error.status == 404:
            return None
        raise


async def _retention(elastic: Elastic, settings: Settings, now: datetime) -> Step:
    index = settings.index
    if index.retention_seconds is None:
        return Step("retention: none (index.retention is not given); nothing is ever deleted")
    age = format_duration(index.retention_seconds)
    try:
        if index.data_stream is None:
            old = expired(await list_indices(elastic, index), index.retention_seconds, now)
            which = f": {', '.join(row.name for row in old)}" if 0 < len(old) <= 10 else ""
            return Step(
                f"retention {age}: the agent deletes older indices once a day; now "
                f"{len(old)} would go{which}"
            )
        if await set_lifecycle(elastic, index):
            return Step(f"retention {age}: set in the lifecycle of {index.data_stream}")
        return Step(f"retention {age}: in the template; there is no {index.data_stream} yet")
    except ElasticError as error:
        text = f"retention {age}: cannot be set or looked at ({error})"
        if index.data_stream is not None:
            text += "; delete old indices by other means where the server has no lifecycles"
        return Step(text, is_trouble=True)
