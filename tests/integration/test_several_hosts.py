"""Several hosts of one cluster: all of them are used, and one that is gone costs little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.agent import AgentThread, quick_settings
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until

RECORDS = 3000


@pytest.fixture
def hosts() -> Iterator[list[ElasticFake]]:
    """Three hosts that listen; each remembers what it was given."""
    fakes = [ElasticFake().start() for _ in range(3)]
    yield fakes
    for fake in fakes:
        fake.close()


def agent(hosts: list[ElasticFake], folder: Path, timeout_seconds: float = 5.0) -> AgentThread:
    """Return an agent that has begun to ship numbered lines in small batches."""
    settings = quick_settings(
        hosts[0].url, [folder / "app.log"], folder / "state", delivery={"batch_records": 50}
    )
    elastic = replace(
        settings.elasticsearch,
        hosts=tuple(fake.url for fake in hosts),
        timeout_seconds=timeout_seconds,
    )
    lines = "".join(f'{{"message":"line {number}"}}\n' for number in range(RECORDS))
    (folder / "app.log").write_text(lines)
    return AgentThread(replace(settings, elasticsearch=elastic))


def stored(hosts: list[ElasticFake]) -> Counter[str]:
    return Counter(
        document["message"] for fake in hosts for document in list(fake.documents.values())
    )


def all_stored_once(hosts: list[ElasticFake], seconds: float = 15.0) -> None:
    expected = Counter(f"line {number}" for number in range(RECORDS))
    wait_until(lambda: stored(hosts) == expected, lambda: stored(hosts).total(), seconds=seconds)


def test_in_turns(hosts: list[ElasticFake], tmp_path: Path) -> None:
    """Each host gets about as many requests as any other."""
    with agent(hosts, tmp_path):
        all_stored_once(hosts)
    bulks = [fake.bulks for fake in hosts]
    assert sum(bulks) == RECORDS / 50
    assert max(bulks) - min(bulks) <= 4


@pytest.mark.parametrize("gone", [(0,), (1, 2)])
def test_hosts_that_are_gone(
    hosts: list[ElasticFake], tmp_path: Path, gone: tuple[int, ...]
) -> None:
    """What is there takes everything, and what comes back takes its part again."""
    for number in gone:
        hosts[number].stop()
    with agent(hosts, tmp_path) as running:
        all_stored_once(hosts)
        for number in gone:
            hosts[number].start()
        with (tmp_path / "app.log").open("a") as file:

            def all_are_used() -> bool:
                file.write('{"message":"more"}\n')
                file.flush()
                return all(hosts[number].bulks for number in gone)

            wait_until(all_are_used, lambda: [fake.bulks for fake in hosts])
        assert running.agent.delivery is not None
        assert running.agent.delivery.trouble == ""


def test_host_that_hangs(hosts: list[ElasticFake], tmp_path: Path) -> None:
    """While one host answers nothing the others go on; what it was given goes to them."""
    hosts[1].fault = "hang"
    with agent(hosts, tmp_path, timeout_seconds=0.5):
        all_stored_once([hosts[0], hosts[2]])
    assert hosts[1].bulks < 20
