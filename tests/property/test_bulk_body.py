"""Documents are split, picked and merged, and every receipt still gets exactly its count."""

from __future__ import annotations

import random

import orjson
from hypothesis import given
from hypothesis import strategies as st

from logship.model import Documents, merge
from logship.sinks.elasticsearch.request import BulkBody
from tests.support.fakes import NOON, FakeReceipt, bulk_body, make_documents, numbers_of


def check(documents: Documents, numbers: list[int]) -> None:
    """*documents* are those of *numbers*, in order, and measured right."""
    assert numbers_of(documents) == numbers
    assert sum(count for _, count in documents.runs) == len(documents) == len(numbers)
    assert all(count > 0 for _, count in documents.runs)
    if numbers:
        lines = bulk_body(documents, NOON).split(b"\n")
        assert lines.pop() == b""
        assert [orjson.loads(line)["n"] for line in lines[1::2]] == numbers
        actions = [orjson.loads(line)["create"]["_id"] for line in lines[::2]]
        assert actions == [f"seed{number:06d}" for number in numbers]
        assert documents.size_bytes == sum(map(len, lines)) + len(lines)
        for piece_bytes in (1, 150, 400):
            pieces = list(BulkBody(documents, NOON, piece_bytes=piece_bytes))
            assert b"".join(pieces).split(b"\n")[:-1] == lines
            assert all(pieces)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_receipts_get_exactly_their_counts(counts: list[int], chance: random.Random) -> None:
    """Whatever is merged, cut and picked in between, each document is paid for once."""
    receipts: list[FakeReceipt] = []
    parts: list[Documents] = []
    numbers: list[list[int]] = []
    first = 0
    for count in counts:
        documents, receipt = make_documents(count, first=first, length=count)
        parts.append(documents)
        numbers.append(list(range(first, first + count)))
        receipts.append(receipt)
        first += count
    for _ in range(8):
        at = chance.randrange(len(parts))
        documents, held = parts.pop(at), numbers.pop(at)
        match chance.randrange(3):
            case 0:
                cut = chance.randrange(len(held) + 1)
                made = [documents.part(0, cut), documents.part(cut, len(held) + 3)]
                split = [held[:cut], held[cut:]]
            case 1:
                chosen = [i for i in range(len(held)) if chance.random() < 0.5]
                others = [i for i in range(len(held)) if i not in chosen]
                made = [documents.select(chosen), documents.select(others)]
                split = [[held[i] for i in chosen], [held[i] for i in others]]
            case _:
                made = [merge([documents, *parts])]
                split = [held + sum(numbers, [])]  # noqa: RUF017 (a handful)
                parts, numbers = [], []
        for one, its_numbers in zip(made, split, strict=True):
            check(one, its_numbers)
        parts += [one for one in made if len(one)]
        numbers += [its_numbers for its_numbers in split if its_numbers]
    for documents in parts:
        documents.settle()
    assert [receipt.settled for receipt in receipts] == counts


def test_age_is_that_of_the_oldest() -> None:
    """A merged batch is as old as the first record in it, and so is every part of it."""
    old, _ = make_documents(2, read_at=5.0)
    young, _ = make_documents(2, first=2, read_at=9.0)
    assert merge([young, old]).read_at == 5.0
    assert merge([young, old]).part(0, 1).read_at == 5.0
    assert merge([young]) is young


def test_merging_leaves_the_parts_alone() -> None:
    """A merged batch shares no column with what it was made of."""
    one, _ = make_documents(2)
    other, _ = make_documents(1, first=2)
    check(merge([one, other]), [0, 1, 2])
    check(one, [0, 1])
    check(other, [2])
