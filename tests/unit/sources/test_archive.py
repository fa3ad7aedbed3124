"""Archives give what is readable in them, by offset, whatever is wrong with the rest."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from logship.sources.file.archive import Archive
from logship.sources.file.compression import missing_for
from logship.sources.file.identity import fingerprint_of

needs_zstd = pytest.mark.skipif(missing_for("zstd") is not None, reason="no zstd here")
KINDS = ["gzip", "bzip2", "xz", pytest.param("zstd", marks=needs_zstd)]
NAMES = {"gzip": "app.log.1.gz", "bzip2": "app.log.bz2", "xz": "app.xz", "zstd": "app.log.zst"}
LINES = b"".join(b'{"level":"INFO","n":%d,"took_ms":%d}\n' % (n, n * n % 89) for n in range(60))


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
    return {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[kind](content)


@contextmanager
def opened(path: Path, kind: str, compressed: bytes | None = None) -> Iterator[Archive]:
    if compressed is not None:
        path.write_bytes(compressed)
    archive = Archive(FileIO(path), kind)
    try:
        yield archive
    finally:
        archive.close()


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
