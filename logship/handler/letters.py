"""What Elasticsearch refuses for good, counted, and kept in files where there is a folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import orjson

from logship.handler.drops import REPORTS_LOGGER, Drops
from logship.model import Document, Refusal
from logship.sinks.dead_letters import DeadLetterFiles

__all__ = ["Letters"]


class Letters:
    """The dead letters of one handler.

    Args:
        files: Where they are kept; None counts them as dropped.
        is_own: Whether the id of a document is one of this handler's.

    Attributes:
        own: How many of this handler's documents were refused.
        drops: What was refused and is not kept.
        reason: Of the latest refusal, one line; empty without one.
    """

    def __init__(self, files: DeadLetterFiles | None, is_own: Callable[[str], bool]) -> None:
        self._files, self._is_own = files, is_own
        self.own = 0
        self.drops = Drops()
        self.reason = ""

    async def write(self, documents: Sequence[tuple[Document, Refusal]]) -> None:
        """Return when all of *documents* are on disk, where they are kept.

        Raises:
            OSError: They are not; nothing may be settled.
        """
        if self._files is not None:
            await self._files.write(documents)
        for document, refusal in documents:
            self.reason = f"{refusal.type}: {refusal.reason[:300]}"
            self.own += self._is_own(document.id)
            if self._files is None:
                logger, level = _logger_and_level(document)
                if logger != REPORTS_LOGGER:  # else each report that is refused would bring one
                    self.drops.add("rejected", level)


def _logger_and_level(document: Document) -> tuple[str, int]:
    try:
        source = orjson.loads(document.source)
        logger, level = source["logger"], logging.getLevelName(source["level"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "", logging.NOTSET
    return logger, level if isinstance(level, int) else logging.NOTSET
