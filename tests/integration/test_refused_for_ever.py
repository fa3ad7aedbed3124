"""Documents in every batch that a server never takes, whatever is tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake

RECORDS = 4000
# By what is left of a record's number, divided by twenty.
REFUSED = {
    3: (500, "fail_processor_exception"),
    7: (500, "null_pointer_exception"),
    11: (400, "an_exception_that_nobody_knows"),
}


def refuse(document: dict[str, Any]) -> tuple[int, str] | None:
    return REFUSED.get(document["number"] % 20)


def test_each_costs_itself_alone(tmp_path: Path) -> None:
    """An ingest pipeline's refusal and what nobody knows are dead letters; an internal error may
    be the server's own, so it is parked; everything else is stored, and the file confirmed.
    """
    with (tmp_path / "app.log").open("w") as file:
        for number in range(RECORDS):
            record = {"@timestamp": "2026-11-21T10:00:00Z", "message": "m", "number": number}
            file.write(json.dumps(record) + "\n")
    with ElasticFake() as fake:
        fake.refuse = refuse
        settings = {
            "elasticsearch": {"hosts": [fake.url]},
            "sources": [{"paths": [str(tmp_path / "app.log")]}],
            "delivery": {"batch_records": 200},
            "held": {"after": "200ms"},
            "state_dir": str(tmp_path / "state"),
        }
        config = tmp_path / "logship.yaml"
        config.write_text(json.dumps(settings))
        command = ("run", "-c", config, "--once")
        with AgentProcess(*command, log=tmp_path / "agent.err") as agent:
            assert agent.wait(60) == 3, agent.stderr
            said = agent.stderr
        assert "delivered 3400, rescued 0, held 200, dead letters 400, dropped 0, unconf" in said
        stored = sorted(document["number"] for document in fake.documents.values())
        assert stored == [number for number in range(RECORDS) if number % 20 not in REFUSED]
        letters = read(tmp_path / "state" / "dead-letters")
        assert sorted(letter["doc"]["number"] for letter in letters) == [
            number for number in range(RECORDS) if number % 20 in (3, 11)
        ]
        assert {(letter["status"], letter["type"]) for letter in letters} == {
            REFUSED[3], REFUSED[11]
        }  # fmt: skip
        assert len(read(tmp_path / "state" / "held")) == RECORDS // 20
        fake.refuse = lambda document: None
        with AgentProcess(*command, log=tmp_path / "agent.err") as agent:
            assert agent.wait(60) == 0, agent.stderr
        assert len(fake.documents) == 3600


def read(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in folder.glob("*.ndjson")
        for line in path.read_bytes().splitlines()
    ]
