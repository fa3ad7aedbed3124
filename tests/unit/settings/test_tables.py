from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from logship.parsers.multiline_presets import PRESETS
from logship.settings.json_schema import json_schema
from logship.settings.kinds import Choice, Number, Size, Time
from logship.settings.model import Settings
from logship.settings.processors import LATER_VERBS, VERBS
from logship.settings.sections import Section
from logship.settings.tables import SECTIONS
from logship.settings.units import format_duration, format_size
from tests.unit.settings.conftest import Load, Mistakes

CONFIG = Path(__file__).parents[3] / "config"
ALL_KEYS = [
    pytest.param(section, key, id=f"{path}.{key.name}")
    for path, section in SECTIONS.items()
    for key in section.keys
]


@pytest.mark.parametrize("path", SECTIONS)
def test_the_tables_and_the_model_name_the_same_settings(path: str) -> None:
    """Every attribute of the model has one key, and every key an attribute."""
    section = SECTIONS[path]
    keys = [key.attribute for key in section.keys if not key.stands_for]
    assert sorted(keys) == sorted(attribute.name for attribute in fields(section.model))
    stand_ins = {key.stands_for for key in section.keys if key.stands_for}
    assert stand_ins <= set(keys)


@pytest.mark.parametrize(("section", "key"), ALL_KEYS)
def test_defaults_are_possible_values(section: Section, key: Any) -> None:
    """A default lies within the bounds of its own setting."""
    default = section.default(key)
    if isinstance(key.kind, (Number, Size, Time)) and default is not None:
        assert key.kind.minimum <= default <= key.kind.maximum
    if isinstance(key.kind, Choice) and not isinstance(default, (bool, type(None))):
        assert default in key.kind.words


@pytest.mark.parametrize(("section", "key"), ALL_KEYS)
def test_every_setting_is_explained(section: Section, key: Any) -> None:
    """The explanation is one sentence."""
    assert key.doc.endswith(".")


def bounded() -> list[Any]:
    return [
        pytest.param(path, key, id=f"{path}.{key.name}")
        for path, section in SECTIONS.items()
        for key in section.keys
        if isinstance(key.kind, (Number, Size, Time))
    ]


@pytest.mark.parametrize(("path", "key"), bounded())
def test_bounds_hold(path: str, key: Any, load: Load, mistakes: Mistakes) -> None:
    """Both bounds of every number are possible, and what is beyond them is not."""
    shown = format_duration if isinstance(key.kind, Time) else str
    step = 0.001 if isinstance(key.kind, Time) else 1

    def text(value: float) -> str:
        roomy = "buffer_bytes: 64GiB"
        own = f"{key.name}: {shown(value)}"
        source = "sources: [{paths: a, max_line_bytes: 64}]\n"
        if path == "":
            return f"{own}\n{source}"
        if path == "sources[].multiline":
            return f"sources: [{{paths: a, multiline: {{preset: java, {own}}}}}]\n"
        if path == "sources[]":
            return f"sources: [{{paths: a, {own}}}]\ndelivery: {{{roomy}}}\n"
        if key.name == "buffer_bytes":
            return f"delivery: {{batch_bytes: 1KiB, {own}}}\n{source}"
        if key.name == "batch_bytes":
            return f"delivery: {{{roomy}, {own}}}\n{source}"
        return f"{path}: {{{own}}}\n{source}"

    load(text(key.kind.minimum))
    load(text(key.kind.maximum))
    beyond = [key.kind.maximum + step]
    if key.kind.minimum > 0:
        beyond.append(key.kind.minimum - step)
    for value in beyond:
        (mistake,) = mistakes(text(value))
        assert f"{key.name}: {shown(value)} is out of range" in mistake


def test_the_full_example_is_the_defaults(load: Load) -> None:
    """config/logship.yaml loads as it is, and every value in it is the default."""
    settings = load((CONFIG / "logship.yaml").read_text()).settings
    (source,) = settings.sources
    expected = Settings(sources=(type(source)("app", ("/var/log/app/*.log",)),))
    assert settings == expected


def test_the_full_example_has_every_setting() -> None:
    """Nothing that works is missing from config/logship.yaml."""
    document = yaml.safe_load((CONFIG / "logship.yaml").read_text())
    for path, section in SECTIONS.items():
        if path == "sources[].multiline":
            text = (CONFIG / "logship.yaml").read_text()
            assert [key.name for key in section.keys if key.name not in text] == []
            continue
        if path.endswith("[]"):
            (shown,) = document[path[:-2]]
        else:
            shown = document[path] if path else document
        assert list(shown) != []
        assert {key.name for key in section.keys} == set(shown)


def test_the_full_example_explains_every_processor() -> None:
    """Each verb that works has its line."""
    text = (CONFIG / "logship.yaml").read_text()
    assert [verb for verb in VERBS if f"- {verb}:" not in text] == []


def test_the_minimal_example_loads(load: Load) -> None:
    """config/minimal.yaml is enough to run, and takes its server from the environment."""
    text = (CONFIG / "minimal.yaml").read_text()
    settings = load(text, {"ELASTICSEARCH_URL": "es:9200"}).settings
    assert settings.elasticsearch.hosts == ("http://es:9200",)
    assert settings.sources[0].paths == ("/var/log/app/*.log",)
    assert settings.sources[0].name == "app"
    assert settings.sources[0].fields == {"service": "app"}
    assert load(text).settings.elasticsearch == Settings().elasticsearch


def test_the_schema_has_every_setting_with_its_default() -> None:
    """Editors complete what the loader knows, and show the model's defaults."""
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(schema["properties"]) == [key.name for key in SECTIONS[""].keys]
    delivery = schema["properties"]["delivery"]["properties"]
    assert delivery["batch_bytes"]["default"] == format_size(Settings().delivery.batch_bytes)
    assert delivery["batch_age"]["default"] == "1s"
    assert delivery["rejected"]["anyOf"][0] == {"enum": ["dead_letter", "drop"]}
    source = schema["properties"]["sources"]["anyOf"][0]["items"]
    assert source["required"] == ["paths"]
    assert source["additionalProperties"] is False
    assert "default" not in source["properties"]["paths"]


def test_the_schema_explains_every_key() -> None:
    """Every property has a description."""

    def walk(schema: Any, path: str) -> list[str]:
        if isinstance(schema, list):
            return [found for item in schema for found in walk(item, path)]
        if not isinstance(schema, dict):
            return []
        found = []
        for name, child in schema.get("properties", {}).items():
            if "description" not in child:
                found.append(f"{path}.{name}")
            found += walk(child, f"{path}.{name}")
        for key in ("anyOf", "items"):
            found += walk(schema.get(key), path)
        return found

    assert walk(json_schema(), "") == []


def test_no_verb_is_both_known_and_for_later() -> None:
    """A verb that works is not refused."""
    assert not set(VERBS) & set(LATER_VERBS)
    for section in SECTIONS.values():
        assert not {key.name for key in section.keys} & set(section.later)


def test_multiline_presets_are_those_there_are() -> None:
    """The settings know each preset of the parsers, and no other."""
    (preset,) = [key for key in SECTIONS["sources[].multiline"].keys if key.name == "preset"]
    assert set(preset.kind.words) == set(PRESETS)
