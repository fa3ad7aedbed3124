"""The kinds of values that settings have: each reads a node and describes itself to editors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from logship.settings import units
from logship.settings.reading import INVALID, Reading, Wrong, did_you_mean, not_available
from logship.settings.tree import Node, Unreadable, quote, resolve_plain

__all__ = [
    "Choice",
    "FilePath",
    "Flag",
    "InFile",
    "Kind",
    "ListOf",
    "Number",
    "Secret",
    "SecretFile",
    "Size",
    "Text",
    "Time",
]

VARIABLE = {"$ref": "#/$defs/variable"}
SECRET_FILE_MAX_BYTES = 64 << 10


class Kind(Protocol):
    """Reads one kind of value."""

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """Return the value of *node*; `INVALID` when it is wrong, which is noted in *reading*."""

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the value."""


class Scalar(ABC):
    """A kind whose values are single scalars.

    Attributes:
        noun: What is expected, for messages: ``a size such as 5MiB``.
    """

    noun: ClassVar[str]

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """Return the value of *node*; `INVALID` when it is wrong, which is noted in *reading*."""
        try:
            if isinstance(node.value, Unreadable):
                raise Wrong(node.value.what)
            return self.convert(node, path, reading)
        except Wrong as wrong:
            reading.wrong(node.place, path, str(wrong))
            return INVALID

    @abstractmethod
    def convert(self, node: Node, path: str, reading: Reading) -> Any:
        """Return the value of *node*.

        Raises:
            Wrong: It is not of this kind.
        """

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the value."""

    def expected(self, node: Node) -> Wrong:
        """The error for a value of another type."""
        return Wrong(f"expected {self.noun}, found {node.description}")


class Flag(Scalar):
    """``true`` or ``false``."""

    noun = "true or false"

    def convert(self, node: Node, path: str, reading: Reading) -> bool:
        """Return the boolean."""
        value = resolve_plain(node.raw) if node.from_variable else node.value
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in {"yes", "no", "on", "off"}:
            meant = "true" if value.lower() in {"yes", "on"} else "false"
            raise Wrong(f"expected true or false, found {quote(value)}; did you mean {meant}?")
        raise self.expected(node)

    def schema(self) -> dict[str, Any]:
        """A boolean, or a text with a variable."""
        return {"anyOf": [{"type": "boolean"}, VARIABLE]}


@dataclass(frozen=True, slots=True)
class Number(Scalar):
    """A whole number between two bounds, both included."""

    noun = "a whole number"
    minimum: int
    maximum: int

    def convert(self, node: Node, path: str, reading: Reading) -> int:
        """Return the number."""
        value = resolve_plain(node.raw) if node.from_variable else node.value
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.expected(node)
        if not self.minimum <= value <= self.maximum:
            raise Wrong(f"{value} is out of range; {self.minimum} to {self.maximum} is possible")
        return value

    def schema(self) -> dict[str, Any]:
        """A bounded integer, or a text with a variable."""
        bounds = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return {"anyOf": [bounds, VARIABLE]}


@dataclass(frozen=True, slots=True)
class Size(Scalar):
    """A number of bytes between two bounds, both included."""

    noun = "a size such as 5MiB"
    minimum: int
    maximum: int

    def convert(self, node: Node, path: str, reading: Reading) -> int:
        """Return the size in bytes."""
        if isinstance(node.value, bool) or not isinstance(node.value, (int, str)):
            raise self.expected(node)
        try:
            size = units.parse_size(node.raw)
        except ValueError as problem:
            raise Wrong(f"{quote(node.raw)} {problem}") from None
        if not self.minimum <= size <= self.maximum:
            low, high = units.format_size(self.minimum), units.format_size(self.maximum)
            raise Wrong(f"{node.raw} is out of range; {low} to {high} is possible")
        return size

    def schema(self) -> dict[str, Any]:
        """An integer, or a text with a unit or a variable."""
        text = {"type": "string", "pattern": f"^(?:{units.SIZE_PATTERN})$"}
        number = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return {"anyOf": [text, number, VARIABLE]}


@dataclass(frozen=True, slots=True)
class Time(Scalar):
    """A duration between two bounds in seconds, both included."""

    noun = "a duration such as 5s"
    minimum: float
    maximum: float

    def convert(self, node: Node, path: str, reading: Reading) -> float:
        """Return the duration in seconds."""
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float, str)):
            raise self.expected(node)
        try:
            seconds = units.parse_duration(node.raw)
        except ValueError as problem:
            raise Wrong(f"{quote(node.raw)} {problem}") from None
        if not self.minimum <= seconds <= self.maximum:
            low, high = units.format_duration(self.minimum), units.format_duration(self.maximum)
            raise Wrong(f"{node.raw} is out of range; {low} to {high} is possible")
        return seconds

    def schema(self) -> dict[str, Any]:
        """A text with units or a variable, or 0."""
        text = {"type": "string", "pattern": f"^(?:{units.DURATION_PATTERN}|0)$"}
        return {"anyOf": [text, {"const": 0}, VARIABLE]}


@dataclass(frozen=True, slots=True)
class Choice(Scalar):
    """One of a few words.

    Attributes:
        words: As they are meant to be written.
        later: Words that a later version will know.
        any_case: Whether ``info`` is understood where ``INFO`` is meant.
        or_flag: Whether true and false are possible as well.
    """

    noun = "a word"
    words: tuple[str, ...]
    later: tuple[str, ...] = ()
    any_case: bool = False
    or_flag: bool = False

    def convert(self, node: Node, path: str, reading: Reading) -> str | bool:
        """Return the word as *words* has it, or the boolean."""
        value = resolve_plain(node.raw) if node.from_variable else node.value
        if self.or_flag and isinstance(value, bool):
            return value
        possible = (*self.words, "true", "false") if self.or_flag else self.words
        if not isinstance(value, str):
            raise Wrong(f"expected one of {', '.join(possible)}, found {node.description}")
        word = value.upper() if self.any_case else value
        if word in self.words:
            return word
        if word in self.later:
            raise Wrong(not_available(quote(value)))
        name = path.rpartition(".")[2]
        raise Wrong(f"unknown {name} {quote(value)}{did_you_mean(value, possible)}")

    def schema(self) -> dict[str, Any]:
        """The words, or a text with a variable."""
        words = [*self.words, *(word.lower() for word in self.words if self.any_case)]
        possible: list[dict[str, Any]] = [{"enum": words}]
        if self.or_flag:
            possible.append({"type": "boolean"})
        return {"anyOf": [*possible, VARIABLE]}


@dataclass(frozen=True, slots=True)
class Text(Scalar):
    """A text; numbers are taken as they are written.

    Attributes:
        check: Returns the text as it is to be used, or raises ValueError with what is wrong,
            written to be read after the path of the setting.
    """

    noun = "a text"
    check: Callable[[str], str] | None = None

    def convert(self, node: Node, path: str, reading: Reading) -> str:
        """Return the text."""
        text = text_of(node, self)
        if not text.strip():
            raise Wrong("is empty")
        if "\0" in text:
            raise Wrong("contains a NUL character")
        try:
            return self.check(text) if self.check else text
        except ValueError as problem:
            raise Wrong(str(problem)) from None

    def schema(self) -> dict[str, Any]:
        """A text or a number."""
        return {"type": ["string", "number"]}


@dataclass(frozen=True, slots=True)
class FilePath(Scalar):
    """A path; relative ones are below the working directory.

    Attributes:
        must_exist: Whether it has to be a file that is there.
    """

    noun = "a path"
    must_exist: bool = False

    def convert(self, node: Node, path: str, reading: Reading) -> Path:
        """Return the absolute path."""
        text = text_of(node, self)
        if not text.strip():
            raise Wrong("is empty")
        if "\0" in text:
            raise Wrong("contains a NUL character")
        result = reading.absolute(text)
        if self.must_exist and not result.is_file():
            raise Wrong(f"there is no file {quote(str(result))}")
        return result

    def schema(self) -> dict[str, Any]:
        """A text."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Secret(Scalar):
    """A text that is never shown.

    Attributes:
        check: Returns the secret as it is to be used, or raises ValueError with what is
            wrong without quoting it.
    """

    noun = "a text"
    check: Callable[[str], str] | None = None

    def convert(self, node: Node, path: str, reading: Reading) -> str:
        """Return the secret."""
        if isinstance(node.value, (list, dict)):
            raise self.expected(node)
        return self.checked(node.raw)

    def checked(self, secret: str) -> str:
        """Return *secret* as it is to be used.

        Raises:
            Wrong: It cannot be one.
        """
        if not secret:
            raise Wrong("is empty")
        if not secret.isprintable():
            raise Wrong("contains a line end or another character that cannot be sent")
        try:
            return self.check(secret) if self.check else secret
        except ValueError as problem:
            raise Wrong(str(problem)) from None

    def schema(self) -> dict[str, Any]:
        """A text or a number."""
        return {"type": ["string", "number"]}


@dataclass(frozen=True, slots=True)
class InFile:
    """A secret, and the file that it stands in."""

    path: Path
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretFile(Scalar):
    """The path of a file with a secret in it; white space at its end is no part of it."""

    noun = "a path"
    secret: Secret

    def convert(self, node: Node, path: str, reading: Reading) -> InFile:
        """Return the path, and the secret that stands in the file."""
        file: Path = FilePath().convert(node, path, reading)
        return InFile(file, self.content(file))

    def content(self, file: Path) -> str:
        """Return the secret that stands in *file*.

        Raises:
            Wrong: It cannot be read or holds none; the words quote nothing of it.
        """
        try:
            with file.open("rb") as opened:
                content = opened.read(SECRET_FILE_MAX_BYTES + 1)
        except OSError as error:
            raise Wrong(f"cannot read {quote(str(file))}: {error.strerror}") from None
        if len(content) > SECRET_FILE_MAX_BYTES:
            raise Wrong(f"{quote(str(file))} is too large to hold a secret")
        try:
            return self.secret.checked(content.decode("utf-8").rstrip())
        except UnicodeDecodeError:
            raise Wrong(f"{quote(str(file))} is not UTF-8") from None
        except Wrong as wrong:
            raise Wrong(f"the content of {quote(str(file))} {wrong}") from None

    def schema(self) -> dict[str, Any]:
        """A text."""
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; a single value is a list of one, nothing the empty list."""

    item: Kind
    at_least_one: bool = False

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """Return a tuple, in order; `INVALID` when an item is wrong."""
        if isinstance(node.value, list):
            items = [(child, f"{path}[{i}]") for i, child in enumerate(node.value)]
        else:
            items = [] if node.value is None else [(node, path)]
        if self.at_least_one and not items:
            reading.wrong(node.place, path, "is empty; at least one is needed")
            return INVALID
        values = tuple(self.item.read(child, where, reading) for child, where in items)
        return INVALID if any(value is INVALID for value in values) else values

    def schema(self) -> dict[str, Any]:
        """A list or one of its items."""
        item = self.item.schema()
        items: dict[str, Any] = {"type": "array", "items": item}
        if self.at_least_one:
            return {"anyOf": [{**items, "minItems": 1}, item]}
        return {"anyOf": [items, item, {"type": "null"}]}


def text_of(node: Node, kind: Scalar) -> str:
    """Return the text of a scalar as written.

    Raises:
        Wrong: It is a boolean, nothing, a list or a mapping.
    """
    if isinstance(node.value, str) or (node.from_variable and node.value is not None):
        return node.raw
    if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return node.raw
    raise kind.expected(node)
