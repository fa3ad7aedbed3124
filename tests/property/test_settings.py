"""Settings under any text: they load, or say where they are wrong."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from logship.errors import Mistake, SettingsError
from logship.settings.layers import ENVIRONMENT
from logship.settings.load import Loaded, load_settings
from logship.settings.model import Settings
from logship.settings.processors import LATER_VERBS, VERBS
from logship.settings.tables import SECTIONS
from logship.settings.tree import resolve_plain
from logship.settings.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from logship.settings.variables import substitute

POSITION = re.compile(r"logship\.yaml:[1-9]\d*:[1-9]\d*\Z")
KEYS = sorted(
    {key.name for section in SECTIONS.values() for key in section.keys}
    | {name for section in SECTIONS.values() for name in section.later}
    | {*VERBS, *LATER_VERBS, "unknown", "<<", ""}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["5s", "5MiB", "json", "file", "UTC", "localhost:9200", "/var/log/*.log", "${X}", "logs-%Y"]
    ),
)
TREES = st.recursive(
    SCALARS,
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.dictionaries(st.sampled_from(KEYS), children, max_size=5),
    ),
    max_leaves=20,
)
WHOLE_SOURCES = st.just([{"paths": "/app.log"}])
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        key.name: st.one_of(
            TREES,
            WHOLE_SOURCES if key.name == "sources" else TREES,
            st.dictionaries(
                st.sampled_from([k.name for k in SECTIONS[name].keys]), TREES, max_size=6
            ),
        )
        for key in SECTIONS[""].keys
        for name in [key.name if key.name in SECTIONS else "sources[]"]
    },
)


def load(text: str, environment: Mapping[str, str] | None = None) -> Loaded:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "logship.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return load_settings(
            Path("logship.yaml"), environment=environment or {}, working_dir=Path(folder)
        )


def mistakes_in(text: str, environment: Mapping[str, str] | None = None) -> Sequence[Mistake]:
    """None for settings that load; those are whole."""
    try:
        loaded = load(text, environment)
    except SettingsError as error:
        return error.mistakes
    assert isinstance(loaded.settings, Settings)
    assert loaded.settings.sources
    return ()


def refusal_of(parse: Callable[[str], float], text: str) -> str:
    """Why *text* is refused; empty when it is not."""
    try:
        parse(text)
    except ValueError as problem:
        return str(problem)
    return ""


def loads_or_says_where(text: str) -> None:
    for mistake in mistakes_in(text):
        assert POSITION.match(mistake.where)
        assert mistake.what
        assert "\n" not in str(mistake)
        assert str(mistake).encode()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
@example("a: &a [*a]")
@example("? ? ?")
@example("a: !<tag:yaml.org,2002:str> b")
@example('"\\ud800": "\\udfff"')
@example("\x85: \u2028")
@example("%YAML 9.9\n---\n")
@example("- " * 2000)
@example("[" * 5000)
@example("a: " + "9" * 5000)
@example("sources: {paths: ['\x00']}")
@example("&a a: *a")
@example("a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000)))
@example("<<: [*a]")
@example("sources: &s {paths: a, <<: *s}")
def test_any_text_loads_or_says_where_it_is_wrong(text: str) -> None:
    """No text crashes the loader, and every mistake has a line and a column."""
    loads_or_says_where(text)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS)
def test_any_tree_loads_or_says_where_it_is_wrong(document: Any) -> None:
    """The same for files that are well-formed and wrong in what they say."""
    loads_or_says_where(yaml.safe_dump(document, allow_unicode=True))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from([*ENVIRONMENT, "LOGSHIP_SERVICE", "LOGSHIP_PATHS"]), st.text(), max_size=4
    ),
    DOCUMENTS,
)
def test_any_environment_loads_or_is_named(
    environment: dict[str, str], document: dict[str, Any]
) -> None:
    """A mistake is placed in the file or named after a variable that is set."""
    for mistake in mistakes_in(yaml.safe_dump(document, allow_unicode=True), environment):
        assert POSITION.match(mistake.where) or mistake.where in environment


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_sizes_survive_being_written(size: int) -> None:
    """A size that is shown and read back is the same."""
    assert parse_size(format_size(size)) == size


@given(st.integers(min_value=0, max_value=10**12))
def test_durations_survive_being_written(milliseconds: int) -> None:
    """A duration that is shown and read back is the same."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text())
def test_sizes_and_durations_are_read_or_refused(text: str) -> None:
    """No text makes a negative size, or an error other than ValueError."""
    for parse in (parse_size, parse_duration):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert value >= 0


@given(st.text())
def test_text_without_references_is_left_alone(text: str) -> None:
    """Escaped, any text comes out as it was; nothing is looked up."""
    escaped = text.replace("${", "$${")
    if "$${" in text:
        return
    assert substitute(escaped, {}) == (text, False)


@given(st.text(), st.dictionaries(st.sampled_from(["A", "B"]), st.text()))
def test_values_are_put_in_once(text: str, environment: dict[str, str]) -> None:
    """What a variable holds is not read for variables again."""
    value, found = substitute("${A:-}" + text.replace("$", ""), environment)
    assert found
    assert value == environment.get("A", "") + text.replace("$", "")


@given(st.text())
def test_plain_scalars_mean_what_they_say(text: str) -> None:
    """Numbers and booleans are only what reads back as them."""
    value = resolve_plain(text)
    if isinstance(value, bool):
        assert text.lower() == str(value).lower()
    elif isinstance(value, (int, float)):
        assert float(text) == float(value)
    elif value is not None:
        assert value == text


@given(
    st.from_regex(f"\\A(?:{SIZE_PATTERN})\\Z")
    | st.text(alphabet="0123456789.KMGTikmgtB ", max_size=6)
)
def test_the_schema_takes_the_sizes_that_the_loader_takes(text: str) -> None:
    """Editors and the loader agree on what a size is, but for fractions of bytes."""
    refusal = refusal_of(parse_size, text)
    is_size = re.fullmatch(SIZE_PATTERN, text) is not None
    assert is_size == (not refusal or "whole number" in refusal)


@given(
    st.from_regex(f"\\A(?:{DURATION_PATTERN})\\Z") | st.text(alphabet="0123456789.dhms", max_size=6)
)
def test_the_schema_takes_the_durations_that_the_loader_takes(text: str) -> None:
    """Editors and the loader agree on what a duration with a unit is; 0 needs none."""
    is_duration = re.fullmatch(DURATION_PATTERN, text) is not None
    is_zero = re.fullmatch(r"[0.]*0[0.]*", text) is not None
    assert is_duration or is_zero or refusal_of(parse_duration, text)
    assert not is_duration or not refusal_of(parse_duration, text)
