"""The settings of the example are settings, and fit what stands around them."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import yaml

from logship.settings.load import load_settings
from logship.settings.model import Settings

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
AGENT = COMPOSE["services"]["shop-logship"]


def example() -> Settings:
    """What the agent in the container gets from the image, the compose file and its settings."""
    image = re.findall(r"(LOGSHIP_\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text())
    environment = {**dict(image), **AGENT["environment"]}
    path = DEPLOY / "logship.yaml"
    return load_settings(path, environment=environment, working_dir=DEPLOY, user_id=10001).settings


def test_agent_reads_the_file_that_the_application_writes() -> None:
    """The path in the sample's image matches the source's glob."""
    command = (DEPLOY / "sample" / "Dockerfile").read_text().splitlines()[-1]
    written = command.removeprefix("CMD ").strip('["]')
    assert [fnmatch(written, glob) for glob in example().sources[0].paths] == [True]


def test_agent_ships_to_the_elasticsearch_of_the_example() -> None:
    """The URL names a service of the compose file."""
    hosts = [
        host.removeprefix("http://").partition(":")[0] for host in example().elasticsearch.hosts
    ]
    assert [host in COMPOSE["services"] for host in hosts] == [True]


def test_state_lies_on_the_volume() -> None:
    """State survives the container, since a volume is mounted where the agent keeps it."""
    mounted = [mount.split(":")[1] for mount in AGENT["volumes"]]
    assert str(example().state_dir) in mounted


def test_container_is_given_longer_than_the_agent_takes_to_stop() -> None:
    """Docker kills only after the agent's own deadline."""
    grace_seconds = float(AGENT["stop_grace_period"].removesuffix("s"))
    assert grace_seconds > example().shutdown_timeout_seconds
