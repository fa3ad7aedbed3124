"""Environment variables inside of scalars: ``${VAR}`` and ``${VAR:-default}``."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["BadVariable", "substitute"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\})?")


class BadVariable(ValueError):
    """A reference that cannot be followed; its text names the variable, never the scalar."""


def substitute(text: str, environment: Mapping[str, str]) -> tuple[str, bool]:
    """Return *text* with its variables replaced, and whether there were any.

    ``${VAR:-default}`` takes the default also when the variable is empty, as shells do.
    ``$${`` stands for the two characters ``${``. A value that is put in is not looked at again.

    Raises:
        BadVariable: A variable without default is not set, or a reference is malformed.
    """
    found = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal found
        if match.group() == "$${":
            return "${"
        found = True
        name, separator, default = match[1].partition(":-")
        if match[2] is None or not _NAME.match(name):
            raise BadVariable(
                '"${" begins no variable such as ${NAME} or ${NAME:-default}; '
                'write "$${" for the characters themselves'
            )
        value = environment.get(name)
        if separator:
            return value or default
        if value is None:
            raise BadVariable(
                f"the environment variable {name} is not set; "
                f"set it, or give a default: ${{{name}:-default}}"
            )
        return value

    return _REFERENCE.sub(value_of, text), found
