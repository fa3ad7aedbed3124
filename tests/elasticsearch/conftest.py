"""One server of each kind for the whole run, and names that no other test uses."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.elasticsearch.client import Client
from tests.support.node import NodeProcess
from tests.support.real_elasticsearch import RealElasticsearch, missing, unwanted

RUN = f"logship-test-{secrets.token_hex(3)}"


def real_version() -> int:
    """Which major version is asked for."""
    return int(os.environ.get("LOGSHIP_TEST_ES_MAJOR") or 8)


def need_real_elasticsearch(version: int) -> None:
    """Skip the test where a real server is not asked for, fail it where one cannot be had."""
    if why := unwanted():
        pytest.skip(why)
    if why := missing(version):
        pytest.fail(why) if os.environ.get("LOGSHIP_TEST_REAL_ES") == "1" else pytest.skip(why)


VERSION, LEFT_OUT = pytest.StashKey[str](), pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a real server where none is wanted: one line in the end says so.

    And what is true of one major version only, where another is asked for.
    """
    left_out = [item for item in items if item.get_closest_marker("real_es")]
    if not unwanted():
        is_other = real_version() != 8
        left_out = [item for item in left_out if is_other and item.get_closest_marker("only_8")]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)
    if unwanted():
        config.stash[LEFT_OUT] = len(left_out)


@pytest.fixture(scope="session")
def real_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a real Elasticsearch answers."""
    given = os.environ.get("LOGSHIP_TEST_ES_URL")
    if given:
        request.config.stash[VERSION] = version_of(given)
        yield given
        tidy(given)
        return
    need_real_elasticsearch(real_version())
    with RealElasticsearch(real_version()) as server:
        request.config.stash[VERSION] = version_of(server.url)
        yield server.url


def version_of(url: str) -> str:
    """Ask a server for its version."""
    with Client(url) as client:
        return str(client.request("GET", "/").json["version"]["number"])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which real server was tested against, or why none was."""
    if left_out := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"left out {left_out} tests: {unwanted()}")
    if VERSION in config.stash:
        terminalreporter.write_line(f"tested against Elasticsearch {config.stash[VERSION]}")


def tidy(url: str) -> None:
    """Delete what this run has made on a server that is not its own."""
    with Client(url) as client:
        indices = client.request("GET", f"/_cat/indices/{RUN}*?format=json&h=index").json
        for index in indices:
            client.request("DELETE", f"/{quote(index['index'])}")
        found = client.request("GET", f"/_index_template/*{RUN}*")
        for template in found.json.get("index_templates", []):
            client.request("DELETE", f"/_index_template/{quote(template['name'])}")


@pytest.fixture(scope="session")
def node_url() -> Iterator[str]:
    """Where the embedded node answers."""
    with NodeProcess() as node:
        yield node.url


@pytest.fixture
def name() -> str:
    """The name of an index, or the beginning of several, that this test alone uses."""
    return f"{RUN}-{secrets.token_hex(4)}"
