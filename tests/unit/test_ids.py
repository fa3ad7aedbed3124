from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logship.ids import (
    counter_id,
    event_ids,
    first_line_digest,
    handler_prefix,
    make_seed,
    tail_digest,
)

# Everything pinned here is stored somewhere: another value would double what is read again.


@pytest.mark.parametrize(
    ("host_id", "first_line", "salt", "seed"),
    [
        ("host-1", b'{"a":1}', b"", "izVsK2klTW"),
        ("host-1", b'{"a":1}', b"\1" * 8, "pWqmrLptOB"),
        ("", b"", b"", "2IQlGso5ON"),
    ],
)
def test_seeds_are_pinned(host_id: str, first_line: bytes, salt: bytes, seed: str) -> None:
    """A file's seed is the same in every version."""
    assert make_seed(host_id, first_line, salt) == seed


def test_seed_depends_on_each_part_alone() -> None:
    """Host, salt and first line each make another seed, and none runs over into the next."""
    seeds = [
        make_seed("a", b"b", b"c"),
        make_seed("ab", b"", b"c"),
        make_seed("a", b"bc", b""),
        make_seed("a", b"", b"bc"),
        make_seed("a", b"c", b"b"),
        make_seed("", b"ab", b"c"),
    ]
    assert len(set(seeds)) == len(seeds)


def test_only_the_first_kibibyte_of_a_line_counts() -> None:
    """What comes after 1,024 bytes of the first line changes neither its seed nor its digest."""
    line = b"x" * 1024
    assert make_seed("h", line + b"1") == make_seed("h", line)
    assert first_line_digest(line + b"1") == first_line_digest(line)
    assert make_seed("h", line[:-1] + b"1") != make_seed("h", line)
    assert first_line_digest(line[:-1] + b"1") != first_line_digest(line)


def test_host_id_that_is_no_utf8_has_a_seed() -> None:
    """A host named in another encoding has ids like any other."""
    assert make_seed("caf\udce9", b"x") != make_seed("caf?", b"x")


def test_event_ids_are_pinned() -> None:
    """What follows the seed is offset and checksum, in an alphabet that sorts like numbers."""
    offsets = [0, 1, 283, 2**32 - 1, 2**32, 2**52 - 1]
    checksums = [0, 1, 0xDEADBEEF, 2**32 - 1, 0, 2**32 - 1]
    expected = [
        b"--------------",
        b"--------3----0",
        b"-------GjTfQvj",
        b"---Ezzzzzzzzzz",
        b"---F----------",
        b"zzzzzzzzzzzzzz",
    ]
    assert event_ids(offsets, checksums) == expected
    # Small offsets alone take another path than with a large one among them.
    assert event_ids(offsets[:4], checksums[:4]) == expected[:4]
    assert event_ids([], []) == []


numbers = st.tuples(st.integers(0, 2**52 - 1), st.integers(0, 2**32 - 1))


@given(st.lists(numbers, max_size=20))
def test_ids_sort_by_offset_and_tell_everything_apart(events: list[tuple[int, int]]) -> None:
    """As bytes, ids stand in the order of (offset, checksum), and no two pairs share one."""
    ids = event_ids([offset for offset, _ in events], [checksum for _, checksum in events])
    by_event = dict(zip(events, ids, strict=True))
    assert [by_event[event] for event in sorted(by_event)] == sorted(set(ids))
    assert len(set(ids)) == len(by_event)
    assert all(len(id_) == 14 for id_ in ids)


def test_handler_ids_are_pinned() -> None:
    """A handler's id is 96 bits and a counter, 24 characters that sort by the counter."""
    assert handler_prefix(bytes(range(12))) == "--31-kF40VR71FcA"
    assert counter_id(0) == b"--------"
    assert counter_id(1) == b"-------0"
    assert counter_id(2**48 - 1) == b"zzzzzzzz"
    assert handler_prefix() != handler_prefix()


def test_digests_are_pinned() -> None:
    """The store recognises first lines and tails that an earlier version wrote."""
    assert first_line_digest(b'{"a":1}').hex() == "2c6b113b8dd15ffbded9860b43eb0c6c"
    assert tail_digest(b"abc").hex() == "cf4ab791c62b8d2b2109c90275287816"


def test_only_the_last_256_bytes_are_the_tail() -> None:
    """A tail digest stands for 256 bytes, however many are at hand."""
    assert tail_digest(b"1" + b"x" * 256) == tail_digest(b"x" * 256)
    assert tail_digest(b"1" + b"x" * 255) != tail_digest(b"x" * 256)
