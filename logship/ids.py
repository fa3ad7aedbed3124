"""What decides where a record is stored: seeds and document ids. Final: changing it doubles logs.

An event id has 24 characters of an alphabet that sorts like its values::

    seed (10)  offset (8 2/3)  CRC-32 (5 1/3)
    └ one file's content       └ over the event's bytes as they stand in the file

Ids of one content share their prefix and sort by offset, which Lucene stores well.
A handler's id has 24 characters too: 16 random ones per process, 8 of a counter.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import sys
from array import array
from collections.abc import Sequence

__all__ = ["event_ids", "first_line_digest", "handler_prefix", "make_seed", "tail_digest"]

SEED_LENGTH = 10
FIRST_LINE_BYTES = 1024
TAIL_BYTES = 256

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SORTED = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_TRANSLATE = bytes.maketrans(_BASE64, _SORTED)


def make_seed(host_id: str, first_line: bytes, salt: bytes = b"") -> str:
    """Return the part of an id that stands for one file's content.

    Args:
        host_id: Names the host.
        first_line: The first non-empty complete line without its newline; only its first
            1,024 bytes count.
        salt: Empty, or what tells equal beginnings apart.

    Returns:
        10 characters: 60 bits of a BLAKE2b hash over the three, each with its length before it.
    """
    digest = hashlib.blake2b(digest_size=9, person=b"logship seed")
    for part in (host_id.encode("utf-8", "surrogateescape"), salt, first_line[:FIRST_LINE_BYTES]):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return _encode(digest.digest())[:SEED_LENGTH].decode()


def event_ids(offsets: Sequence[int], checksums: Sequence[int]) -> list[bytes]:
    """Return what follows the seed in the ids of many events: 14 characters each.

    Hot: one base64 call for a whole chunk.

    Args:
        offsets: Of each event's first byte in its content, below 2**52.
        checksums: CRC-32 over each event's bytes.
    """
    count = len(offsets)
    words = [0] * (3 * count)
    if count and max(offsets) >= 1 << 32:
        words[0::3] = [offset >> 32 for offset in offsets]
        words[1::3] = [offset & 0xFFFFFFFF for offset in offsets]
    else:
        words[1::3] = offsets
    words[2::3] = checksums
    packed = array("I", words)
    if sys.byteorder == "little":
        packed.byteswap()
    text = _encode(packed.tobytes())
    # 12 bytes make 16 characters; the first two are zero bits of the offset.
    return [text[i : i + 14] for i in range(2, 16 * count, 16)]


def handler_prefix(random_bytes: bytes | None = None) -> str:
    """Return 16 characters (96 bits) that no other process has; random when not given."""
    return _encode(os.urandom(12) if random_bytes is None else random_bytes).decode()


def counter_id(count: int) -> bytes:
    """Return the 8 characters that follow a handler's prefix; *count* is below 2**48."""
    return _encode(count.to_bytes(6, "big"))


def first_line_digest(first_line: bytes) -> bytes:
    """Return 16 bytes that stand for a first line in the checkpoint store."""
    return hashlib.blake2b(first_line[:FIRST_LINE_BYTES], digest_size=16).digest()


def tail_digest(tail: bytes) -> bytes:
    """Return 16 bytes that stand for the (up to) 256 bytes before a confirmed offset."""
    return hashlib.blake2b(tail[-TAIL_BYTES:], digest_size=16).digest()


def _encode(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(_TRANSLATE)
