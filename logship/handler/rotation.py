"""Log files by day and size, which a sidecar can tail and several processes can share.

Files are ``STEM-YYYY-MM-DD.log``, then ``STEM-YYYY-MM-DD.1.log``, ``.2.log``, … when one is
full; without a date ``STEM.log``, ``STEM.1.log``, …. A file is only ever appended to and, when
it is too old, removed: never renamed, never truncated, so that no line is read twice or missed.

Every line is one ``write`` to a descriptor in append mode, and the size is the file's own: all
processes that write to the same directory go to the next file together, and their lines do not
mix. That holds on local file systems, not on NFS.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

__all__ = ["DailyFileHandler"]

DAY_SECONDS = 86_400
SAY_AGAIN_SECONDS = 60.0
TORN_SECONDS = 0.1  # longer than a write takes, also on a busy machine
LOOK_SECONDS = 0.001


class DailyFileHandler(logging.Handler):
    """Appends formatted records, one per line, to the file of the day (local time).

    A record that cannot be written (disk full, directory gone) is lost; that is said on stderr,
    once a minute at the most.

    Args:
        directory: Made when it is not there.
        stem: What the names begin with.
        max_bytes: A file that would pass this is followed by the next; one longer line gets a
            file of its own.
        keep_days: Files of days further back than this are removed when a new one begins;
            None keeps them.
        dated: Whether names carry the day.
        now: Seconds since 1970; the clock that ages are counted by.

    Raises:
        OSError: *directory* cannot be made, or is none.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        stem: str,
        *,
        max_bytes: int,
        keep_days: int | None = None,
        dated: bool = True,
        level: int | str = logging.NOTSET,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        # Not before: logging closes at exit what it knows, also when the directory was refused.
        super().__init__(level)
        self._stem, self._dated = stem, dated
        self._max_bytes, self._keep_days, self._now = max_bytes, keep_days, now
        self._names = re.compile(
            re.escape(stem) + (r"-(?P<day>\d{4}-\d\d-\d\d)" if dated else "") + r"(\.(\d+))?\.log"
        ).fullmatch
        self._day = ""
        self._path = ""
        self._second, self._date = -1, ""
        self._descriptor = -1
        self._waiting: deque[bytes] = deque()
        self._is_writing = False
        self._is_torn = self._has_failed = False
        self._pid = os.getpid()
        self._lost, self._why = 0, ""
        self._say_after = 0.0

    @property
    def path(self) -> str:
        """The file that was written to last; empty before the first record."""
        return self._path

    def emit(self, record: logging.LogRecord) -> None:
        """Append *record*. Never raises."""
        try:
            line = self.format(record).encode("utf-8", "replace") + b"\n"
        except Exception:  # an application's formatter may raise anything
            self.handleError(record)
            return
        if self._pid != os.getpid():
            self._begin_in_child()
        # A record may be born in here, when the garbage collector runs a finalizer that logs:
        # it must not change the file under the feet of the one being written.
        self._waiting.append(line)
        if self._is_writing:
            return
        self._is_writing = True
        try:
            while self._waiting:
                self._write(self._waiting.popleft())
        except Exception:  # as every handler: logging must not end the application's work
            self.handleError(record)
        finally:
            self._is_writing = False

    def close(self) -> None:
        """Close the file. A record that comes later opens it again."""
        self.acquire()
        try:
            self._close_file()
            self._say_rest()
        finally:
            self.release()
        super().close()

    def _begin_in_child(self) -> None:
        """After a fork: what another thread was writing at that moment is the parent's."""
        self._pid = os.getpid()
        self._is_writing = False
        self._waiting.clear()

    def _write(self, line: bytes) -> None:
        try:
            self._open_for(self._today(), len(line))
            if self._has_failed:
                # A full disk cuts lines, of this process or of another, which may have ended
                # them since.
                self._is_torn = not _ends_whole(self._descriptor)
            data = b"\n" + line if self._is_torn else line
            while data:  # short only when the disk becomes full: the next call says so
                data = data[os.write(self._descriptor, data) :]
            self._is_torn = self._has_failed = False
        except OSError as error:
            self._lost += 1
            self._has_failed = True
            self._say(error)

    def _today(self) -> str:
        if not self._dated:
            return ""
        second = int(self._now())
        if second != self._second:
            self._second, self._date = second, _day(second)
        return self._date

    def _open_for(self, day: str, size_bytes: int) -> None:
        if self._descriptor >= 0:
            status = os.fstat(self._descriptor)
            has_room = status.st_size == 0 or status.st_size + size_bytes <= self._max_bytes
            if day == self._day and has_room and status.st_nlink:
                return
        begins = day != self._day
        self._close_file()
        self._open(day, size_bytes)
        if begins:
            self._remove_old()

    def _open(self, day: str, size_bytes: int) -> None:
        """Open the last file of *day*, or the next one when that is full."""
        self._directory.mkdir(parents=True, exist_ok=True)
        number = self._last_number(day)
        while True:
            path = self._directory / self._file_name(day, number)
            self._descriptor = os.open(
                path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640
            )
            size = os.fstat(self._descriptor).st_size
            if size == 0 or size + size_bytes <= self._max_bytes:
                break
            self._close_file()
            number += 1
        self._day, self._path = day, str(path)
        # Whoever was killed in the middle of a line must not spoil the next one.
        self._is_torn = _stays_torn(self._descriptor)

    def _file_name(self, day: str, number: int) -> str:
        dated = f"{self._stem}-{day}" if self._dated else self._stem
        return f"{dated}.{number}.log" if number else f"{dated}.log"

    def _last_number(self, day: str) -> int:
        numbers = [0]
        for name in os.listdir(self._directory):
            match = self._names(name)
            if match and (not self._dated or match["day"] == day):
                numbers.append(int(match[match.re.groups] or 0))
        return max(numbers)

    def _remove_old(self) -> None:
        if self._keep_days is None or not self._dated:
            return
        oldest = _day(self._now() - self._keep_days * DAY_SECONDS)
        for name in os.listdir(self._directory):
            match = self._names(name)
            if match and match["day"] < oldest:
                try:
                    os.unlink(self._directory / name)
                except OSError:  # another process was first, or it is not ours to remove
                    pass

    def _close_file(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _say(self, error: OSError) -> None:
        self._why = str(error)
        now = self._now()
        if now >= self._say_after:
            self._say_after = now + SAY_AGAIN_SECONDS
            self._say_rest()

    def _say_rest(self) -> None:
        lost, self._lost = self._lost, 0
        if not lost:
            return
        try:
            sys.stderr.write(
                f"logship: {self._directory}: cannot write log files ({self._why}); {lost} records "
                "lost. Make room or mend the permissions; writing goes on by itself.\n"
            )
        except (OSError, ValueError, AttributeError):  # closed, or there is none
            pass


def _ends_whole(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _stays_torn(descriptor: int) -> bool:
    """Whether the last line lacks its end for good.

    A line that another process is writing grows page by page, so that at any one moment its end
    may be missing: then the file grows, or ends in a newline, an instant later.
    """
    size = os.fstat(descriptor).st_size
    until = time.monotonic() + TORN_SECONDS
    while os.fstat(descriptor).st_size == size and not _ends_whole(descriptor):
        if time.monotonic() >= until:
            return True
        time.sleep(LOOK_SECONDS)  # another process tells nobody that it has written
    return False


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
