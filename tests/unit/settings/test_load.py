from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from logship.settings.load import load_settings
from logship.settings.model import ProcessorSettings, Settings, SourceSettings
from tests.unit.settings.conftest import Load


def source(text: str, load: Load) -> SourceSettings:
    return load(f"sources:\n  - {text}\n").settings.sources[0]


def test_what_is_not_given_has_the_defaults_of_the_model(load: Load) -> None:
    """A file with one path gives the model's own defaults."""
    settings = load("sources: [{name: app, paths: /var/log/app.log}]").settings
    expected = Settings(sources=(SourceSettings("app", ("/var/log/app.log",)),))
    assert settings == expected


def test_values_become_what_the_model_holds(load: Load) -> None:
    """Sizes are bytes, durations seconds, lists tuples, words as they are meant."""
    settings = load(
        "agent: {id: 7}\n"
        "index: {timezone: Europe/Berlin, template: false, shards: 3, accept_past: 90d}\n"
        "delivery: {batch_bytes: 64KiB, batch_age: 500ms, rejected: drop, ids: none}\n"
        "elasticsearch: {hosts: 'localhost:9200', compression: false, timeout: 1m30s}\n"
        "log: {level: debug}\n"
        "state_dir: state\n"
        "sources: {paths: a.log}\n"
    ).settings
    assert settings.agent.id == "7"
    assert settings.index.timezone == "Europe/Berlin"
    assert settings.index.template is False
    assert settings.index.shards == 3
    assert settings.index.accept_past_seconds == 90 * 86_400.0
    assert settings.delivery.batch_bytes == 65_536
    assert settings.delivery.batch_age_seconds == 0.5
    assert settings.delivery.rejected == "drop"
    assert settings.delivery.ids == "none"
    assert settings.elasticsearch.hosts == ("http://localhost:9200",)
    assert settings.elasticsearch.compression is False
    assert settings.elasticsearch.timeout_seconds == 90.0
    assert settings.log.level == "DEBUG"


def test_null_is_the_same_as_not_given(load: Load) -> None:
    """What has no default may be written as null, and so may sections and lists."""
    text = (
        "agent: {id: null}\nindex: {accept_past: }\nlog:\nprocessors:\nstate_dir: null\n"
        "sources: [{name: null, service: ~, fields: , processors: , paths: /app.log}]\n"
    )
    assert load(text).settings == load("sources: [{paths: /app.log}]").settings


def test_relative_paths_are_below_the_working_directory(load: Load, tmp_path: Path) -> None:
    """Globs and paths are absolute, whatever the file said."""
    settings = load(
        "state_dir: state\nsources: [{paths: [logs/*.log, ./a.log, ../b.log, ~/c.log, /d.log]}]"
    ).settings
    assert settings.state_dir == tmp_path / "state"
    assert settings.sources[0].paths == (
        f"{tmp_path}/logs/*.log",
        f"{tmp_path}/a.log",
        f"{tmp_path.parent}/b.log",
        "/home/ada/c.log",
        "/d.log",
    )


def test_a_working_directory_is_no_glob(tmp_path: Path) -> None:
    """Brackets in the working directory's own name stand for themselves."""
    folder = tmp_path / "[old]"
    folder.mkdir()
    (folder / "logship.yaml").write_text("sources: {paths: a.log}")
    loaded = load_settings(Path("logship.yaml"), environment={}, working_dir=folder)
    assert loaded.settings.sources[0].paths == (f"{tmp_path}/[[]old]/a.log",)


def test_excluded_names_have_no_folder(load: Load, tmp_path: Path) -> None:
    """A pattern without a slash is about names, the others are paths."""
    text = "{paths: a.log, exclude: ['*.gz', 'old/*']}"
    assert source(text, load).exclude == ("*.gz", f"{tmp_path}/old/*")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/log/api/*.log", "api"),
        ("app.log", "app"),
        ("/var/log/app-*.log", "app"),
        ("/var/log/api/**/*.log", "api"),
        ("/var/log/containers/*_prod_*.log", "containers"),
        ("/srv/my app/[ab]*.log", "my-app"),
        ("/srv/.hidden", "hidden"),
        ("/*.log", "files"),
    ],
)
def test_a_source_is_named_after_its_first_path(path: str, expected: str, load: Load) -> None:
    """The name is what stays the same in the path: the file's, else the nearest folder's."""
    assert source(f"{{paths: ['{path}', /other.log]}}", load).name == expected


def test_derived_names_are_unique(load: Load) -> None:
    """A name that is taken, by derivation or on purpose, gets a number."""
    text = "sources: [{paths: a/app.log}, {paths: b/app.log}, {name: app-2, paths: c}]"
    names = [source.name for source in load(text).settings.sources]
    assert names == ["app", "app-3", "app-2"]


def test_service_is_shorthand_for_a_field(load: Load) -> None:
    """The service is one of the fields, beside others."""
    text = "{paths: a.log, service: api, fields: {environment: production}}"
    assert source(text, load).fields == {"environment": "production", "service": "api"}


def test_fields_hold_whatever_a_document_can(load: Load) -> None:
    """Scalars keep their types; lists and mappings may nest; keys are texts."""
    text = "{paths: a.log, fields: {200: 1, b: 1.5, c: [x, {d: true}], e.f: null, g: '1', h: no}}"
    expected = {
        "200": 1,
        "b": 1.5,
        "c": ["x", {"d": True}],
        "e.f": None,
        "g": "1",
        "h": "no",
    }
    assert source(text, load).fields == expected


def test_processors_keep_their_order_and_place(load: Load) -> None:
    """Every entry is a verb with its options and says where it stands."""
    text = (
        "processors:\n  - add_host:\n  - add_fields: {a: 1}\n"
        "sources: [{paths: a.log, processors: add_host}]\n"
    )
    settings = load(text).settings
    assert settings.processors == (
        ProcessorSettings("add_host", {}, "logship.yaml:2:5"),
        ProcessorSettings("add_fields", {"a": 1}, "logship.yaml:3:5"),
    )
    assert [entry.verb for entry in settings.sources[0].processors] == ["add_host"]


def test_variables_take_part_as_if_written(load: Load) -> None:
    """A variable has the type that its text has, also in quotes, where that is needed."""
    settings = load(
        "index: {shards: '${SHARDS}', template: '${TEMPLATE:-false}', name: '${APP}-%Y'}\n"
        "delivery: {batch_age: '${AGE}'}\n"
        "sources: [{paths: '${DIR:-/var/log}/*.log', fields: {a: '$${APP}', b: '${SHARDS}'}}]\n",
        {"SHARDS": "2", "APP": "shop", "AGE": "2s", "DIR": ""},
    ).settings
    assert settings.index.shards == 2
    assert settings.index.template is False
    assert settings.index.name == "shop-%Y"
    assert settings.delivery.batch_age_seconds == 2.0
    assert settings.sources[0].paths == ("/var/log/*.log",)
    assert settings.sources[0].fields == {"a": "${APP}", "b": "2"}


def test_a_variable_cannot_change_the_structure(load: Load) -> None:
    """What a variable holds is one scalar, whatever it looks like in YAML."""
    settings = load("agent:\n  id: ${ID}\nsources: {paths: a}", {"ID": "a\nlog: {level: ERROR}"})
    assert settings.settings.agent.id == "a\nlog: {level: ERROR}"
    assert settings.settings.log.level == "INFO"


def test_anchors_and_merges(load: Load) -> None:
    """What several sources share can be written once; what a source says itself counts."""
    text = (
        "sources:\n"
        "  - &common {name: a, paths: a.log, format: json, start_at: end}\n"
        "  - {<<: *common, name: b, format: text}\n"
    )
    first, second = load(text).settings.sources
    assert second == replace(first, name="b", format="text")


@pytest.mark.parametrize(
    ("user_id", "environment", "expected"),
    [
        (0, {}, "/var/lib/logship"),
        (1000, {}, "/home/ada/.local/state/logship"),
        (1000, {"XDG_STATE_HOME": "/home/ada/.state"}, "/home/ada/.state/logship"),
        (1000, {"XDG_STATE_HOME": "relative"}, "/home/ada/.local/state/logship"),
        (1000, {"LOGSHIP_STATE_DIR": "/srv/state"}, "/srv/state"),
    ],
)
def test_the_state_folder_depends_on_the_user(
    user_id: int, environment: dict[str, str], expected: str, load: Load
) -> None:
    """Root keeps state for the machine, everyone else in their own home."""
    loaded = load("sources: {paths: a}", environment, user_id=user_id)
    assert loaded.settings.state_dir == Path(expected)


def test_a_byte_order_mark_and_other_line_ends_are_no_matter(load: Load) -> None:
    """Files from Windows editors load as well."""
    loaded = load(b"\xef\xbb\xbfsources:\r\n  - paths: /a.log\r\n")
    assert loaded.settings.sources[0].paths == ("/a.log",)
