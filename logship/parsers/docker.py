r"""Container logs as Docker's ``json-file`` driver writes them.

One line of the format::

    {"log":"text\n","stream":"stdout","attrs":{"tag":"a"},"time":"2026-11-21T10:00:00.123456789Z"}

``log`` ends with a newline where the application's line does; without one, the text goes on in
the next line of the same stream. ``attrs`` is there when the driver was told to add some.

Source: Docker documentation, "JSON File logging driver".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from logship.parsers.containers import STREAMS, Partials, Piece
from logship.parsers.events import Events
from logship.parsers.json import parse_json

__all__ = ["DockerJoiner", "is_docker_line"]

_REPLACED = ("invalid_utf8",)


class _Line(msgspec.Struct, gc=False):
    log: str
    stream: Literal["stdout", "stderr"]
    time: str | None = None
    attrs: dict[str, Any] | None = None


_DECODER = msgspec.json.Decoder(_Line)


def is_docker_line(line: bytes) -> bool:
    """Whether *line* is one of a ``json-file`` log."""
    decoded = _decode(line)
    return decoded is not None and decoded[0].time is not None


class DockerJoiner(Partials):
    """Makes events of the lines of a ``json-file`` log.

    An event's payload is the application's text without its newline, its time and stream are
    Docker's, and its checksum is over its own lines, each without newline. A line of another
    form is an event with a ``parse_error``.
    """

    unreadable: Mapping[str, Any] = {"parse_error": "not a line of Docker's json-file log"}

    def read(self, line: bytes) -> Piece | None:
        """As :meth:`logship.parsers.containers.Partials.read`."""
        found = _decode(line)
        if found is None:
            return None
        decoded, tags = found
        text = decoded.log.removesuffix("\n").encode("utf-8", "replace")
        is_final = decoded.log.endswith("\n")
        return Piece(decoded.time, decoded.stream, is_final, text, _fields(decoded), tags)

    def all_complete(
        self, lines: Sequence[bytes], offsets: Sequence[int], checksums: list[int]
    ) -> Events | None:
        """As :meth:`logship.parsers.containers.Partials.all_complete`."""
        # The decoder does not care where lines end, so all have to begin and end with a brace.
        if {line[:1] + line[-1:] for line in lines} != {b"{}"}:
            return None
        try:
            found = _DECODER.decode_lines(b"\n".join(lines))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        count = len(lines)
        texts = [line.log for line in found]
        if len(found) != count or {text[-1:] for text in texts} != {"\n"}:
            return None
        try:
            payloads = [text.rstrip("\r\n").encode() for text in texts]
        except UnicodeEncodeError:
            return None
        return Events(
            list(offsets), checksums, payloads, [line.time for line in found],
            [STREAMS[line.stream] if line.attrs is None else _fields(line) for line in found],
            [()] * count,
        )  # fmt: skip


def _decode(line: bytes) -> tuple[_Line, tuple[str, ...]] | None:
    """The line and its tags; None when it is none of Docker's."""
    try:
        return _DECODER.decode(line), ()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    record = parse_json(line)  # which replaces bytes that are no UTF-8
    try:
        return msgspec.convert(record, _Line), _REPLACED if "tags" in record else ()
    except msgspec.ValidationError:
        return None


def _fields(line: _Line) -> Mapping[str, Any]:
    fields = STREAMS[line.stream]
    if not line.attrs:
        return fields
    return {
        **fields,
        "extra": {f"docker_attrs_{name}".replace(".", "_"): at for name, at in line.attrs.items()},
    }
