"""Sources come, go and are renamed: their files are shipped once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from logship.settings.model import SourceSettings
from tests.support.agent import AgentThread, quick_settings
from tests.support.elastic_fake import ElasticFake


@pytest.fixture
def fake() -> Any:
    with ElasticFake() as server:
        yield server


def test_a_renamed_source_ships_nothing_again(fake: ElasticFake, tmp_path: Path) -> None:
    """Files stay known under their source's new name, and what is new in them is shipped."""
    log = tmp_path / "app.log"
    log.write_text("same banner\none\n")
    (tmp_path / "other.log").write_text("same banner\ntwo\n")
    for name in ("before", "after"):
        sources = [SourceSettings(name, (f"{tmp_path}/*.log",))]
        settings = quick_settings(fake.url, [], tmp_path / "state", sources=sources)
        AgentThread(settings, once=True).join()
        with log.open("a") as file:
            file.write(f"after {name}\n")
    assert fake.found() == {"same banner": 2, "one": 1, "two": 1, "after before": 1}
    assert set(fake.copies.values()) == {1}
