"""The agent, as whoever embeds it sees it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from logship.agent.flow import Flow, Stopping
from logship.agent.stages import SPOOL
from logship.agent.state import open_state
from logship.agent.summary import Summary
from logship.clock import SystemClock
from logship.interfaces import Clock
from logship.pipeline import Delivery
from logship.pipeline.overflow import size_of_spool
from logship.settings.model import Settings
from logship.sources.file import FileSource
from logship.sources.spool import SpoolSource
from logship.state_dir import StateDir

__all__ = ["Agent"]


class Agent:
    """Tails files and delivers what is in them, until stopped.

    Everything it holds is opened by :meth:`run` and closed when that returns.

    Args:
        settings: As loaded.
        once: Read what is there, deliver it, and end.
        environment: For the host's identity; the process's own when None.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        once: bool = False,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings, self.once = settings, once
        self._clock = clock or SystemClock()
        self._environment = os.environ if environment is None else environment
        self._stopping = Stopping(settings.shutdown_timeout_seconds)
        self._flow: Flow | None = None

    @property
    def sources(self) -> list[FileSource | SpoolSource]:
        """The sources, from when it runs on; none before."""
        return [] if self._flow is None else self._flow.sources

    @property
    def delivery(self) -> Delivery | None:
        """The delivery loop, from when it runs on."""
        return None if self._flow is None else self._flow.delivery

    def stop(self, within_seconds: float | None = None) -> None:
        """Begin to end: sources read on until quiet, what was read is delivered.

        Args:
            within_seconds: Instead of the settings' ``shutdown_timeout``.
        """
        if within_seconds is not None:
            self._stopping.within_seconds = within_seconds
        self._stopping.set()

    async def run(self) -> Summary:
        """Run until stopped, or with *once* until everything there is settled.

        Raises:
            StateError: The state folder cannot be used, or another agent holds it.

        Cancelled, nothing is lost: what is unconfirmed is read again by the next run.
        """
        with StateDir(self.settings.state_dir) as state:
            host, store = open_state(
                state.path, self.settings.agent.id, self._environment, self._clock
            )
            try:
                flow = self._flow = Flow(
                    self.settings, state.path, store, host, environment=self._environment,
                    clock=self._clock, once=self.once, stopping=self._stopping,
                )  # fmt: skip
                try:
                    await flow.run()
                finally:
                    await flow.close()
                sent = flow.delivery
                return Summary(
                    sent.totals,
                    sent.unconfirmed,
                    sent.held,
                    sum(len(source.unreadable) for source in flow.sources),
                    size_of_spool(state.path / SPOOL),
                )
            finally:
                await store.close()
