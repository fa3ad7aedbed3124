"""A table of wrong files and exactly what is said about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from logship.errors import Mistake, SettingsError
from logship.settings.load import load_settings
from tests.unit.settings.conftest import Mistakes

SOURCES = "sources: [{paths: /var/log/app.log}]\n"

WHOLE_FILE = [
    (
        "",
        '1:1: sources: is missing; add "sources:" with "- paths: /var/log/app/*.log", '
        "or set LOGSHIP_PATHS",
    ),
    ("- a\n", "1:1: expected a mapping, found a list"),
    ("hello", "1:1: expected a mapping, found a text"),
    ("sources: []\n", "1:1: sources: is empty; at least one is needed"),
    ("a: [b\n", '2:1: not valid YAML: a "{" or "[" that is not closed, or a missing ","'),
    ("log:\n\tlevel: INFO\n", "2:1: not valid YAML: a tab; indent with spaces"),
    (
        "log:\n  level: a: b\n",
        '2:11: not valid YAML: a ":" where none may be; check the indentation, '
        'and put texts with ": " in quotes',
    ),
    ("log: {level: 'x}\n", "1:14: not valid YAML: a quote that is not closed"),
    (
        "a: 1\n---\nb: 2\n",
        '2:1: not valid YAML: a second document ("---"); a settings file has one',
    ),
    (
        "log: {level: ${LEVEL}}\n",
        '1:15: not valid YAML: inside of {} and [] a variable needs quotes: "${NAME}"',
    ),
    (
        "a: @b\n",
        "1:4: not valid YAML: a character that cannot begin a value; put the text in quotes",
    ),
    ("a: \x01\n", "1:4: not valid YAML: a character that may not be there"),
    ('a: "\\U7fffffff"\n', "1:7: not valid YAML: an escape that is no character"),
]

IN_A_FILE = [
    # Keys.
    ("colour: red", "1:1: colour: unknown setting; known are"),
    ("delivry: {}", '1:1: delivry: unknown setting; did you mean "delivery"?'),
    (
        "log:\n  levle: INFO",
        '2:3: log.levle: unknown setting; did you mean "level"?',
    ),
    ("hosts: a", "1:1: hosts: unknown setting here; it belongs under elasticsearch"),
    ("log: {}\nindex: {}\nlog: {}", "3:1: log: given twice, first in line 1"),
    ("index:\n  shards: 1\n  shards: 2", "3:3: index.shards: given twice, first in line 2"),
    ("? [a, b]\n: c", "1:3: a key must be a text"),
    # Types.
    ("log: INFO", "1:1: log: expected a mapping, found a text"),
    ("log: []", "1:1: log: expected a mapping, found a list"),
    ("index: {template: 1}", "1:9: index.template: expected true or false, found a number"),
    (
        "index: {template: yes}",
        '1:9: index.template: expected true or false, found "yes"; did you mean true?',
    ),
    ("index: {shards: two}", "1:9: index.shards: expected a whole number, found a text"),
    ("index: {shards: 1.5}", "1:9: index.shards: expected a whole number, found a number"),
    ("index: {shards: true}", "1:9: index.shards: expected a whole number, found true"),
    ("index: {shards:}", "1:9: index.shards: expected a whole number, found nothing"),
    ("index: {name: [a]}", "1:9: index.name: expected a text, found a list"),
    ('index: {name: " "}', "1:9: index.name: is empty"),
    ("agent: {id: true}", "1:9: agent.id: expected a text, found true"),
    ("agent: {id: !!int 5}", '1:9: agent.id: tags such as "!!int" are not known here;'),
    ("state_dir: {}", "1:1: state_dir: expected a path, found a mapping"),
    ('state_dir: "a\\0b"', "1:1: state_dir: contains a NUL character"),
    ("agent: &a {id: *a}", "1:12: agent.id: contains itself"),
    # Numbers and their units.
    ("index: {shards: 0}", "1:9: index.shards: 0 is out of range; 1 to 1024 is possible"),
    (
        "delivery: {batch_bytes: 1GiB}",
        "1:12: delivery.batch_bytes: 1GiB is out of range; 1KiB to 100MiB is possible",
    ),
    (
        "delivery: {batch_bytes: 5M}",
        '1:12: delivery.batch_bytes: "5M" is no size; write for example 64KiB, 5MiB or 10MB',
    ),
    ("delivery: {batch_bytes: true}", "expected a size such as 5MiB, found true"),
    (
        "elasticsearch: {timeout: 5}",
        '1:17: elasticsearch.timeout: "5" has no unit; add a unit, for example 5s',
    ),
    ("elasticsearch: {timeout: 2h}", "2h is out of range; 100ms to 1h is possible"),
    ("shutdown_timeout: soon", '"soon" is no duration; write for example 500ms, 5s, 1m30s or 90d'),
    ("shutdown_timeout: []", "expected a duration such as 5s, found a list"),
    (
        "delivery: {batch_bytes: 64MiB}",
        "1:12: delivery.batch_bytes: batch_bytes (64MiB) is over buffer_bytes (32MiB)",
    ),
    (
        "delivery: {buffer_bytes: 2MiB}",
        "1:12: delivery.buffer_bytes: batch_bytes (5MiB) is over buffer_bytes (2MiB)",
    ),
    # Words.
    ("log: {format: jsn}", '1:7: log.format: unknown format "jsn"; did you mean "json"?'),
    (
        "log: {level: loud}",
        '1:7: log.level: unknown level "loud"; known are DEBUG, INFO, WARNING, ERROR',
    ),
    ("log: {level: 5}", "expected one of DEBUG, INFO, WARNING, ERROR, found a number"),
    ("elasticsearch: {compression: gzip}", 'unknown compression "gzip"; known are auto'),
    # Where documents go.
    (
        "elasticsearch: {hosts: [a, 'htp://b']}",
        '1:28: elasticsearch.hosts[1]: "htp://b" has the unknown scheme "htp"; '
        'did you mean "http"?',
    ),
    ("elasticsearch: {hosts: []}", "elasticsearch.hosts: is empty; at least one is needed"),
    ("elasticsearch: {cloud_id: x}", '"x" is no cloud id;'),
    (
        "elasticsearch: {hosts: a, cloud_id: 'n:YSRi'}",
        "1:27: elasticsearch.cloud_id: hosts is given as well; keep one of the two",
    ),
    (
        "elasticsearch:\n  api_key: abc\n  username: u\n  password: p",
        "3:3: elasticsearch.username: api_key is given as well; keep one way to authenticate",
    ),
    ("elasticsearch: {username: u}", "username: needs a password or password_file"),
    ("elasticsearch: {password: p}", "elasticsearch.password: needs a username"),
    ("elasticsearch: {client_cert: /dev/null/x}", 'there is no file "/dev/null/x"'),
    ("elasticsearch: {ca_fingerprint: ab}", '"ab" is no SHA-256 fingerprint'),
    ("index: {timezone: Europe/Berlni}", 'zone "Europe/Berlni"; did you mean "Europe/Berlin"?'),
    ("index: {name: Logs}", '"Logs" has upper-case letters'),
    (
        "index: {name: logs-app-%Y.%m.%d}",
        '1:9: index.name: "logs-app-%Y.%m.%d" gives names such as "logs-app-2026.11.21", and '
        "Elastic's own data stream templates (logs-*-*) would capture them; "
        'write for example "app-logs-%Y.%m.%d"',
    ),
    # Variables.
    (
        "agent: {id: '${NOT_SET}'}",
        "1:9: agent.id: the environment variable NOT_SET is not set; "
        "set it, or give a default: ${NOT_SET:-default}",
    ),
    ("agent: {id: 'a${'}", '"${" begins no variable such as ${NAME} or ${NAME:-default}; '),
    # Processors.
    ("processors: [add_hots]", '1:14: processors[0]: unknown processor "add_hots"; did you mean'),
    (
        "processors: [{redact: {}}]",
        '1:15: processors[0]: the processor "redact" is not available in this version of logship',
    ),
    (
        "processors: [{add_host: , when: 'a:b'}]",
        '1:27: processors[0]: "when" is not available in this version of logship',
    ),
    ("processors: [{add_host: {a: b}}]", "processors[0].add_host: takes no options"),
    ("processors: [{add_fields: }]", "processors[0].add_fields: is empty; at least one field"),
    ("processors: [{add_fields: 5}]", "add_fields: expected a mapping, found a number"),
    ("processors: 5", 'processors: expected a processor such as "add_host:", found a number'),
    (
        "processors: [{add_host: , add_fields: {a: b}}]",
        '1:27: processors[0]: "add_fields" is a processor of its own: begin its line with "- "',
    ),
    ("processors: [{add_fields: {'@timestamp': 1}}]", "@timestamp: is set by logship itself"),
]

IN_A_SOURCE = [
    ("format: jsn", '3:5: sources[0].format: unknown format "jsn"; did you mean "json"?'),
    (
        "format: nginx",
        '3:5: sources[0].format: "nginx" is not available in this version of logship',
    ),
    ("type: stdin", 'sources[0].type: "stdin" is not available in this version of logship'),
    (
        "type: spool\n    format: json",
        "4:5: sources[0].format: has no say in a spool: its documents are shipped as they were",
    ),
    ("paths: a", "3:5: sources[0].paths: given twice, first in line 2"),
    ("exclude: ['[a']", '3:15: sources[0].exclude[0]: "[a" has a "[" without "]"'),
    ("exclude: logs/", '"logs/" names a folder; write for example "logs/*.log"'),
    ("exclude: '**.log'", '"**.log" has "**" beside other characters'),
    ("exclude: '{a,b}.log'", '"{a,b}.log" has braces, which globs do not know'),
    ("name: a b", '"a b" is no name; letters, digits and . _ - are possible, at most 100'),
    ("timezone: here", 'unknown time zone "here"'),
    ("fields: {'@ingested': now}", "3:14: sources[0].fields.@ingested: is set by logship itself;"),
    ("fields: {log: {offset: 1}}", "3:20: sources[0].fields.log.offset: is set by logship itself;"),
    ("fields: {log.file: {path: a}}", "sources[0].fields.log.file.path: is set by logship itself;"),
    ("fields: {a..b: 1}", "sources[0].fields.a..b: is no field name;"),
    ("fields: {a: [9223372036854775808]}", "a number that Elasticsearch cannot hold"),
    ("fields: [a]", "sources[0].fields: expected a mapping, found a list"),
    (
        "fields: {service: a}\n    service: b",
        "4:5: sources[0].service: fields.service is given as well; keep one of the two",
    ),
    (
        "max_line_bytes: 64MiB",
        "3:5: sources[0].max_line_bytes: max_line_bytes (64MiB) is over buffer_bytes (32MiB)",
    ),
]


@pytest.mark.parametrize(("text", "expected"), WHOLE_FILE)
def test_a_file_that_is_wrong_as_a_whole(text: str, expected: str, mistakes: Mistakes) -> None:
    """What cannot be read at all is one mistake with its place."""
    assert [f"logship.yaml:{expected}"] == mistakes(text)


@pytest.mark.parametrize(("text", "expected"), IN_A_FILE)
def test_one_wrong_setting(text: str, expected: str, mistakes: Mistakes) -> None:
    """One wrong setting is one mistake that says where, what, and what to do."""
    found = mistakes(f"{text}\n{SOURCES}")
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("logship.yaml:")


@pytest.mark.parametrize(("text", "expected"), IN_A_SOURCE)
def test_one_wrong_setting_of_a_source(text: str, expected: str, mistakes: Mistakes) -> None:
    """Mistakes in a source name it by its number."""
    found = mistakes(f"sources:\n  - paths: /var/log/app.log\n    {text}\n")
    assert len(found) == 1
    assert expected in found[0]


NOT_YET = [
    "workers: 2",
    "monitoring: {}",
    "metrics: []",
    "alerts: {}",
    "delivery: {id_key: a}",
    *(
        f"sources: [{{paths: a, {key}: x}}]"
        for key in (
            "pattern",
            "when",
        )
    ),
]


@pytest.mark.parametrize("text", NOT_YET)
def test_what_a_later_version_will_know_is_not_called_unknown(
    text: str, mistakes: Mistakes
) -> None:
    """A documented setting that this version lacks is refused as just that."""
    found = mistakes(text if text.startswith("sources") else f"{text}\n{SOURCES}")
    assert len(found) == 1
    assert found[0].endswith("this setting is not available in this version of logship")


def test_all_mistakes_at_once_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    """Three mistakes in one file are three lines, from top to bottom."""
    text = (
        "shutdown_timeout: 5\n"
        "sources:\n"
        "  - paths: /var/log/app.log\n"
        "    format: jsn\n"
        "elasticsearch:\n"
        "  hots: a\n"
    )
    assert mistakes(text) == [
        'logship.yaml:1:1: shutdown_timeout: "5" has no unit; add a unit, for example 5s',
        'logship.yaml:4:5: sources[0].format: unknown format "jsn"; did you mean "json"?',
        'logship.yaml:6:3: elasticsearch.hots: unknown setting; did you mean "hosts"?',
    ]


def test_equal_names_of_sources(mistakes: Mistakes) -> None:
    """Names label metrics, so two sources cannot share one."""
    text = "sources:\n  - {name: a, paths: x}\n  - {name: a, paths: y}\n"
    assert mistakes(text) == [
        'logship.yaml:3:6: sources[1].name: "a" is the name of sources[0] too'
    ]


def test_a_source_without_paths(mistakes: Mistakes) -> None:
    """Paths are the one thing a source must have."""
    assert mistakes("sources:\n  - name: a\n") == [
        "logship.yaml:2:5: sources[0].paths: is missing; "
        "name the files to read, for example /var/log/app/*.log"
    ]


def test_a_file_that_is_not_utf_8(mistakes: Mistakes) -> None:
    """The place of the first byte that is no UTF-8 is named."""
    expected = "logship.yaml:2:5: is not UTF-8; save the file as UTF-8"
    assert [expected] == mistakes(b"a: b\nc: d\xff\n")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("absent.yaml", "No such file or directory"), ("folder", "Is a directory")],
)
def test_a_file_that_cannot_be_read(name: str, expected: str, tmp_path: Path) -> None:
    """A file that is not there is named as the user named it."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(SettingsError) as raised:
        load_settings(Path(name), environment={}, working_dir=tmp_path)
    assert [Mistake(name, f"cannot be read: {expected}")] == list(raised.value.mistakes)


def test_nothing_given_at_all(mistakes: Mistakes) -> None:
    """Without a file and without variables the message says every way to begin."""
    assert mistakes(None) == [
        "settings: no settings were given; name a file with -c FILE or LOGSHIP_CONFIG, or the "
        'logs to ship in LOGSHIP_PATHS ("logship ship PATH" needs neither)'
    ]


def test_a_bomb_of_aliases_is_refused(mistakes: Mistakes) -> None:
    """A small file cannot make a large tree."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = mistakes("\n".join([*lines, "sources: {paths: a, fields: {a: *a8}}"]))
    assert found == ["logship.yaml:5:5: a4: its aliases expand to too many values"]


def test_a_message_stays_on_one_line(mistakes: Mistakes) -> None:
    """What is quoted cannot break a line or fill the screen."""
    text = f'"a\\nb": 1\nlog: {{level: "{"x" * 500}\\n"}}\n{SOURCES}'
    found = mistakes(text)
    assert len(found) == 2
    assert all("\n" not in mistake and len(mistake) < 300 for mistake in found)
