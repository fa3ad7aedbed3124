"""``logship check`` and ``logship schema`` as a user sees them."""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from logship.cli import check, schema

Run = Callable[..., int]
HELLO = {"cluster_name": "test", "version": {"number": "8.19.0"}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line in a folder of its own, without settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("LOGSHIP_")]:
        monkeypatch.delenv(name)
    parser = argparse.ArgumentParser(prog="logship")
    subparsers = parser.add_subparsers(required=True)
    check.add_parser(subparsers)
    schema.add_parser(subparsers)

    def run_line(*line: str) -> int:
        arguments = parser.parse_args(line)
        status: int = arguments.run(arguments)
        return status

    return run_line


@contextmanager
def server(status: int, body: bytes, seen: list[str | None] | None = None) -> Iterator[str]:
    """Answers every GET with *status* and *body*; keeps the authorization headers it saw."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if seen is not None:
                seen.append(self.headers["authorization"])
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("x-elastic-product", "Elasticsearch")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()
            thread.join()


def test_how_lines_are_read_is_part_of_the_plan(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Encoding and delimiter are shown where they are not the usual ones."""
    source = '{paths: a.log, encoding: UTF16, delimiter: "\\r\\n"}'
    (tmp_path / "logship.yaml").write_text(f"sources: [{source}, {{paths: b.log}}]\n")
    assert run("check", "-c", "logship.yaml") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if ": file, " in line]
    assert "encoding utf-16, lines end with '\\r\\n'" in lines[0]
    assert "encoding" not in lines[1]


def test_every_mistake_and_their_number(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three mistakes are three lines on stderr and a count; nothing is on stdout."""
    (tmp_path / "logship.yaml").write_text(
        "sources:\n  - paths: a.log\n    format: jsn\nlog: {levle: INFO}\nshutdown_timeout: 5\n"
    )
    assert run("check", "-c", "logship.yaml") == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        'logship.yaml:3:5: sources[0].format: unknown format "jsn"; did you mean "json"?',
        'logship.yaml:4:7: log.levle: unknown setting; did you mean "level"?',
        'logship.yaml:5:1: shutdown_timeout: "5" has no unit; add a unit, for example 5s',
        "3 mistakes",
    ]


def test_one_mistake_is_singular(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any settings the one mistake says how to begin."""
    assert run("check") == 2
    assert "LOGSHIP_CONFIG" in capsys.readouterr().err.splitlines()[0]
    assert run("check", "-c", "absent.yaml") == 2
    assert capsys.readouterr().err.splitlines() == [
        "absent.yaml: cannot be read: No such file or directory",
        "1 mistake",
    ]


def test_the_plan(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Settings without mistakes are shown as what they mean, files counted, secrets left out."""
    for name in ("a.log", "b.log", "b.log.gz", "c.txt"):
        (tmp_path / name).write_text("x\n")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "logship.yaml").write_text(
        "elasticsearch: {hosts: 'https://u:hunter2@es:9200', timeout: 30s}\n"
        "index: {name: 'app-{service}-%Y'}\n"
        "sources: [{paths: ['*.log*', '*.txt'], exclude: '*.gz', service: shop}]\n"
        "processors: [add_host, add_fields: {a: b}]\n"
        "state_dir: old\n"
    )
    monkeypatch.setenv("LOGSHIP_CONFIG", "logship.yaml")
    assert run("check", "--state-dir", "state") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "hunter2" not in output.out
    lines = [" ".join(line.split()) for line in output.out.splitlines()]
    assert "settings logship.yaml" in lines
    assert "state_dir from --state-dir" in lines
    assert "elasticsearch https://es:9200" in lines
    assert "user u, compressed unless local, timeout 30s" in lines
    (index,) = [line for line in lines if line.startswith("index ")]
    assert index.startswith("index app-{service}-%Y, today app-shop-20")
    assert f"{tmp_path}/*.log*: 2 files now" in lines
    assert f"{tmp_path}/*.txt: 1 file now" in lines
    assert "processors add_host, add_fields" in lines
    assert f"state {tmp_path}/state" in lines


def test_a_source_without_files_is_a_warning(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files may come later, so their absence is told and is no mistake."""
    monkeypatch.setenv("LOGSHIP_PATHS", "logs/*.log")
    assert run("check") == 0
    expected = f"warning: no file matches the source logs now: {tmp_path}/logs/*.log\n"
    assert capsys.readouterr().err == expected


def test_the_example_of_a_name_with_fields(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the source or this machine gives stands in it."""
    monkeypatch.setenv("LOGSHIP_NODE_NAME", "Node7")
    (tmp_path / "logship.yaml").write_text(
        "sources: [{paths: app.log, service: api}]\n"
        "index: {name: 'app-{service}-{host.name}-{team}'}\n"
    )
    assert run("check", "-c", "logship.yaml") == 0
    assert "today app-api-node7-unknown (UTC)" in capsys.readouterr().out


def test_certificates_without_tls_are_a_warning(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever gives a certificate is told when nothing will be encrypted."""
    (tmp_path / "app.log").write_text("x\n")
    fingerprint = f"elasticsearch: {{hosts: [%s], ca_fingerprint: {'ab' * 32}}}\n"
    for host, told in (("es:9200", True), ("https://es:9200", False)):
        (tmp_path / "logship.yaml").write_text("sources: [{paths: app.log}]\n" + fingerprint % host)
        assert run("check", "-c", "logship.yaml") == 0
        expected = "elasticsearch.ca_fingerprint has no effect, and nothing is encrypted"
        assert (expected in capsys.readouterr().err) == told


def test_the_plan_of_a_spool(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its folders are what is looked at, and the files in them that a handler named."""
    settings = "sources:\n  - {type: spool, paths: spools/*}\n"
    (tmp_path / "logship.yaml").write_text(settings)
    assert run("check", "-c", "logship.yaml") == 0
    assert "no folder matches the source spools now" in capsys.readouterr().err
    folder = tmp_path / "spools" / "api"
    folder.mkdir(parents=True)
    (folder / "20261121T193000-7-x-0.ndjson").write_text("")
    (folder / "other.ndjson").write_text("")
    assert run("check", "-c", "logship.yaml") == 0
    captured = capsys.readouterr()
    assert "spools: spool\n" in captured.out
    assert f"{tmp_path}/spools/*: 1 file now" in captured.out
    assert captured.err == ""


def test_what_is_no_file_is_a_warning(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder where a file is meant is told by name."""
    (tmp_path / "logs").mkdir()
    monkeypatch.setenv("LOGSHIP_PATHS", "logs")
    assert run("check") == 0
    warning = capsys.readouterr().err.splitlines()[0]
    assert warning.startswith(f"warning: {tmp_path}/logs is left out by the source logs: ")


def test_a_wrong_flag_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flag goes through the same checks as the file."""
    monkeypatch.setenv("LOGSHIP_PATHS", "a.log")
    assert run("check", "--log-level", "loud") == 2
    assert capsys.readouterr().err.startswith('--log-level: log.level: unknown level "loud"')


def test_live_against_a_server(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that answers and files that can be read are told; the credentials were sent."""
    (tmp_path / "a.log").write_text("x\n")
    seen: list[str | None] = []
    with server(200, json.dumps(HELLO).encode(), seen) as url:
        (tmp_path / "logship.yaml").write_text(
            f"elasticsearch: {{hosts: '{url}', api_key: abc}}\nsources: {{paths: '*.log'}}\n"
            "state_dir: state\n"
        )
        assert run("check", "-c", "logship.yaml", "--live") == 0
    output = capsys.readouterr()
    assert f'{url} answers: elasticsearch 8.19.0, cluster "test"\n' in output.out
    assert "1 file can be read\n" in output.out
    assert set(seen) == {"ApiKey abc"}
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, b'{"error": {"type": "security_exception", "reason": "x"}}', "credentials are"),
        (200, b'{"hello": "world"}', "not as Elasticsearch does (no version"),
        (200, b"<html>", "not as Elasticsearch does"),
        (502, b"", "HTTP 502: empty reply; is this the address of Elasticsearch itself?"),
        (
            200,
            b'{"cluster_name": "old", "version": {"number": "7.10.2"}}',
            "version 7.10.2 is too old: 7.17 or newer is needed",
        ),
    ],
)
def test_live_against_a_server_that_does_not_help(
    status: int,
    body: bytes,
    expected: str,
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every way in which a server is of no use has its own words, and the status is 2."""
    (tmp_path / "a.log").write_text("x\n")
    with server(status, body) as url:
        (tmp_path / "logship.yaml").write_text(
            f"elasticsearch: {{hosts: '{url}'}}\nsources: {{paths: '*.log'}}\nstate_dir: state\n"
        )
        assert run("check", "-c", "logship.yaml", "--live") == 2
    problem, count = capsys.readouterr().err.splitlines()
    assert problem.startswith(f"{url}: ")
    assert expected in problem
    assert count == "1 problem"


def test_live_with_a_key_that_may_only_write(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that knows the credentials and says no more is enough."""
    (tmp_path / "a.log").write_text("x\n")
    with server(403, b'{"error": {"type": "security_exception", "reason": "x"}}') as url:
        (tmp_path / "logship.yaml").write_text(
            f"elasticsearch: {{hosts: '{url}'}}\nsources: {{paths: '*.log'}}\nstate_dir: state\n"
        )
        assert run("check", "-c", "logship.yaml", "--live") == 0
    assert f"{url} answers, and knows these credentials\n" in capsys.readouterr().out


def test_live_without_a_server(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of several servers is asked on its own, and a state folder in the way is told."""
    (tmp_path / "a.log").write_text("x\n")
    (tmp_path / "state").write_text("a file")
    with server(200, b"{}") as gone:
        pass
    with server(200, json.dumps(HELLO).encode()) as url:
        (tmp_path / "logship.yaml").write_text(
            f"elasticsearch: {{hosts: ['{url}', '{gone}']}}\nsources: {{paths: '*.log'}}\n"
            "state_dir: state/here\n"
        )
        assert run("check", "-c", "logship.yaml", "--live") == 2
    output = capsys.readouterr()
    assert f"{url} answers" in output.out
    state, unreached, count = output.err.splitlines()
    assert state == f"{tmp_path}/state/here: {tmp_path}/state is no folder"
    assert unreached.startswith(f"{gone}: cannot be reached")
    assert count == "2 problems"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_live_with_a_file_that_cannot_be_read(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without permission is a problem before the agent meets it."""
    (tmp_path / "a.log").touch(mode=0o000)
    with server(200, json.dumps(HELLO).encode()) as url:
        (tmp_path / "logship.yaml").write_text(
            f"elasticsearch: {{hosts: '{url}'}}\nsources: {{paths: '*.log'}}\nstate_dir: state\n"
        )
        assert run("check", "-c", "logship.yaml", "--live") == 2
    assert "a.log: cannot be read: Permission denied" in capsys.readouterr().err


def test_the_schema_is_printed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is JSON, and nothing else is."""
    assert run("schema") == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["title"] == "Settings of logship"
    assert output.err == ""


@pytest.mark.parametrize("command", ["check", "schema"])
def test_help_has_examples(command: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Help says what the command does and shows how it is used."""
    with pytest.raises(SystemExit) as ended:
        run(command, "--help")
    assert ended.value.code == 0
    assert f"\nexamples:\n  logship {command}" in capsys.readouterr().out


def test_a_file_of_two_sources_is_told(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its lines would be stored twice, which nobody wants."""
    (tmp_path / "app.log").write_text("one\n")
    settings = tmp_path / "a.yaml"
    settings.write_text("sources: [{name: one, paths: [app.log]}, {name: all, paths: ['*.log']}]\n")
    assert run("check", "-c", str(settings)) == 0
    assert "app.log belongs to the sources one and all" in capsys.readouterr().err


def test_the_host_id_is_shown_with_its_origin(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What goes into document ids can be compared between machines before it matters."""
    settings = tmp_path / "a.yaml"
    settings.write_text("agent: {id: web-7}\nsources: [{paths: [/nowhere/*.log]}]\n")
    assert run("check", "-c", str(settings)) == 0
    assert "host id        web-7 (from agent.id)" in capsys.readouterr().out
