from __future__ import annotations

import pytest

from logship.settings.load import Override
from tests.unit.settings.conftest import Load, Mistakes

SOURCES = "sources: [{paths: /app.log}]\n"


def test_the_environment_beats_the_file_and_a_flag_beats_both(load: Load) -> None:
    """Of three values the one closest to the user holds, and what gave way is told."""
    text = f"log: {{level: INFO}}\nstate_dir: /file\n{SOURCES}"
    loaded = load(
        text, {"LOGSHIP_STATE_DIR": "/variable"}, [Override("state_dir", "/flag", "--state-dir")]
    )
    assert str(loaded.settings.state_dir) == "/flag"
    assert loaded.settings.log.level == "INFO"
    assert loaded.overridden == ("state_dir from --state-dir",)
    loaded = load(text, {"LOGSHIP_STATE_DIR": "/variable"})
    assert str(loaded.settings.state_dir) == "/variable"
    assert loaded.overridden == ("state_dir from LOGSHIP_STATE_DIR",)


def test_every_variable(load: Load) -> None:
    """Each variable gives its setting; nothing of the file gave way, so nothing is told."""
    loaded = load(
        SOURCES,
        {
            "LOGSHIP_ES_URL": "http://a:9200,b:9200",
            "LOGSHIP_ES_USERNAME": "ada",
            "LOGSHIP_ES_PASSWORD": "p w",
            "LOGSHIP_AGENT_ID": "17",
            "LOGSHIP_SERVICE": "api",
            "LOGSHIP_INDEX": "api-%Y.%m",
        },
    )
    settings = loaded.settings
    assert settings.elasticsearch.hosts == ("http://a:9200", "http://b:9200")
    assert settings.elasticsearch.username == "ada"
    assert settings.elasticsearch.password == "p w"
    assert settings.agent.id == "17"
    assert settings.sources[0].fields == {"service": "api"}
    assert settings.index.name == "api-%Y.%m"
    assert loaded.overridden == ()


def test_paths_alone_are_enough(load: Load) -> None:
    """Without a file, one variable makes one source of all its globs."""
    loaded = load(None, {"LOGSHIP_PATHS": "/var/log/api/*.log:/a.log,b.log"})
    (source,) = loaded.settings.sources
    assert source.name == "api"
    assert source.paths[:2] == ("/var/log/api/*.log", "/a.log")
    assert source.paths[2].endswith("/b.log")
    assert loaded.path is None


@pytest.mark.parametrize("text", ["", "log: {level: DEBUG}\n", "sources: []\n"])
def test_paths_help_out_a_file_without_sources(text: str, load: Load) -> None:
    """A file may leave its sources to the variable."""
    loaded = load(text, {"LOGSHIP_PATHS": "/a.log"})
    assert loaded.settings.sources[0].paths == ("/a.log",)


def test_paths_do_not_replace_the_sources_of_a_file(load: Load) -> None:
    """Where the file has sources the variable is not used, and that is told."""
    loaded = load(SOURCES, {"LOGSHIP_PATHS": "/a.log"})
    assert loaded.settings.sources[0].paths == ("/app.log",)
    assert loaded.unused == ("LOGSHIP_PATHS, because sources are given",)


def test_the_service_is_that_of_every_source(load: Load) -> None:
    """The variable replaces what sources of the file say, however they say it."""
    text = "sources: [{paths: a}, {paths: b, service: x}, {paths: c, fields: {service: y, k: z}}]"
    loaded = load(text, {"LOGSHIP_SERVICE": "api"})
    fields = [source.fields for source in loaded.settings.sources]
    assert fields == [{"service": "api"}, {"service": "api"}, {"k": "z", "service": "api"}]
    assert loaded.overridden == (
        "sources[1].service from LOGSHIP_SERVICE",
        "sources[2].service from LOGSHIP_SERVICE",
    )


def test_a_flag_names_the_service_of_its_own_source(load: Load) -> None:
    """The variable does not reach over a flag."""
    given = [Override("sources", [{"paths": ["/a"], "service": "flag"}], "logship ship")]
    loaded = load(None, {"LOGSHIP_SERVICE": "variable"}, given)
    assert loaded.settings.sources[0].fields == {"service": "flag"}


def test_credentials_from_outside_replace_those_of_the_file(load: Load) -> None:
    """An API key from the environment sets aside whatever way the file has."""
    text = f"elasticsearch: {{username: u, password_file: /absent}}\n{SOURCES}"
    loaded = load(text, {"LOGSHIP_ES_API_KEY": "abc"})
    assert loaded.settings.elasticsearch.api_key == "abc"
    assert loaded.settings.elasticsearch.username is None
    assert loaded.overridden == (
        "elasticsearch.username from LOGSHIP_ES_API_KEY",
        "elasticsearch.password_file from LOGSHIP_ES_API_KEY",
    )


def test_hosts_from_outside_replace_a_cloud_id(load: Load) -> None:
    """A URL from the environment is where documents go."""
    text = f"elasticsearch: {{cloud_id: 'n:YSRi'}}\n{SOURCES}"
    loaded = load(text, {"LOGSHIP_ES_URL": "http://a:9200"})
    assert loaded.settings.elasticsearch.cloud_id is None
    assert loaded.settings.elasticsearch.hosts == ("http://a:9200",)
    assert loaded.overridden == ("elasticsearch.cloud_id from LOGSHIP_ES_URL",)


def test_the_same_value_is_no_override(load: Load) -> None:
    """A file that takes its value from the same variable agrees with it."""
    text = f"elasticsearch: {{api_key: '${{LOGSHIP_ES_API_KEY}}'}}\n{SOURCES}"
    loaded = load(text, {"LOGSHIP_ES_API_KEY": "abc"})
    assert loaded.settings.elasticsearch.api_key == "abc"
    assert loaded.overridden == ()


def test_an_empty_variable_counts_as_not_set(load: Load) -> None:
    """Containers pass on empty variables; they change nothing."""
    loaded = load(f"state_dir: /s\n{SOURCES}", {"LOGSHIP_STATE_DIR": "", "LOGSHIP_ES_API_KEY": ""})
    assert str(loaded.settings.state_dir) == "/s"
    assert loaded.settings.elasticsearch.api_key is None


def test_an_empty_variable_inside_of_the_file_leaves_a_secret_out(load: Load) -> None:
    """An optional secret can be written with an empty default."""
    loaded = load(f"elasticsearch: {{api_key: '${{KEY:-}}'}}\n{SOURCES}")
    assert loaded.settings.elasticsearch.api_key is None


def test_a_value_from_outside_is_taken_literally(load: Load) -> None:
    """Variables are looked up in the file only."""
    loaded = load(SOURCES, {"LOGSHIP_ES_USERNAME": "u", "LOGSHIP_ES_PASSWORD": "${X}"})
    assert loaded.settings.elasticsearch.password == "${X}"


def test_a_value_that_gave_way_may_be_wrong(load: Load) -> None:
    """What is not used is not complained about."""
    text = f"state_dir: ${{NOT_SET}}\n{SOURCES}"
    loaded = load(text, overrides=[Override("state_dir", "/s", "--state-dir")])
    assert str(loaded.settings.state_dir) == "/s"


def test_mistakes_from_outside_are_named_after_their_origin(mistakes: Mistakes) -> None:
    """A wrong variable or flag is named itself, after the mistakes of the file."""
    found = mistakes(
        f"index: {{shards: 0}}\n{SOURCES}",
        {"LOGSHIP_ES_URL": "http://a,ftp://b", "LOGSHIP_INDEX": "Logs"},
        [Override("log.level", "loud", "--log-level")],
    )
    assert found == [
        "logship.yaml:1:9: index.shards: 0 is out of range; 1 to 1024 is possible",
        'LOGSHIP_ES_URL: elasticsearch.hosts[1]: "ftp://b" has the unknown scheme "ftp"; '
        "known are http, https",
        'LOGSHIP_INDEX: index.name: "Logs" has upper-case letters; '
        "Elasticsearch takes only lower-case names",
        '--log-level: log.level: unknown level "loud"; known are DEBUG, INFO, WARNING, ERROR',
    ]


def test_two_ways_to_authenticate_from_outside(mistakes: Mistakes) -> None:
    """Variables that contradict one another are refused."""
    variables = {
        "LOGSHIP_ES_API_KEY": "a",
        "LOGSHIP_ES_USERNAME": "u",
        "LOGSHIP_ES_PASSWORD": "p",
    }
    assert mistakes(SOURCES, variables) == [
        "LOGSHIP_ES_USERNAME: elasticsearch.username: api_key is given as well; "
        "keep one way to authenticate"
    ]


def test_a_variable_that_is_no_unicode(mistakes: Mistakes) -> None:
    """Bytes that are not UTF-8 are refused before they reach a document."""
    assert mistakes(SOURCES, {"LOGSHIP_AGENT_ID": "a\udcff"}) == [
        "LOGSHIP_AGENT_ID: agent.id: is not valid UTF-8"
    ]
