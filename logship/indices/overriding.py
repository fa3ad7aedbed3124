"""Which templates of others decide what logship's indices are."""

from __future__ import annotations

import re
from typing import Any

from logship.elastic import Elastic
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template, template_name
from logship.sinks.index_names import IndexNames

__all__ = ["does_match", "overriding"]

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

    Of names that hold fields only an example is looked at: one service among many may well
    have a template of its own.

    Raises:
        ElasticError: The server does not list its templates.
    """
    reply = await elastic.request("GET", "/_index_template", params={"filter_path": _WANTED})
    found = reply.json()
    ours = index_template(index)
    example = IndexNames.of(index).example()
    said = []
    for entry in found.get("index_templates", []) if isinstance(found, dict) else []:
        name, other = entry.get("name"), entry.get("index_template") or {}
        patterns = [one for one in other.get("index_patterns", []) if does_match(one, example)]
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


def does_match(pattern: str, name: str) -> bool:
    """Whether a template with *pattern* is for *name*; ``*`` is any text, also none."""
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(expression, name, re.DOTALL) is not None
