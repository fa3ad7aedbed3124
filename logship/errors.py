"""Every error that logship raises on purpose.

::

    LogshipError
    ├── SettingsError          the settings are wrong; carries every mistake at once
    ├── QueryError             the text of a query cannot be read; carries the position
    ├── StateError             the state folder cannot be used (locked, not writable, damaged)
    ├── SourceError            a source cannot be read for now; it is tried again
    └── ElasticError           a request to Elasticsearch did not end well
        ├── ConnectionFailed   no reply: refused, reset, timed out, unresolved name, TLS
        ├── BadReply           a reply that cannot be understood: nothing may be settled
        └── ErrorReply         a reply with a status of 300 or more; carries status, type, reason
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "BadReply",
    "ConnectionFailed",
    "ElasticError",
    "ErrorReply",
    "LogshipError",
    "Mistake",
    "QueryError",
    "SettingsError",
    "SourceError",
    "StateError",
]


class LogshipError(Exception):
    """Base of all; its text says where, what and what to do."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in the settings.

    Attributes:
        where: ``file:line:column`` (1-based), or the name of the flag or environment variable.
        what: What is wrong and what to do, one line, beginning with the path of the setting.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class SettingsError(LogshipError):
    """The settings cannot be used. ``mistakes`` holds all of them, in the order of the file."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class QueryError(LogshipError):
    """A query cannot be read.

    Attributes:
        text: The query as given.
        position: 0-based index into *text* where reading stopped.
        what: What was expected there.
    """

    def __init__(self, what: str, text: str, position: int) -> None:
        self.what, self.text, self.position = what, text, position
        super().__init__(f"{what}\n  {text}\n  {' ' * position}^")


class StateError(LogshipError):
    """The state folder cannot be used: another agent holds it, or it cannot be written."""


class SourceError(LogshipError):
    """A source cannot be read for now. The agent reports it and tries again."""


class ElasticError(LogshipError):
    """A request to Elasticsearch did not end well."""


class ConnectionFailed(ElasticError):
    """There was no reply, so whether the request was applied is unknown.

    Attributes:
        timed_out: Whether the time for the reply ran out.
    """

    def __init__(self, what: str, *, timed_out: bool = False) -> None:
        self.timed_out = timed_out
        super().__init__(what)


class BadReply(ElasticError):
    """The reply cannot be understood. Nothing may be settled: send the whole batch again."""


class ErrorReply(ElasticError):
    """Elasticsearch, or something before it, refused the request as a whole.

    Attributes:
        status: The HTTP status, 300 or more.
        type: Elasticsearch's error type, empty when the body had none.
        reason: Elasticsearch's reason, cut to a readable length.
        retry_after_seconds: From the ``Retry-After`` header; None without one.
    """

    def __init__(
        self, status: int, type_: str, reason: str, *, retry_after_seconds: float | None = None
    ) -> None:
        self.status, self.type, self.reason = status, type_, reason
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"HTTP {status}" + (f" {type_}" if type_ else "") + f": {reason}")
