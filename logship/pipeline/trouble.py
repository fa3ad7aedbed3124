"""Whether Elasticsearch takes anything at present, and what is said of it in the log."""

from __future__ import annotations

import logging

from logship.elastic.advice import what_to_do
from logship.interfaces import Clock
from logship.model import BatchResult, Refusal

__all__ = ["Trouble"]

log = logging.getLogger(__name__)

SAY_AGAIN_SECONDS = 60.0
REPEAT_SECONDS = 10.0


class Trouble:
    """What is known of a server that refuses whole requests; empty while it does not.

    Attributes:
        why: One line; empty while all is well.
        failures: Requests refused since it began.
    """

    def __init__(self, target: str, clock: Clock) -> None:
        self.why, self.failures = "", 0
        self._left_alone_until = float("-inf")
        self._target, self._clock = target, clock
        self._since = 0.0
        self._said, self._said_at, self._is_said = "", float("-inf"), False
        self._details: dict[str, tuple[float, int]] = {}

    def enter(self, result: BatchResult) -> None:
        """A whole request was refused, or not answered."""
        self.failures += 1
        now = self._clock.monotonic()
        self._left_alone_until = now + (result.retry_after_seconds or 0.0)
        is_news = not self.why or result.cause != self._said
        if not self.why:
            self._since = now
        self.why = result.cause or "refused"
        if now >= self._said_at + (REPEAT_SECONDS if is_news else SAY_AGAIN_SECONDS):
            self._said, self._said_at, self._is_said = result.cause, now, True
            self._say(result)

    def leave(self, attempt_started: float) -> bool:
        """A request was answered that began then; returns whether that ends the trouble."""
        if not self.why or attempt_started < self._since:
            return False
        if self._is_said:
            seconds = self._clock.monotonic() - self._since
            log.info("%s takes records again, after %.1f s.", self._target, seconds)
        self.why, self.failures = "", 0
        self.hurry()
        self._is_said = False
        return True

    @property
    def wish(self) -> float:
        """For how many seconds the server still wants to be left alone."""
        return max(0.0, self._left_alone_until - self._clock.monotonic())

    def hurry(self) -> None:
        """Forget that wish."""
        self._left_alone_until = float("-inf")

    def put_off(self, count: int, cause: str) -> None:
        """Some records are sent again."""
        if count := self._to_say("put off", count):
            log.warning(
                "%s put off %d records (%s); they are sent again.", self._target, count, cause
            )

    def halved(self, count: int, cause: str) -> None:
        """A request with so many records was refused as a whole."""
        if count := self._to_say("halved", count):
            log.info(
                "Bulk requests with %d records were refused (%s): they are sent in halves.",
                count,
                cause,
            )

    def buried(self, count: int, fate: str, refusal: Refusal) -> None:
        """Some records are dead letters now, or dropped; *refusal* is that of one of them."""
        if count := self._to_say("buried", count):
            log.error(
                "%s refused %d records for good; %s. For example: %s: %s",
                self._target,
                count,
                fate,
                refusal.type,
                refusal.reason[:300],
            )

    def cannot_bury(self, count: int, error: OSError) -> None:
        """Dead letters cannot be written."""
        if count := self._to_say("cannot bury", count):
            log.error("Cannot write dead letters: %s. They wait in memory.", error)

    def _to_say(self, what: str, count: int) -> int:
        """Return of how many records to speak now: one line in 10 s, with all since the last."""
        now = self._clock.monotonic()
        said_at, unsaid = self._details.get(what, (float("-inf"), 0))
        is_due = now >= said_at + REPEAT_SECONDS
        self._details[what] = (now, 0) if is_due else (said_at, unsaid + count)
        return unsaid + count if is_due else 0

    def _say(self, result: BatchResult) -> None:
        if result.verdict == "pause":
            log.error(
                "%s refuses what is sent (%s). Nothing is dropped: delivery waits and goes on by "
                "itself. %s",
                self._target,
                result.cause,
                what_to_do(result.cause),
            )
        else:
            log.warning(
                "%s cannot take records now (%s). Nothing is lost: they are kept and sent again.",
                self._target,
                result.cause,
            )
