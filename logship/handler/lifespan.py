"""The end of an ASGI application is the last moment for delivery.

Servers end their processes by the signal that they got, or by ``os._exit``: ``atexit`` does not
run there. Source: the ASGI specification, "Lifespan Protocol".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from logship.handler import process

__all__ = ["Lifespan"]

Message = MutableMapping[str, Any]


class Lifespan:
    """Passes the lifespan of an application on, and delivers before it is over.

    For an application that knows no lifespan (it raises before it says anything) it answers
    itself.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._app, self._receive, self._send = app, receive, send
        self._received: list[Message] = []
        self._has_answered = False

    async def serve(self, scope: MutableMapping[str, Any]) -> None:
        """Run from startup to shutdown."""
        try:
            await self._app(scope, self._receive_on, self._send_on)
        except Exception:
            if self._has_answered:
                raise
            await self._serve_alone()

    async def _receive_on(self) -> Message:
        message = await self._receive()
        self._received.append(message)
        return message

    async def _send_on(self, message: Message) -> None:
        self._has_answered = True
        if message["type"].startswith("lifespan.shutdown."):
            _deliver()
        await self._send(message)

    async def _serve_alone(self) -> None:
        if not self._received:
            await self._receive_on()
        await self._send_on({"type": "lifespan.startup.complete"})
        await self._receive()
        await self._send_on({"type": "lifespan.shutdown.complete"})


def _deliver() -> None:
    """Close all handlers, each within its exit deadline; a record after that begins anew."""
    handlers = process.known()
    for handler in handlers:
        handler.hurry()
    for handler in handlers:
        handler.close()
