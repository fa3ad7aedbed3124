"""Which templates of others decide what logship's indices are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from logship.elastic import Elastic
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template, template_name
from logship.sinks.index_names import example_pattern

__all__ = ["do_overlap", "overriding"]

_WANTED = ",".join(
    f"index_templates.{part}"
    for part in (
        "name",
        "index_template.index_patterns",
        "index_template.priority",
        "index_template.data_stream",
    )
)


async def overriding(elastic: Elastic, index: IndexSettings) -> list[str]:
    """Return a sentence for each template that wins against logship's own.

    Raises:
        ElasticError: The server does not list its templates.
    """
    reply = await elastic.request("GET", "/_index_template", params={"filter_path": _WANTED})
    found = reply.json()
    ours = index_template(index)
    pattern = index.data_stream or example_pattern(index.name)
    said = []
    for entry in found.get("index_templates", []) if isinstance(found, dict) else []:
        name, other = entry.get("name"), entry.get("index_template") or {}
        patterns = [one for one in other.get("index_patterns", []) if do_overlap(one, pattern)]
        priority = int(other.get("priority") or 0)
        if name == template_name(index) or not patterns or priority < ours["priority"]:
            continue
        said.append(_sentence(str(name), patterns[0], priority, other, ours))
    return said


def _sentence(
    name: str, pattern: str, priority: int, other: dict[str, Any], ours: dict[str, Any]
) -> str:
    is_stream, ours_is = "data_stream" in other, "data_stream" in ours
    what = "mappings and settings of new indices come from it"
    if is_stream and not ours_is:
        what = "records would go to data streams of it instead of indices"
    elif ours_is and not is_stream:
        what = "an index is made of it instead of a data stream"
    return (
        f"The index template {name} ({pattern}, priority {priority}) wins against logship's own "
        f"(priority {ours['priority']}): {what}. Lower its priority or change index.name."
    )


@lru_cache(maxsize=1 << 16)
def do_overlap(one: str, other: str) -> bool:
    """Whether there is a name that both patterns match; ``*`` is any text, also none."""
    if not one or not other:
        return not (one or other).strip("*")
    if one[0] == "*":
        return do_overlap(one[1:], other) or do_overlap(one, other[1:])
    if other[0] == "*":
        return do_overlap(one, other[1:]) or do_overlap(one[1:], other)
    return one[0] == other[0] and do_overlap(one[1:], other[1:])
