from __future__ import annotations

from typing import Any

from logship.schema.flat import SCALARS, TEXTS
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template, template_name


def typed(properties: dict[str, Any], above: str = "") -> set[str]:
    found = set()
    for name, mapping in properties.items():
        if "properties" in mapping:
            found |= typed(mapping["properties"], f"{above}{name}.")
        else:
            found.add(f"{above}{name}")
    return found


def test_every_field_with_a_type_has_its_shape_guarded() -> None:
    """No record can bring an object where the template maps a scalar."""
    mappings = index_template(IndexSettings())["template"]["mappings"]
    by_logship = {"@timestamp", "timestamp", "@ingested", "log.file.path", "log.offset", "extra"}
    by_logship |= {"rescued", "rescued_source"}
    guarded = {*TEXTS, *SCALARS, "level", "tags"}
    assert typed(mappings["properties"]) - by_logship <= guarded


def test_pattern_and_name_follow_the_index_name() -> None:
    """The template captures the names of this pattern, under a name of its own."""
    index = IndexSettings(name="{service}-logs-%Y.%m.%d", shards=3, replicas=0)
    template = index_template(index)
    assert template["index_patterns"] == ["*-logs-*.*.*"]
    assert template["template"]["settings"]["number_of_shards"] == 3
    assert template["template"]["settings"]["number_of_replicas"] == 0
    assert template_name(index) == "logship-logs"
    assert template_name(IndexSettings(name="a-%Y-b")) == "logship-a-b"
