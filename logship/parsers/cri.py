"""Container logs as the kubelet's runtimes write them.

One line of the format::

    2026-11-21T10:00:00.123456789Z stdout F the text of the line
    time (RFC 3339)                stream │ text
                                          └ F: the text ends here; P: it goes on in the next
                                            line of this stream. More tags may follow a colon.

Source: Kubernetes, "CRI: Log management for container stdout/stderr streams".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from logship.parsers.containers import STREAMS, Partials, Piece
from logship.parsers.events import Events

__all__ = ["CriJoiner", "is_cri_line"]

_NAMES = {name.encode(): name for name in STREAMS}
_FIELDS = {name.encode(): fields for name, fields in STREAMS.items()}
_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_is_time = re.compile(_TIME).fullmatch
_are_times = re.compile(rb"(?:" + _TIME + rb"\n)*+").fullmatch


class CriJoiner(Partials):
    """Makes events of the lines of a CRI container log.

    An event's payload is the application's text, its time and stream are the runtime's, and
    its checksum is over its own lines, each without newline. A line of another form is an
    event with a ``parse_error``.
    """

    unreadable: Mapping[str, Any] = {"parse_error": "not a line of a CRI container log"}

    def read(self, line: bytes) -> Piece | None:
        """As :meth:`logship.parsers.containers.Partials.read`."""
        found = _read(line)
        if found is None:
            return None
        time, stream, flag, text = found
        return Piece(time, stream, flag == b"F", text, STREAMS[stream])

    def all_complete(
        self, lines: Sequence[bytes], offsets: Sequence[int], checksums: list[int]
    ) -> Events | None:
        """As :meth:`logship.parsers.containers.Partials.all_complete`."""
        parts = [line.split(b" ", 3) for line in lines]
        try:
            times, streams, flags, texts = zip(*parts, strict=True)
        except ValueError:  # not four parts everywhere
            return None
        joined = b"\n".join(times)
        present = set(streams)
        if set(flags) != {b"F"} or not _FIELDS.keys() >= present or not _are_times(joined + b"\n"):
            return None
        times_as_text: list[str | None] = [*joined.decode().split("\n")]
        if len(times_as_text) != len(lines):  # with another delimiter, lines may hold newlines
            return None
        payloads = [text.rstrip(b"\r\n") for text in texts]
        fields = list(map(_FIELDS.__getitem__, streams))
        return Events(list(offsets), checksums, payloads, times_as_text, fields, [()] * len(lines))


def is_cri_line(line: bytes) -> bool:
    """Whether *line* is one of a CRI container log."""
    return _read(line) is not None


def _read(line: bytes) -> tuple[str, str, bytes, bytes] | None:
    """Return (time, stream, P or F, text); None for a line of another form."""
    parts = line.split(b" ", 3)
    if len(parts) == 3:  # some runtimes leave out the blank before an empty text
        parts.append(b"")
    if len(parts) != 4 or parts[1] not in _NAMES or not _is_time(parts[0]):
        return None
    flag = parts[2].partition(b":")[0]
    if flag not in (b"F", b"P"):
        return None
    return parts[0].decode(), _NAMES[parts[1]], flag, parts[3]
