"""The example in ``deploy/`` hangs together: nothing in it names what is not there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
AGENT = COMPOSE["services"]["shop-logship"]


def mounts(service: str) -> list[list[str]]:
    return [mount.split(":") for mount in COMPOSE["services"][service].get("volumes", [])]


def instructions(dockerfile: Path) -> list[list[str]]:
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [shlex.split(line) for line in lines]


def test_mounted_volumes_are_declared_and_mounted_files_exist() -> None:
    """Every named volume is declared, every mounted path lies in the folder, and none is left."""
    sources = {mount[0] for service in COMPOSE["services"] for mount in mounts(service)}
    paths = {source for source in sources if source.startswith(".")}
    assert [path for path in paths if not (DEPLOY / path).exists()] == []
    assert sources - paths == set(COMPOSE["volumes"])


def test_builds_name_folders_and_dockerfiles_that_exist() -> None:
    """Every image that is built here has its context and its Dockerfile."""
    builds = [service["build"] for service in COMPOSE["services"].values() if "build" in service]
    assert len(builds) == 2
    for build in builds:
        assert (DEPLOY / build["context"] / build.get("dockerfile", "Dockerfile")).is_file()


def test_sidecar_reads_the_logs_of_the_application_and_cannot_write_them() -> None:
    """Application and sidecar share one volume; the sidecar has it read-only."""
    written = {mount[0]: mount[1] for mount in mounts("shop")}
    shared = [mount for mount in mounts("shop-logship") if mount[0] in written]
    assert [[mount[0], mount[2]] for mount in shared] == [["shop-logs", "ro"]]


def test_state_of_the_sidecar_is_where_the_image_keeps_it() -> None:
    """The agent's state is on a writable volume at the path that the image declares."""
    volumes = [line[1] for line in instructions(DEPLOY / "Dockerfile") if line[0] == "VOLUME"]
    kept = [mount[1] for mount in mounts("shop-logship") if mount[0] == "shop-logship-state"]
    assert volumes == kept == ["/var/lib/logship"]
    assert AGENT["read_only"]


def test_image_runs_the_settings_file_that_compose_mounts() -> None:
    """The command of the image names the path at which the settings are mounted."""
    last = [line for line in instructions(DEPLOY / "Dockerfile") if line[0] == "CMD"][-1]
    mounted = [mount[1] for mount in mounts("shop-logship") if mount[0] == "./logship.yaml"]
    assert "".join(last[1:]).strip("[]").split(",")[-1] == mounted[0]


def test_image_does_not_run_as_root() -> None:
    """The agent's user is a number other than 0, so that Kubernetes can check it."""
    users = [line[1] for line in instructions(DEPLOY / "Dockerfile") if line[0] == "USER"]
    assert users == ["10001:10001"]


def test_what_the_build_copies_exists_and_is_not_ignored() -> None:
    """``.dockerignore`` lets through exactly what the Dockerfile copies."""
    copies = [line[1:-1] for line in instructions(DEPLOY / "Dockerfile") if line[0] == "COPY"]
    sources = {
        source.removeprefix("./")
        for copy in copies
        if not copy[0].startswith("--from")
        for source in copy
    }
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert sources == {line[1:] for line in ignore if line.startswith("!")}
    assert [source for source in sources if not (ROOT / source).exists()] == []
