"""Settings of the commands that look into a state folder, with and without a settings file."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from logship.cli.state_options import add_connection_options, add_state_options, load_state
from logship.errors import SettingsError
from logship.settings.load import Loaded


def load(tmp_path: Path, *line: str, **environment: str) -> Loaded:
    parser = argparse.ArgumentParser()
    add_state_options(parser)
    add_connection_options(parser)
    return load_state(
        parser.parse_args(line),
        environment={"HOME": str(tmp_path), **environment},
        working_dir=tmp_path,
    )


def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "logship.yaml"
    path.write_text(
        "state_dir: /srv/state\n"
        "elasticsearch: {hosts: ['http://file:9200'], api_key: from-file}\n"
        "sources: [{name: app, paths: [/var/log/app.log]}]\n"
    )
    return path


def test_without_anything_the_defaults(tmp_path: Path) -> None:
    """Without settings there are the defaults, the default state folder, and no sources."""
    settings = load(tmp_path, XDG_STATE_HOME=str(tmp_path / "xdg")).settings
    assert settings.sources == ()
    assert settings.state_dir in (tmp_path / "xdg" / "logship", Path("/var/lib/logship"))
    assert settings.elasticsearch.hosts == ("http://localhost:9200",)


def test_environment(tmp_path: Path) -> None:
    """Variables give the folder, the server and the sources, as they do for the agent."""
    settings = load(
        tmp_path,
        LOGSHIP_STATE_DIR="/srv/other",
        LOGSHIP_ES_URL="http://env:9200",
        LOGSHIP_PATHS="/var/log/x.log",
    ).settings
    assert settings.state_dir == Path("/srv/other")
    assert settings.elasticsearch.hosts == ("http://env:9200",)
    assert [source.paths for source in settings.sources] == [("/var/log/x.log",)]


def test_the_file_by_flag_or_variable(tmp_path: Path) -> None:
    """The agent's own settings file gives everything."""
    path = str(settings_file(tmp_path))
    for loaded in (load(tmp_path, "-c", path), load(tmp_path, LOGSHIP_CONFIG=path)):
        assert loaded.settings.state_dir == Path("/srv/state")
        assert [source.name for source in loaded.settings.sources] == ["app"]
        assert loaded.settings.elasticsearch.api_key == "from-file"


def test_flags_come_first(tmp_path: Path) -> None:
    """A flag beats the environment, which beats the file."""
    settings = load(
        tmp_path, "-c", str(settings_file(tmp_path)), "--state-dir", "/srv/flag",
        "--url", "http://flag:9200", "--api-key", "from-flag",
        LOGSHIP_STATE_DIR="/srv/env", LOGSHIP_ES_URL="http://env:9200",
    ).settings  # fmt: skip
    assert settings.state_dir == Path("/srv/flag")
    assert settings.elasticsearch.hosts == ("http://flag:9200",)
    assert settings.elasticsearch.api_key == "from-flag"


def test_mistakes_are_said(tmp_path: Path) -> None:
    """A wrong settings file is an error with the place, as everywhere."""
    path = tmp_path / "logship.yaml"
    path.write_text("sources: [{paths: [a.log], fromat: json}]\n")
    with pytest.raises(SettingsError, match=r"logship\.yaml:1:\d+: sources\[0\]"):
        load(tmp_path, "-c", str(path))
