"""Wildcards and Lucene's regular expressions as Python's, and edit distances."""

from __future__ import annotations

import re

from logship.node.errors import failed_query

_LITERAL = frozenset("^$")
_META = frozenset("|()[]{}?*+.")


def wildcard(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    """Return the expression for a pattern with ``*``, ``?`` and ``\\`` escapes."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\" and at + 1 < len(pattern):
            at += 1
            parts.append(re.escape(pattern[at]))
        elif character == "*":
            if not parts or parts[-1] != ".*":
                parts.append(".*")
        elif character == "?":
            parts.append(".")
        else:
            parts.append(re.escape(character))
        at += 1
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def literal_runs(pattern: str) -> tuple[list[str], bool]:
    """Return the whole words in a wildcard pattern, and whether the last may go on.

    A run of letters and digits is whole when neither side touches a wildcard; one that
    touches one at its end only may go on, and comes last.
    """
    runs: list[str] = []
    open_run: str | None = None
    unescaped = re.sub(r"\\(.)", lambda match: match[1] if match[1].isalnum() else " ", pattern)
    for match in re.finditer(r"[A-Za-z0-9]+", unescaped):
        before = unescaped[match.start() - 1] if match.start() else " "
        after = unescaped[match.end()] if match.end() < len(unescaped) else " "
        if before in "*?":
            continue
        if after in "*?":
            open_run = match[0].lower()
        else:
            runs.append(match[0].lower())
    return (runs, False) if open_run is None else ([*runs, open_run], True)


def regexp(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    """Return the expression for one in Lucene's syntax; it must match the whole term.

    Raises:
        NodeError: It is broken, or uses ``~``, ``&`` or ``<1-9>``, which Python lacks.
    """
    parts: list[str] = []
    at, count = 0, len(pattern)
    while at < count:
        character = pattern[at]
        if character == "\\":
            if at + 1 >= count:
                raise _broken("unexpected end-of-string")
            at += 1
            escaped = pattern[at]
            parts.append("\\" + escaped if escaped in "dDwWsS" else re.escape(escaped))
        elif character == '"':
            end = pattern.find('"', at + 1)
            if end < 0:
                raise _broken(f"expected '\"' at position {count}")
            parts.append(re.escape(pattern[at + 1 : end]))
            at = end
        elif character == "[":
            end = _class_end(pattern, at)
            inner = pattern[at + 1 : end].replace("[", "\\[")
            parts.append(f"[{inner}]")
            at = end
        elif character in "~&<":
            raise failed_query(
                f"failed to create query: this node does not support [{character}] in regular "
                f"expressions [{pattern}]"
            )
        elif character == "@":
            parts.append(".*")
        elif character == "#":
            parts.append("(?!)")
        elif character in _META:
            parts.append("(?:" if character == "(" else character)
        else:
            parts.append(re.escape(character))
        at += 1
    try:
        return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))
    except re.error as error:
        reason = "unexpected end-of-string" if "unterminated" in str(error) else str(error)
        raise _broken(reason) from None


def _class_end(pattern: str, start: int) -> int:
    at = start + 1
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "]" and at > start + 1:
            return at
        at += 1
    raise _broken("expected ']' at position " + str(len(pattern)))


def _broken(reason: str) -> Exception:
    cause = {"type": "illegal_argument_exception", "reason": reason}
    return failed_query(f"failed to create query: {reason}", cause)


def within_edits(text: str, wanted: str, limit: int) -> bool:
    """Whether *text* becomes *wanted* by at most *limit* edits, swaps of neighbours included."""
    if abs(len(text) - len(wanted)) > limit:
        return False
    rows: list[list[int]] = [list(range(len(wanted) + 1))]
    for i, one in enumerate(text, 1):
        row = [i]
        for j, other in enumerate(wanted, 1):
            cost = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (one != other))
            if i > 1 and j > 1 and one == wanted[j - 2] and text[i - 2] == other:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1] <= limit


def edits_for(fuzziness: str, term: str) -> int:
    """Return how many edits *fuzziness* allows for *term*."""
    if fuzziness.upper().startswith("AUTO"):
        return 0 if len(term) < 3 else 1 if len(term) < 6 else 2
    return min(2, int(float(fuzziness)))
