from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from logship.errors import SettingsError
from logship.settings.load import Loaded, Override, load_settings

Load = Callable[..., Loaded]
Mistakes = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a text as ``logship.yaml`` in a folder of its own, for root, at home in /home/ada."""

    def load_text(
        text: str | bytes | None,
        environment: Mapping[str, str] | None = None,
        overrides: Sequence[Override] = (),
        user_id: int = 0,
    ) -> Loaded:
        path = None
        if text is not None:
            path = Path("logship.yaml")
            data = text.encode() if isinstance(text, str) else text
            (tmp_path / path).write_bytes(data)
        return load_settings(
            path,
            environment={"HOME": "/home/ada", **(environment or {})},
            working_dir=tmp_path,
            overrides=overrides,
            user_id=user_id,
        )

    return load_text


@pytest.fixture
def mistakes(load: Load) -> Mistakes:
    """The mistakes in a text, one line each."""

    def mistakes_of(
        text: str | bytes | None,
        environment: Mapping[str, str] | None = None,
        overrides: Sequence[Override] = (),
    ) -> list[str]:
        with pytest.raises(SettingsError) as raised:
            load(text, environment, overrides)
        return [str(mistake) for mistake in raised.value.mistakes]

    return mistakes_of
