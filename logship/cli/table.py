"""Tables and sizes, as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["as_table", "human_size"]


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: str = "") -> list[str]:
    """Return the lines of a table; the last column is as wide as it likes.

    Args:
        head: Names of the columns.
        rows: Texts, harmless on a terminal and of one line each.
        numbers: The columns, by letter from ``a`` on, that are aligned at their right.
    """
    from logship.search.terminal import columns_of

    widths = [max(columns_of(row[i]) for row in (head, *rows)) for i in range(len(head))]
    is_number = [chr(ord("a") + i) in numbers for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = []
        for text, width, right in zip(row, widths, is_number, strict=True):
            room = " " * (width - columns_of(text))
            cells.append(room + text if right else text + room)
        return "  ".join(cells).rstrip()

    return [line(row) for row in (head, *rows)]


def human_size(size: int | None) -> str:
    """Return a number of bytes as people read it: ``3.4 GiB``; ``-`` for None."""
    if size is None:
        return "-"
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
