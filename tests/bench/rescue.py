"""``python -m tests.bench.rescue``: what one conflicting field costs, as a ratio in one run.

Ships the same number of records with a field that is a text in all of them, and with one that is
an object in every hundredth, into indices where it is a keyword: through the whole agent to an
embedded node, several times in turns. Then the same without any server: what delivery itself
needs per record, with a sink that refuses objects there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from logship.buffer import Buffer
from logship.model import BatchResult, Documents, Refusal
from logship.pipeline import Delivery
from tests.bench.records import records
from tests.bench.steps import CHUNK_BYTES, TODAY, FixedClock, chunks_of, route_of, routed
from tests.support.agent import AgentProcess
from tests.support.fakes import FakeDeadLetters
from tests.support.node import NodeProcess, post, request

TURNS = 3
EVERY = 100
REASON = "failed to parse field [state] of type [keyword] in document with id 'x'"


def lines_of(count: int, *, is_mixed: bool) -> list[bytes]:
    """Return records as lines; *is_mixed* makes ``state`` an object in every hundredth."""
    made = []
    for number, record in enumerate(records(count, TODAY)):
        state = {"code": 1} if is_mixed and number % EVERY == EVERY - 1 else "fine"
        made.append(json.dumps({**record, "state": state}, separators=(",", ":")).encode() + b"\n")
    return made


def ship(url: str, lines: list[bytes], name: str) -> float:
    """Ship *lines* and return how many per second arrived."""
    index = f"{name}-{TODAY:%Y.%m.%d}"
    mappings = {"properties": {"state": {"type": "keyword"}, "rescued": {"type": "flattened"}}}
    assert request("PUT", f"{url}/{index}", {"mappings": mappings}).status == 200
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "app.log"
        log.write_bytes(b"".join(lines))
        command = ("ship", log, "--to", url, "--once", "--state-dir", Path(folder) / "state")
        before = time.monotonic()
        with AgentProcess(
            *command, "--index", f"{name}-%Y.%m.%d", log=Path(folder) / "err"
        ) as agent:
            status = agent.wait(600)
            seconds = time.monotonic() - before
            assert status == 0, agent.stderr
    post(f"{url}/{index}/_refresh")
    count = request("GET", f"{url}/{index}/_count").json()["count"]
    assert count == len(lines), count
    assert request("DELETE", f"{url}/{index}").status == 200
    return len(lines) / seconds


class Refusing:
    """A sink that refuses objects in ``state`` and takes everything else.

    Attributes:
        seconds: What looking for them took: a server's work, not delivery's.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sent = 0

    async def write(self, documents: Documents) -> BatchResult:
        """Answer one batch."""
        await asyncio.sleep(0)
        before = time.perf_counter()
        self.sent += len(documents)
        refused = {i for i, body in enumerate(documents.bodies) if b'"state":{' in body}
        result = BatchResult(delivered=range(len(documents)))
        if refused:
            why = [Refusal(i, 400, "document_parsing_exception", REASON) for i in sorted(refused)]
            taken = sorted({*range(len(documents))} - refused)
            result = BatchResult(delivered=taken, rejected=why)
        self.seconds += time.perf_counter() - before
        return result

    async def close(self) -> None:
        """Nothing is open."""


class Paid:
    """A receipt."""

    def settle(self, count: int) -> None:
        """Nothing is owed to anyone."""


def deliver(parts: list[Documents]) -> tuple[float, int]:
    """Return the microseconds per record that delivery needs, and how many were sent."""

    async def work() -> tuple[float, int]:
        clock, sink = FixedClock(), Refusing()
        buffer = Buffer(
            max_bytes=1 << 40,
            batch_bytes=5 << 20,
            batch_records=5000,
            batch_age_seconds=0.0,
            clock=clock,
        )
        delivery = Delivery(buffer, sink, FakeDeadLetters(), max_in_flight=4, clock=clock)
        count = sum(map(len, parts))
        for part in parts:
            part.runs = [(Paid(), len(part))]
            await buffer.put(part)
        buffer.close()
        before = time.perf_counter()
        await delivery.run()
        seconds = time.perf_counter() - before - sink.seconds
        assert delivery.totals.delivered == count
        return seconds / count * 1e6, sink.sent

    return asyncio.run(work())


def measure_delivery(count: int) -> None:
    """Print what delivery itself needs, with and without conflicts."""
    costs = {}
    for name, is_mixed in (("plain", False), ("mixed", True)):
        lines = lines_of(count, is_mixed=is_mixed)
        costs[name], sent = min(
            deliver(routed(route_of(), chunks_of(lines))) for _ in range(2 * TURNS)
        )
        print(f"delivery alone, {name}: {costs[name]:.2f} µs per record, {sent:,} sent")
    print(f"that is {costs['mixed'] - costs['plain']:.2f} µs more per record")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=100_000)
    count = parser.parse_args().records
    print(f"{count:,} records, an object in 1 of {EVERY}, chunks of {CHUNK_BYTES >> 10} KiB")
    measure_delivery(count)
    plain, mixed = lines_of(count, is_mixed=False), lines_of(count, is_mixed=True)
    rates: dict[str, list[float]] = {"plain": [], "mixed": []}
    with NodeProcess() as node:
        for turn in range(TURNS):
            rates["plain"].append(ship(node.url, plain, f"plain{turn}"))
            rates["mixed"].append(ship(node.url, mixed, f"mixed{turn}"))
    best = {name: max(found) for name, found in rates.items()}
    share = best["mixed"] / best["plain"]
    print(f"agent and node: {best['plain']:,.0f} records/s, with conflicts {best['mixed']:,.0f}")
    print(f"ratio {share:.2f}: {100 * (1 - share):.0f} % slower")


if __name__ == "__main__":
    main()
