"""What a cluster may keep records out for: nothing is lost, the rest goes on, and it heals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.elasticsearch.client import Client
from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.elasticsearch.shipping import Shipping
from tests.support.agent import AgentProcess
from tests.support.real_elasticsearch import RealElasticsearch
from tests.support.wait import wait_until

pytestmark = [pytest.mark.real_es, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RealElasticsearch]:
    """A server of these tests alone: they change the settings of the whole cluster."""
    need_real_elasticsearch(real_version())
    with RealElasticsearch(real_version()) as server:
        yield server


@pytest.fixture
def client(cluster: RealElasticsearch) -> Iterator[Client]:
    """A client whose changes to the settings of the cluster end with the test."""
    with cluster.client() as one:
        yield one
        changed = one.request("GET", "/_cluster/settings", flat_settings=True).json["persistent"]
        if changed:
            assert one.request(
                "PUT", "/_cluster/settings", {"persistent": dict.fromkeys(changed)}
            ).status == 200  # fmt: skip


class Both:
    """An agent with a source in trouble and another that is well."""

    def __init__(self, server: RealElasticsearch, client: Client, folder: Path, name: str) -> None:
        connection = {"hosts": server.url, "timeout": "10s"}
        self.client = client
        self.shipping = Shipping(folder, client, name, ("troubled", "well"), connection)
        self.troubled, self.well = self.shipping.index("troubled"), self.shipping.index("well")
        self._open = ExitStack()
        self.agent: AgentProcess

    def __enter__(self) -> Both:
        self.agent = self._open.enter_context(self.shipping.start())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._open:
            if kind is None:
                self._end()

    def _end(self) -> None:
        self.agent.signal()
        status = self.agent.wait()
        said = self.agent.stderr
        assert status == 0, said
        assert "dead letters 0, dropped 0, unconfirmed 0" in said
        assert self.shipping.dead_letters() == []

    def create(self, *indices: str) -> None:
        """Create indices with one shard and no copies."""
        for index in indices:
            body = {"settings": {"number_of_replicas": 0}}
            assert self.client.request("PUT", f"/{index}", body).status == 200

    def cluster(self, **settings: object) -> None:
        """Change settings of the cluster; dots are written as two underscores."""
        named = {key.replace("__", "."): value for key, value in settings.items()}
        answer = self.client.request("PUT", "/_cluster/settings", {"persistent": named})
        assert answer.status == 200, answer.body

    def keeps_out(self, said: str) -> None:
        """Write to both: only what is well arrives, and the agent says why the other does not."""
        self.shipping.write("troubled")
        self.shipping.write("well")
        self.shipping.wait_for(self.agent, said)
        self.shipping.write("well")
        self.shipping.arrived(self.agent, "well")
        assert self.shipping.dead_letters() == []

    def heals(self) -> None:
        """See that everything arrives, and more."""
        self.shipping.write("troubled")
        self.shipping.arrived(self.agent, "troubled", "well")


@pytest.fixture
def both(cluster: RealElasticsearch, client: Client, tmp_path: Path, name: str) -> Iterator[Both]:
    """The agent, started before anything is wrong."""
    with Both(cluster, client, tmp_path, name) as one:
        yield one


def test_closed_index(both: Both) -> None:
    """A closed index keeps its own records waiting; opened, it gets them."""
    both.create(both.troubled)
    assert both.client.request("POST", f"/{both.troubled}/_close").status == 200
    both.keeps_out("index_closed_exception")
    assert both.client.request("POST", f"/{both.troubled}/_open").status == 200
    both.heals()


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("read_only_allow_delete", "flood-stage watermark"),
        ("write", "FORBIDDEN/8/index write"),
        ("read_only", "FORBIDDEN/5/index read-only"),
    ],
)
def test_blocked_index(both: Both, block: str, said: str) -> None:
    """An index that a full disk or a person has blocked keeps its own records waiting."""
    both.create(both.troubled)
    path = f"/{both.troubled}/_settings"
    assert both.client.request("PUT", path, {f"index.blocks.{block}": True}).status == 200
    both.keeps_out(said)
    assert both.client.request("PUT", path, {f"index.blocks.{block}": None}).status == 200
    both.heals()


def test_shard_limit(both: Both) -> None:
    """Where no shard may be added, what needs a new index waits; the others go on."""
    both.create(both.well)
    health = both.client.request("GET", "/_cluster/health").json
    both.cluster(cluster__max_shards_per_node=health["active_shards"])
    both.keeps_out("this action would add")
    both.cluster(cluster__max_shards_per_node=None)
    both.heals()


def test_alias_without_write_index(both: Both) -> None:
    """An alias of two indices, of which none is to be written to, keeps its records waiting."""
    both.create(f"{both.troubled}-1", f"{both.troubled}-2")

    def alias(number: int, **options: object) -> dict[str, object]:
        index = f"{both.troubled}-{number}"
        return {"add": {"index": index, "alias": both.troubled, **options}}

    answer = both.client.request("POST", "/_aliases", {"actions": [alias(1), alias(2)]})
    assert answer.status == 200, answer.body
    both.keeps_out("no write index is defined for alias")
    action = alias(2, is_write_index=True)
    assert both.client.request("POST", "/_aliases", {"actions": [action]}).status == 200
    both.heals()


def test_creation_forbidden(both: Both) -> None:
    """Where indices may not be created by writing to them, what needs one waits for it."""
    both.create(both.well)
    both.cluster(action__auto_create_index="-*")
    both.keeps_out("action.auto_create_index")
    both.create(both.troubled)
    both.heals()


@pytest.mark.parametrize("setting", ["read_only", "read_only_allow_delete"])
def test_read_only_cluster(both: Both, setting: str) -> None:
    """A cluster that takes nothing pauses everything, with what to do; it heals by itself."""
    both.create(both.troubled, both.well)
    both.shipping.write("well")
    both.shipping.arrived(both.agent, "well")
    both.cluster(**{f"cluster__blocks__{setting}": True})
    both.shipping.write("troubled")
    both.shipping.write("well")
    both.shipping.wait_for(both.agent, "cluster_block_exception")
    assert "Free disk space there, or lift the block." in both.agent.stderr
    assert both.shipping.dead_letters() == []
    both.cluster(**{f"cluster__blocks__{setting}": None})
    both.heals()
    both.shipping.wait_for(both.agent, "takes records again")


def test_parked_and_restarted(
    cluster: RealElasticsearch, client: Client, tmp_path: Path, name: str
) -> None:
    """What waits for longer is parked in a file; it goes after a restart, once, by its old id."""
    connection = {"hosts": cluster.url, "timeout": "10s"}
    shipping = Shipping(tmp_path, client, name, ["troubled"], connection, held={"after": "300ms"})
    index = shipping.index("troubled")
    body = {"settings": {"number_of_replicas": 0}}
    assert client.request("PUT", f"/{index}", body).status == 200
    assert client.request("POST", f"/{index}/_close").status == 200
    shipping.write("troubled")
    held = tmp_path / "state" / "held"
    with shipping.start() as agent:
        shipping.wait_for(agent, "index_closed_exception")
        wait_until(
            lambda: sum(path.read_bytes().count(b"\n") for path in held.glob("*.ndjson")) >= 20,
            lambda: f"{list(held.glob('*'))}\n{agent.stderr[-3000:]}",
        )
        agent.signal()
        assert agent.wait() == 0, agent.stderr
        assert "unconfirmed 0" in agent.stderr
    assert client.request("POST", f"/{index}/_open").status == 200
    with shipping.start() as agent:
        shipping.arrived(agent, "troubled")
        agent.signal()
        assert agent.wait() == 0, agent.stderr
    assert shipping.dead_letters() == []
