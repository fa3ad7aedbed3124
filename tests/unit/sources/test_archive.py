"""Archives give what is readable in them, by offset, whatever is wrong with the rest."""

from __future__ import annotations

import asyncio
import bz2
import errno
import gzip
import itertools
import lzma
import os
import random
import shutil
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logship.sources.file.archive import Archive
from logship.sources.file.compression import ENDINGS, Stream, kind_of, missing_for
from logship.sources.file.identity import fingerprint_of
from tests.support.wait import wait_until

needs_zstd = pytest.mark.skipif(missing_for("zstd") is not None, reason="no zstd here")
KINDS = ["gzip", "bzip2", "xz", pytest.param("zstd", marks=needs_zstd)]
NAMES = {"gzip": "app.log.1.gz", "bzip2": "app.log.bz2", "xz": "app.xz", "zstd": "app.log.zst"}
LINES = b"".join(b'{"level":"INFO","n":%d,"took_ms":%d}\n' % (n, n * n % 89) for n in range(60))


def noisy_lines(size: int, seed: int = 1) -> bytes:
    """Lines that do not compress well, so that there is more than one piece of them."""
    noise = random.Random(seed)
    return b"".join(b"%032x\n" % noise.getrandbits(128) for _ in range(size // 33 + 1))[:size]


def compress(kind: str, content: bytes) -> bytes:
    if kind == "zstd":
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        checked: bytes = zstd.compress(
            content, options={zstd.CompressionParameter.checksum_flag: 1}
        )
        return checked
    return {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": partial(lzma.compress, preset=0)}[
        kind
    ](content)


@contextmanager
def opened(path: Path, kind: str, compressed: bytes | None = None) -> Iterator[Archive]:
    if compressed is not None:
        path.write_bytes(compressed)
    archive = Archive(FileIO(path), kind)
    try:
        yield archive
    finally:
        archive.close()


def decompressor(kind: str) -> Any:
    """The plain library's, whichever Archive uses."""
    if kind == "zstd":
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        return zstd.ZstdDecompressor()
    plain = {"gzip": lambda: zlib.decompressobj(31), "bzip2": bz2.BZ2Decompressor}
    return plain.get(kind, lzma.LZMADecompressor)()


def readable(kind: str, compressed: bytes) -> tuple[bytes, str]:
    """What is to be found in one member: its content up to the first error, and its state."""
    decompress, content = decompressor(kind), b""
    for at in range(len(compressed)):
        try:
            given = decompress.decompress(compressed[at : at + 1])
            while not decompress.eof and (more := decompress.decompress(b"")):
                given += more
            content += given
        except Exception:  # each library has its own
            return content, "corrupt"
        if decompress.eof:
            return content, "complete"
    return content, "truncated"


def whole(archive: Archive, step: int = 1 << 20) -> bytes:
    blocks = []
    while block := archive.read_at(sum(map(len, blocks)), step):
        blocks.append(block)
    return b"".join(blocks)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("members", [[LINES], [b""], [LINES[:100], b"", LINES[100:], b"end\n"]])
def test_all_members_are_the_content(tmp_path: Path, kind: str, members: list[bytes]) -> None:
    """What is in all members, one after the other, is the content of a complete archive."""
    compressed = b"".join(compress(kind, member) for member in members)
    with opened(tmp_path / "file", kind, compressed) as archive:
        assert (archive.size(), whole(archive)) == (len(b"".join(members)), b"".join(members))
        assert (archive.state, archive.reason) == ("complete", "")


@pytest.mark.parametrize("kind", KINDS)
def test_look_is_at_the_content(tmp_path: Path, kind: str) -> None:
    """Recognition gets device and inode of the file, and size and beginning of the content."""
    path = tmp_path / "file"
    with opened(path, kind, compress(kind, LINES)) as archive:
        candidate, stat = archive.look(), path.stat()
        assert (candidate.device, candidate.inode) == (stat.st_dev, stat.st_ino) == archive.key
        assert (candidate.size, candidate.fingerprint) == (len(LINES), fingerprint_of(LINES))
        assert candidate.read_at(50, 7) == LINES[50:57]
        assert archive.status().st_size == stat.st_size < len(LINES)
        assert archive.is_archive


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_anywhere_gives_what_is_there(tmp_path: Path, kind: str) -> None:
    """A file cut at any byte is truncated, and gives what the bytes before can tell."""
    compressed = compress(kind, LINES)
    for end in range(len(compressed)):
        with opened(tmp_path / "file", kind, compressed[:end]) as archive:
            found = whole(archive, 700)
            assert (found, archive.state) == (readable(kind, compressed[:end])[0], "truncated")
            assert archive.reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_anywhere_gives_what_lies_before(tmp_path: Path, kind: str) -> None:
    """A damaged file gives what the longest beginning without an error does, however it is read."""
    compressed = compress(kind, LINES[:600])
    for at, bit in itertools.product(range(len(compressed)), range(8)):
        damaged = bytearray(compressed)
        damaged[at] ^= 1 << bit
        with opened(tmp_path / "file", kind, bytes(damaged)) as archive:
            content, state = readable(kind, bytes(damaged))
            assert (archive.size(), archive.state) == (len(content), state), (at, bit)
            assert archive.look().fingerprint == fingerprint_of(content), (at, bit)
            assert whole(archive, 1 + at) == content, (at, bit)
            assert archive.state == "complete" or archive.reason


@pytest.mark.parametrize("kind", KINDS)
def test_damage_far_on_costs_no_readable_byte(tmp_path: Path, kind: str) -> None:
    """What lies before the damage is there up to the last byte, also in large files of members."""
    first, second = noisy_lines(300_000), noisy_lines(400_000)
    member = bytearray(compress(kind, second))
    middle = len(member) // 2
    member[middle : middle + 8] = b"\xff" * 8
    content = first + readable(kind, bytes(member))[0]
    damaged = compress(kind, first) + bytes(member) + compress(kind, b"lost\n")
    with opened(tmp_path / "file", kind, damaged) as archive:
        assert (archive.size(), archive.state) == (len(content), "corrupt")
        assert whole(archive, 10_000) == content
        assert archive.read_at(len(content) - 5, 50) == content[-5:]


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_checksum_is_corrupt_and_costs_nothing(tmp_path: Path, kind: str) -> None:
    """Where the checksum comes last and is wrong, all of the content is there."""
    compressed = bytearray(compress(kind, LINES))
    compressed[{"gzip": -6, "bzip2": -3, "xz": -1, "zstd": -2}[kind]] ^= 1
    with opened(tmp_path / "file", kind, bytes(compressed)) as archive:
        assert whole(archive) == LINES
        assert archive.state == "corrupt"


@pytest.mark.parametrize("kind", KINDS)
def test_padding_belongs_to_a_complete_archive(tmp_path: Path, kind: str) -> None:
    """NUL bytes behind a member are padding, and another member may follow them."""
    padded = compress(kind, LINES) + bytes(700_000)
    with opened(tmp_path / "file", kind, padded) as archive:
        assert (whole(archive), archive.state, archive.reason) == (LINES, "complete", "")
    with opened(tmp_path / "file", kind, padded + compress(kind, b"more\n")) as archive:
        assert (whole(archive), archive.state) == (LINES + b"more\n", "complete")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "garbage", [b"x", b"not compressed", b"\0\0tail", bytes(9) + b"\n" * 300_000]
)
def test_garbage_behind_is_ignored_and_said(tmp_path: Path, kind: str, garbage: bytes) -> None:
    """What is no member behind the last one is ignored, and the reason says where it lies."""
    compressed = compress(kind, LINES)
    with opened(tmp_path / "file", kind, compressed + garbage) as archive:
        assert (whole(archive), archive.state) == (LINES, "complete")
        at = len(compressed) + len(garbage) - len(garbage.lstrip(b"\0"))
        assert f"byte {at} " in archive.reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_something_else_is_corrupt(tmp_path: Path, kind: str) -> None:
    """A file that does not begin like its kind has no content, and the reason says so."""
    with opened(tmp_path / "file", kind, b"just text, and more of it\n") as archive:
        assert (archive.size(), archive.find_data(0), archive.state) == (0, None, "corrupt")
        assert "begin" in archive.reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [1, 5, 4096, 17_000])
def test_a_file_that_is_being_written_is_read_on(tmp_path: Path, kind: str, step: int) -> None:
    """What is there is given as the file grows, and the rest when it is there."""
    content = LINES if step < 100 else noisy_lines(300_000)
    first = compress(kind, content)
    compressed = first + compress(kind, b"second\n")
    path, found = tmp_path / "file", b""
    with opened(path, kind, b"") as archive, path.open("ab", buffering=0) as file:
        assert (archive.size(), archive.state) == (0, "truncated")
        for at in range(0, len(compressed), step):
            file.write(compressed[at : at + step])
            before = max(0, len(found) - 256)
            found = found[:before] + archive.read_at(before, 1 << 20)
            assert archive.size() == len(found)
            is_whole = at + step == len(first) or at + step >= len(compressed)
            assert archive.state == ("complete" if is_whole else "truncated"), at
        assert found == content + b"second\n"


@pytest.mark.parametrize("kind", KINDS)
def test_another_archive_written_over_it_is_measured_anew(tmp_path: Path, kind: str) -> None:
    """When the file is another one all of a sudden, that one's content is given."""
    path = tmp_path / "file"
    contents = [LINES, noisy_lines(90_000), b"short\n", noisy_lines(90_000, seed=7)]
    with opened(path, kind, b"") as archive:
        for nanoseconds, content in enumerate(contents):
            path.write_bytes(compress(kind, content))
            os.utime(path, ns=(nanoseconds, nanoseconds))
            assert (archive.size(), archive.read_at(0, 1 << 20)) == (len(content), content)
            assert archive.read_at(len(content) - 3, 9) == content[-3:]
            assert archive.state == "complete"


def test_a_damaged_archive_that_is_repaired_is_read(tmp_path: Path) -> None:
    """A file whose damage is gone (copied out of order, say) is read to its end."""
    path, compressed = tmp_path / "file", compress("bzip2", noisy_lines(90_000))
    damaged = compressed[:20_000] + bytes(len(compressed) - 20_000)
    with opened(path, "bzip2", damaged) as archive:
        assert whole(archive) == b""
        assert archive.state == "corrupt"
        path.write_bytes(compressed)
        os.utime(path, ns=(1, 1))
        assert whole(archive) == noisy_lines(90_000)
        assert archive.state == "complete"


CONTENT = noisy_lines(500_000)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    reads=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 520_000), st.integers(0, 3000), st.integers(490_000, 510_000)),
            st.one_of(st.integers(0, 300_000), st.integers(0, 300)),
        ),
        max_size=12,
    ),
    cuts=st.lists(st.integers(0, 500_000), max_size=3),
)
def test_any_place_can_be_read(
    tmp_path: Path, kind: str, reads: list[tuple[int, int]], cuts: list[int]
) -> None:
    """Reads at any offsets, in any order, give slices of the content."""
    bounds = [0, *sorted(cuts), len(CONTENT)]
    members = [compress(kind, CONTENT[start:end]) for start, end in itertools.pairwise(bounds)]
    with opened(tmp_path / "file", kind, b"".join(members)) as archive:
        for offset, count in reads:
            assert archive.read_at(offset, count) == CONTENT[offset : offset + count]


def test_small_steps_of_output_lose_nothing(tmp_path: Path) -> None:
    """zlib gives all of the content where it may give only a few bytes at a time."""
    compressed = compress("gzip", LINES) + compress("gzip", b"x" * 999)
    for max_bytes in (1, 2, 7, 100):
        stream = Stream(lambda at, n: compressed[at : at + n], "gzip", is_exact=True)
        blocks = iter(partial(stream.next, max_bytes), b"")
        assert b"".join(blocks) == LINES + b"x" * 999
        assert stream.at == len(compressed)


@pytest.mark.parametrize(
    ("kind", "mebibytes"),
    [("gzip", 300), ("bzip2", 40), ("xz", 60), pytest.param("zstd", 100, marks=needs_zstd)],
)
def test_memory_is_bounded_whatever_is_in_it(tmp_path: Path, kind: str, mebibytes: int) -> None:
    """One endless line of NUL bytes in a small file does not fill the memory."""
    path, mebibyte = tmp_path / "file", bytes(1 << 20)
    with path.open("wb") as file:
        file.write(compress(kind, mebibyte * 20) * (mebibytes // 20))
        file.write(compress(kind, b"end\n"))
    content_bytes = mebibytes << 20
    with opened(path, kind) as archive:
        tracemalloc.start()
        try:
            assert archive.look().size == content_bytes + 4
            assert archive.find_data(0) == content_bytes
            assert archive.read_at(content_bytes - 3, 5) == b"\0\0\0en"
            assert archive.find_data(content_bytes + 4) is None
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 20 << 20


COMMANDS = {
    "gzip": ["gzip", "-9"], "bzip2": ["bzip2"], "xz": ["xz", "-9"], "zstd": ["zstd", "-q", "--rm"],
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_commands_write_is_read(tmp_path: Path, kind: str) -> None:
    """Archives of the command that people rotate with are recognised and read."""
    if shutil.which(COMMANDS[kind][0]) is None:
        pytest.skip(f"{COMMANDS[kind][0]} is not installed")
    path = tmp_path / "app.log.1"
    path.write_bytes(CONTENT)
    subprocess.run([*COMMANDS[kind], path], check=True)
    (compressed,) = tmp_path.iterdir()
    assert kind_of(compressed.read_bytes()[:6], str(compressed)) == kind
    with opened(compressed, kind) as archive:
        assert (whole(archive), archive.state) == (CONTENT, "complete")


@pytest.mark.parametrize("kind", KINDS)
def test_beginning_and_name_say_the_kind(kind: str) -> None:
    """A file is an archive when it begins like one and is named like one, of whichever kind."""
    beginning = compress(kind, LINES)[:6]
    assert {kind_of(beginning, f"/var/log/app.log{ending}") for ending in ENDINGS} == {kind}
    assert kind_of(beginning, "APP.LOG.GZ") == kind
    assert kind_of(beginning, "/var/log/app.log") is None
    assert kind_of(beginning, "/var/log.gz/app") is None
    assert kind_of(b"plain text\n", NAMES[kind]) is None
    assert [kind_of(beginning[:count], NAMES[kind]) for count in range(6)] == [kind] * 6


def test_the_other_kind_of_zstd_frame_is_one_too() -> None:
    """A file of zstd may begin with a frame that decompressors skip."""
    assert kind_of(b"\x5e\x2a\x4d\x18\0\0", "a.zst") == "zstd"


@needs_zstd
def test_skippable_frames_are_no_content(tmp_path: Path) -> None:
    """Frames with notes of the compressing program are passed over."""
    note = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    compressed = note + compress("zstd", LINES) + note + compress("zstd", b"more\n") + note
    with opened(tmp_path / "file", "zstd", compressed) as archive:
        assert (whole(archive), archive.state) == (LINES + b"more\n", "complete")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where zstd cannot be read, the error says what to install."""
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "logship[zstd]" in (missing_for("zstd") or "")
    path = tmp_path / "file"
    path.touch()
    with FileIO(path) as raw, pytest.raises(OSError, match="backports") as caught:
        Archive(raw, "zstd")
    assert caught.value.errno == errno.ENOTSUP
    assert missing_for("gzip") is None


async def read_twice(archive: Archive) -> list[tuple[bytes, bytes]]:
    half = len(CONTENT) // 2
    return await asyncio.gather(archive.read(half, half, 0), archive.read(0, half, 5))


def test_reads_run_on_the_pool_one_after_the_other(tmp_path: Path) -> None:
    """A read that was given up and the next one do not get into each other's way."""
    path = tmp_path / "file"
    path.write_bytes(compress("gzip", CONTENT))
    with ThreadPoolExecutor(2) as pool:
        archive = Archive(FileIO(path), "gzip", pool)
        try:
            second, first = asyncio.run(read_twice(archive))
        finally:
            archive.close()
    assert (first[0] + second[0], first[1]) == (CONTENT, CONTENT[:5])


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_that_nothing_tells_of_is_an_os_error(tmp_path: Path, kind: str) -> None:
    """A file overwritten at equal size and time fails one read, and is looked at anew then."""
    path, compressed = tmp_path / "file", compress(kind, CONTENT)
    with opened(path, kind, compressed) as archive:
        assert archive.size() == len(CONTENT)
        modified = path.stat().st_mtime_ns
        path.write_bytes(b"x" * len(compressed))
        os.utime(path, ns=(modified, modified))
        with pytest.raises(OSError, match="changed while"):
            archive.read_at(200_000, 10)
        assert archive.read_at(0, 10) == b""
        assert archive.state == "corrupt"


def test_closing_ends_a_read_that_is_under_way(tmp_path: Path) -> None:
    """A thread that looks for the end of an endless file gives up when the file is closed."""
    path, member = tmp_path / "file", compress("gzip", bytes(1 << 20))
    path.write_bytes(member * 20_000)
    archive = Archive(FileIO(path), "gzip")
    with ThreadPoolExecutor(1) as pool:
        size = pool.submit(archive.size)
        wait_until(size.running, "the file is looked at")
        archive.close()
        with pytest.raises(OSError, match="descriptor"):
            size.result()


def test_a_closed_archive_says_so(tmp_path: Path) -> None:
    """Closing twice is once, and what comes after it is an OSError."""
    with opened(tmp_path / "file", "gzip", compress("gzip", LINES)) as archive:
        archive.close()
        archive.close()
        for call in (archive.size, archive.look, archive.status, lambda: archive.read_at(0, 1)):
            with pytest.raises(OSError, match="descriptor"):
                call()
