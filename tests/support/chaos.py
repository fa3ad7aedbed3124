"""Whole agents against a proxy that misbehaves: one seed decides everything that happens."""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol

from tests.elasticsearch.client import Client
from tests.support.agent import AgentProcess
from tests.support.faults import Fault, Key, random_faults
from tests.support.proxy import Proxy
from tests.support.wait import wait_until

__all__ = [
    "POISON",
    "Killable",
    "Schedule",
    "Shared",
    "fetch",
    "play",
    "play_with_crashes",
    "verdict",
    "write_records",
]

FIRST = datetime(2026, 11, 19, 22, tzinfo=UTC)
WHOLE_SECONDS = 180.0
TEXTS = ("", "größer \u2028 日本", 'quotes " and \\ and \t', "x" * 700, "line\nbreak", "}}\n{{")
POISON = b"poisoned"
_ENDED_WELL = re.compile(
    r"(0: .* held 0, dead letters 0|3: .* held 0, dead letters [1-9]\d*), dropped 0, unconfirmed 0"
)
_NUMBER = re.compile(r"(?:poisoned )?record (\d+)")


@dataclass(frozen=True)
class Schedule:
    """What *seed* decides.

    Attributes:
        faults: For the bulk requests, in order; then all is well.
        others: For the requests before them.
        kills: After so many more requests the agent is killed and started again.
        settings: Of elasticsearch and delivery.
        odd: Whether some records conflict with the mapping, and some are refused for good.
    """

    seed: int
    records: int
    faults: tuple[Fault, ...]
    others: tuple[Fault, ...]
    kills: tuple[int, ...]
    settings: dict[str, dict[str, Any]]
    odd: bool

    @classmethod
    def of(cls, seed: int, records: int) -> Schedule:
        """Return the schedule of *seed* for so many records."""
        chooser = random.Random(seed)
        delivery = {
            "batch_records": max(1, records // chooser.randint(8, 40)),
            "batch_age": "50ms",
            "max_in_flight": chooser.randint(1, 4),
            "batch_bytes": chooser.choice(("64KiB", "5MiB")),
            "buffer_bytes": chooser.choice(("5MiB", "32MiB")),
        }
        elasticsearch = {"timeout": "2s", "compression": chooser.random() < 0.5}
        refused = Fault("status", chooser.choice((401, 429, 503)))
        return cls(
            seed,
            records,
            faults=tuple(random_faults(seed, chooser.randint(6, 14))),
            others=(refused,) if chooser.random() < 0.3 else (),
            kills=tuple(chooser.choices((1, 2, 3, 5, 8), k=chooser.choice((0, 0, 0, 1, 2)))),
            settings={"elasticsearch": elasticsearch, "delivery": delivery},
            odd=random.Random(f"odd {seed}").random() < 0.5,
        )


class Killable(Protocol):
    """A server that can be killed and started again on its data and port."""

    url: str

    def kill(self) -> None:
        """SIGKILL."""

    def restart(self) -> None:
        """Start it again; return when it answers."""


class Shared:
    """A server that several schedules use at once: who kills it, starts it before others do."""

    def __init__(self, server: Killable) -> None:
        self.url = server.url
        self._server, self._lock = server, threading.Lock()

    def kill(self) -> None:
        """SIGKILL; others wait until `restart` is over."""
        self._lock.acquire()
        self._server.kill()

    def restart(self) -> None:
        """Start it again; return when it answers."""
        try:
            self._server.restart()
        finally:
            self._lock.release()


def play(schedule: Schedule, url: str, name: str, folder: Path) -> str:
    """Ship the records through a proxy before the server at *url*; returns what went wrong.

    Args:
        name: What the indices are to be called, before the date.
        folder: Empty; for the log file, the settings and the state.

    Returns:
        Empty when every record is stored once and the agent ended knowing it.
    """
    log = folder / "agent.err"
    with Proxy(url, schedule.faults, others=schedule.others, poison=POISON) as proxy:
        config = _prepare(schedule, proxy, name, folder)
        try:
            last = _run_agents(schedule, proxy, config, log)
        except AssertionError as error:
            return f"seed {schedule.seed}:\n{error}\n{proxy.story()}"
    return verdict(schedule, proxy, url, name, log, last)


def play_with_crashes(schedule: Schedule, server: Killable, name: str, folder: Path) -> str:
    """Like `play`; the agent lives on, and at its kills the server is killed instead."""
    log = folder / "agent.err"
    with Proxy(server.url, schedule.faults, poison=POISON) as proxy:
        config = _prepare(schedule, proxy, name, folder)
        with AgentProcess("run", "-c", config, "--once", log=log) as agent:
            for requests in schedule.kills:
                _wait_for_requests(agent, proxy, len(proxy.exchanges) + requests)
                server.kill()
                server.restart()
            last = _ended(agent)
    return verdict(schedule, proxy, server.url, name, log, last)


def _prepare(schedule: Schedule, proxy: Proxy, name: str, folder: Path) -> Path:
    """Write log file and settings; returns the path of these."""
    write_records(folder / "app.log", schedule.records, odd=schedule.odd)
    settings = {
        "elasticsearch": {**schedule.settings["elasticsearch"], "hosts": proxy.url},
        "delivery": schedule.settings["delivery"],
        "index": {"name": f"{name}-%Y.%m.%d", "replicas": 0},
        "sources": [{"name": "app", "paths": [str(folder / "app.log")]}],
        "state_dir": str(folder / "state"),
    }
    config = folder / "logship.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    return config


def verdict(schedule: Schedule, proxy: Proxy, url: str, name: str, log: Path, last: str) -> str:
    """Compare what the server at *url* holds with what it should; returns what is wrong.

    Args:
        name: What the indices are called, before the date.
        log: What the agents said; beside it is the folder ``state``.
        last: Exit status and last line of the last agent.
    """
    stored = _fetch_at_last(url, f"{name}-*")
    dead = _dead_letters(log.parent / "state")
    problems = problems_of(schedule, proxy, stored, dead, last)
    if not problems:
        return ""
    story = f"{proxy.story()}\n{log.read_text()[-3000:]}"
    return "\n".join([f"seed {schedule.seed}:", *problems, story])


def write_records(path: Path, count: int, *, odd: bool = False) -> None:
    """Write *count* JSON lines over three days, each with its number.

    With *odd*, each has a ``payload``, one in 40 an object where the others have a text, and one
    in 100 holds `POISON`.
    """
    step = timedelta(hours=28) / count
    with path.open("w") as file:
        for number in range(count):
            record: dict[str, Any] = {
                "@timestamp": (FIRST + number * step).isoformat(),
                "level": ("INFO", "WARNING", "ERROR")[number % 3],
                "service": "chaos",
                "message": f"record {number} {TEXTS[number % len(TEXTS)]}",
                "number": number,
            }
            if odd:
                record["payload"] = {"kind": "object"} if number % 40 == 7 else "text"
                if _is_poisoned(number):
                    record["message"] = f"{POISON.decode()} {record['message']}"
            file.write(json.dumps(record, ensure_ascii=number % 2 == 0) + "\n")


def _is_poisoned(number: int) -> bool:
    return number % 100 == 47  # now and then an object, too


def _fetch_at_last(url: str, indices: str) -> dict[Key, int]:
    """Like `fetch`, begun again where somebody else kills the server meanwhile."""
    found: list[dict[Key, int]] = []
    errors: list[Exception] = []

    def try_it() -> bool:
        try:
            with Client(url) as client:
                found.append(fetch(client, indices))
        except (OSError, HTTPException) as error:
            errors.append(error)
        return bool(found)

    wait_until(try_it, lambda: errors[-1], seconds=WHOLE_SECONDS)
    return found[0]


def fetch(client: Client, indices: str) -> dict[Key, int]:
    """Return the number of every record in *indices*.

    Raises:
        OSError, HTTPException: The server is not there, or does not answer as it should.
    """
    client.request("POST", f"/{indices}/_refresh")
    opened = client.request("POST", f"/{indices}/_pit", keep_alive="1m")
    if opened.status != 200:
        raise ConnectionError(opened.body)
    view = opened.json["id"]
    found: dict[Key, int] = {}
    body: dict[str, Any] = {"size": 10_000, "sort": ["@timestamp"], "_source": ["message"]}
    while True:
        body["pit"] = {"id": view, "keep_alive": "1m"}
        answer = client.request("POST", "/_search", body)
        if answer.status != 200 or answer.json["_shards"]["failed"]:
            raise ConnectionError(answer.body)
        hits = answer.json["hits"]["hits"]
        found.update({(hit["_index"], hit["_id"]): _number(hit["_source"]) for hit in hits})
        if len(hits) < body["size"]:
            break
        body["search_after"] = hits[-1]["sort"]
    client.request("DELETE", "/_pit", {"id": view})
    return found


def _number(document: dict[str, Any]) -> int:
    """Its message has it, too, which stays where it is whatever is wrong with other fields."""
    found = _NUMBER.match(document["message"])
    assert found, document
    return int(found[1])


def _dead_letters(state_dir: Path) -> dict[Key, int]:
    """Return the number of every record in dead letters; each has a reason."""
    found: dict[Key, int] = {}
    for path in sorted(state_dir.glob("dead-letters/*.ndjson")):
        for line in path.read_bytes().splitlines():
            try:
                letter = json.loads(line)
            except ValueError:
                continue  # cut by SIGKILL while it was written, so it has been written again
            assert letter["reason"], letter
            found[letter["index"], letter["id"]] = _number(letter["doc"])
    return found


def _run_agents(schedule: Schedule, proxy: Proxy, config: Path, log: Path) -> str:
    """Run one agent after the other; returns exit status and last line of the last."""
    command = ("run", "-c", config, "--once")
    for bulks in schedule.kills:
        with AgentProcess(*command, log=log) as agent:
            _wait_for_requests(agent, proxy, len(proxy.exchanges) + bulks)
            agent.kill()
    with AgentProcess(*command, log=log) as agent:
        return _ended(agent)


def _ended(agent: AgentProcess) -> str:
    status = agent.wait(WHOLE_SECONDS)
    return f"{status}: {agent.stderr.strip().splitlines()[-1]}"


def _wait_for_requests(agent: AgentProcess, proxy: Proxy, count: int) -> None:
    wait_until(
        lambda: len(proxy.exchanges) >= count or not agent.is_running,
        lambda: f"{len(proxy.exchanges)} requests of {count}\n{agent.stderr[-3000:]}",
        seconds=WHOLE_SECONDS,
    )


def problems_of(
    schedule: Schedule,
    proxy: Proxy,
    stored: dict[Key, int],
    dead: dict[Key, int],
    last: str,
) -> list[str]:
    """Return what is wrong, and whose fault it is."""
    problems = []
    poisoned = {n for n in range(schedule.records) if schedule.odd and _is_poisoned(n)}
    if sorted(dead.values()) != sorted(poisoned):
        wrong = sorted(poisoned.symmetric_difference(dead.values()))
        problems.append(
            f"{len(dead)} dead letters instead of {len(poisoned)}; wrong or missing: {wrong[:10]}"
        )
    counts = Counter(stored.values())
    wanted = set(range(schedule.records)) - poisoned
    if missing := sorted(wanted - counts.keys()):
        problems.append(f"{len(missing)} records are missing, the first: {missing[:10]}")
    if doubled := sorted(number for number, count in counts.items() if count > 1):
        keys = [key for key, number in stored.items() if number == doubled[0]]
        stories = "\n".join(f"{key}:\n{proxy.story(key)}" for key in keys)
        problems.append(
            f"{len(doubled)} records are there twice, the first: {doubled[:10]}\n{stories}"
        )
    if lost := [key for key in proxy.created if key not in stored]:
        problems.append(f"the server lost {len(lost)} documents it had created: {lost[:3]}")
    if twice := [key for key, count in proxy.created.items() if count > 1]:
        problems.append(f"the server created {len(twice)} documents twice: {twice[:3]}")
    if unsure := stored.keys() - proxy.confirmed:
        one = sorted(unsure)[0]
        problems.append(
            f"the agent ended without having been told of {len(unsure)} documents, such as {one}:\n"
            f"{proxy.story(one)}"
        )
    if not _ENDED_WELL.match(last) or (not poisoned and not last.startswith("0: ")):
        problems.append(f"the agent ended with {last}")
    return problems
