"""Dead letters on their way into their file: one write at a time, for whatever waits by then."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from logship.interfaces import DeadLetters
from logship.model import Document, Documents, Refusal
from logship.pipeline.trouble import Trouble

__all__ = ["Burial", "Letter"]

Letter = tuple[Document, Refusal]

LETTERS_AT_ONCE = 1000


class Burial:
    """Writes dead letters until they are safe, also on a disk that is full for a while.

    However many batches have some, the disk is asked once after each pause.

    Args:
        fate: What the log says of them.
        pause: Waits after so many failures in a row.
    """

    def __init__(
        self,
        dead_letters: DeadLetters,
        trouble: Trouble,
        *,
        fate: str,
        pause: Callable[[int], Awaitable[None]],
    ) -> None:
        self._dead_letters, self._trouble = dead_letters, trouble
        self._fate, self._pause = fate, pause
        self._waiting: deque[tuple[Documents, Sequence[Letter]]] = deque()
        self._is_running = False

    def add(self, documents: Documents, letters: Sequence[Letter]) -> bool:
        """Let *letters*, which *documents* become, wait; whether :meth:`run` is to be called."""
        self._waiting.append((documents, letters))
        is_first, self._is_running = not self._is_running, True
        return is_first

    async def run(self, buried: Callable[[Documents], None]) -> None:
        """Write all that waits, and what comes meanwhile.

        Args:
            buried: Called with documents that are safe in the file, and may be settled.

        Cancelled, what is being written may be safe; it is not told, and keeps its key.
        """
        while self._waiting:
            portion: list[Documents] = []
            letters: list[Letter] = []
            while self._waiting and len(letters) < LETTERS_AT_ONCE:
                documents, more = self._waiting.popleft()
                portion.append(documents)
                letters += more
            await self._write(letters)
            for documents in portion:
                buried(documents)
        self._is_running = False

    async def _write(self, letters: Sequence[Letter]) -> None:
        failures = 0
        while True:
            try:
                await self._dead_letters.write(letters)
            except OSError as error:
                failures += 1
                self._trouble.cannot_bury(len(letters), error)
                await self._pause(failures)
            else:
                break
        self._trouble.buried(len(letters), self._fate, letters[0][1])
