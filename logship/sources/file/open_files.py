"""The open files of one source: by inode, by path, and those whose turn it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from logship.sources.file.parking import DESCRIPTORS
from logship.sources.file.tailer import Tailer

__all__ = ["OpenFiles"]

Key = tuple[int, int]


class OpenFiles:
    """Every tailer of a source. Each in its turn: a busy file waits for the others.

    Attributes:
        cut_lines: Lines so far that were longer than allowed, of closed files, too.
        skipped_nul_bytes: NUL bytes so far that no line was made of; likewise.
    """

    def __init__(self) -> None:
        self._tailers: dict[Key, Tailer] = {}
        self._by_path: dict[str, Tailer] = {}
        self._gone_from: dict[str, Tailer] = {}
        self._ready: deque[Tailer] = deque()
        self._closed_cut_lines = self._closed_nul_bytes = 0

    def __len__(self) -> int:
        return len(self._tailers)

    def __iter__(self) -> Iterator[Tailer]:
        return iter(list(self._tailers.values()))

    def __contains__(self, key: Key) -> bool:
        return key in self._tailers

    @property
    def keys(self) -> set[Key]:
        """Devices and inodes."""
        return set(self._tailers)

    @property
    def cut_lines(self) -> int:
        """Lines so far that were longer than allowed."""
        return self._closed_cut_lines + sum(t.cut_lines for t in self._tailers.values())

    @property
    def skipped_nul_bytes(self) -> int:
        """NUL bytes so far that no line was made of."""
        return self._closed_nul_bytes + sum(t.skipped_nul_bytes for t in self._tailers.values())

    def get(self, key: Key) -> Tailer | None:
        """Return the tailer of the file *key*."""
        return self._tailers.get(key)

    def at(self, path: str) -> Tailer | None:
        """Return the tailer of the file that lies at *path*."""
        return self._by_path.get(path)

    def last_at(self, path: str) -> Tailer | None:
        """Return the same, or that of the file that lay at *path* last."""
        return self._by_path.get(path) or self._gone_from.get(path)

    def add(self, tailer: Tailer) -> None:
        """Hold *tailer*; its turn comes."""
        self._tailers[tailer.key] = tailer
        DESCRIPTORS.add(1)
        self.make_ready(tailer)

    def lies_at(self, tailer: Tailer, path: str) -> bool:
        """Note where *tailer*'s file lies; whether that is another place than before."""
        tailer.gone_since = None
        self._drop(self._gone_from, tailer)
        if path == tailer.path and self._by_path.get(path) is tailer:
            return False
        self._drop(self._by_path, tailer)
        tailer.path = path
        self._by_path[path] = tailer
        return True

    def gone(self, tailer: Tailer, now: float) -> None:
        """Note that the globs name *tailer*'s file no more, since *now* (monotonic seconds)."""
        tailer.gone_since = now
        self._drop(self._by_path, tailer)
        self._gone_from[tailer.path] = tailer
        self.make_ready(tailer)

    def release(self, tailer: Tailer) -> None:
        """Let go of *tailer*, whose file is closed or about to be."""
        if self._tailers.pop(tailer.key, None) is not None:
            DESCRIPTORS.add(-1)
            self._closed_cut_lines += tailer.cut_lines
            self._closed_nul_bytes += tailer.skipped_nul_bytes
        self._drop(self._by_path, tailer)
        self._drop(self._gone_from, tailer)

    def make_ready(self, tailer: Tailer) -> None:
        """Let *tailer* have its turn, after those that wait already."""
        if not tailer.is_ready:
            tailer.is_ready = True
            self._ready.append(tailer)

    @property
    def ready(self) -> int:
        """How many wait for their turn."""
        return len(self._ready)

    def next_ready(self) -> Tailer | None:
        """Return the tailer whose turn it is; None when it was closed while it waited."""
        tailer = self._ready.popleft()
        tailer.is_ready = False
        return tailer if self._tailers.get(tailer.key) is tailer else None

    @staticmethod
    def _drop(places: dict[str, Tailer], tailer: Tailer) -> None:
        if places.get(tailer.path) is tailer:
            del places[tailer.path]
