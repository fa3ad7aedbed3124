"""The real server that other tests rely on survives being killed."""

from __future__ import annotations

import pytest

from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.support.real_elasticsearch import RealElasticsearch

pytestmark = [pytest.mark.real_es, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _needed() -> None:
    need_real_elasticsearch(real_version())


def test_kill_and_restart() -> None:
    """What was acknowledged is there after SIGKILL and a restart, at the same address."""
    with RealElasticsearch(real_version()) as server:
        with server.client() as client:
            assert client.create("kept", [{"n": 1}, {"n": 2}])[0]["status"] == 201
        server.kill()
        server.restart()
        with server.client() as client:
            assert client.ids("kept", {"match_all": {}}) == ["0", "1"]
            again = client.create("kept", [{"n": 1}])
        assert again[0]["status"] == 409
