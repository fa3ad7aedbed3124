"""What ``logship check --live`` looks at: the servers, the files, the state folder."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from logship.cli.check_plan import counted, matching_files
from logship.elastic import Elastic
from logship.errors import BadReply, ElasticError, ErrorReply
from logship.indices.overriding import overriding
from logship.indices.setup import is_in_place
from logship.settings.model import ElasticsearchSettings, Settings
from logship.sinks.elasticsearch.template import template_name
from logship.sinks.elasticsearch.version import too_old, version_of

__all__ = ["check_live"]

TIMEOUT_SECONDS = 10.0


def check_live(settings: Settings) -> bool:
    """Try what the agent will need and print what was found; what fails goes to stderr.

    Returns:
        Whether everything is within reach.
    """
    problems = list(_unreadable_files(settings)) + list(_unusable_state_dir(settings.state_dir))
    unreachable = asyncio.run(_check_servers(settings.elasticsearch))
    problems += unreachable
    if settings.index.template and not unreachable:
        problems += asyncio.run(_check_template(settings))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(counted(len(problems), "problem"), file=sys.stderr)
    return not problems


async def _check_servers(settings: ElasticsearchSettings) -> list[str]:
    """Each on its own: one that answers would hide the others."""
    single = [replace(settings, hosts=(host,)) for host in settings.hosts] or [settings]
    answers = await asyncio.gather(*(_check_server(server) for server in single))
    return [problem for problem in answers if problem]


async def _check_server(settings: ElasticsearchSettings) -> str:
    elastic = Elastic(settings)
    url = elastic.urls[0]
    try:
        timeout = min(TIMEOUT_SECONDS, settings.timeout_seconds)
        body = (await elastic.request("GET", "/", timeout_seconds=timeout)).json()
        print(f"{url} answers: {_describe(body)}")
        if problem := too_old(version_of(body)):
            return f"{url}: {problem}"
    except ErrorReply as error:
        if error.status == 403:
            # A key that may only write is enough for the agent.
            print(f"{url} answers, and knows these credentials")
            return ""
        if error.status == 401:
            return f"{url}: the credentials are missing or wrong ({error})"
        if error.type:
            return f"{url}: {error}"
        return f"{url}: {error}; is this the address of Elasticsearch itself?"
    except BadReply as error:
        return f"{url}: answers, but not as Elasticsearch does ({error})"
    except ElasticError as error:
        return f"{url}: cannot be reached ({error})"
    finally:
        await elastic.close()
    return ""


async def _check_template(settings: Settings) -> list[str]:
    """Say whether the index template is there; returns which others win against it."""
    elastic = Elastic(settings.elasticsearch)
    name = template_name(settings.index)
    try:
        is_there = await is_in_place(elastic, settings.index)
        found = "is in place" if is_there else "is not there yet: the agent puts it at its start"
        print(f"index template {name} {found}")
        return await overriding(elastic, settings.index)
    except ElasticError as error:
        # A key that may only write is enough where somebody else puts the template.
        print(f"index template {name} cannot be looked at ({error})")
        return []
    finally:
        await elastic.close()


def _describe(body: object) -> str:
    try:  # another server may answer anything: what is not as expected is caught below
        version, cluster = body["version"], body["cluster_name"]  # type: ignore[index]
        product = version.get("distribution", "elasticsearch")
        return f'{product} {version["number"]}, cluster "{cluster}"'
    except (KeyError, TypeError, AttributeError):
        raise BadReply("no version in the reply to GET /") from None


def _unreadable_files(settings: Settings) -> Iterator[str]:
    readable = 0
    for source in settings.sources:
        for path in {path for found in matching_files(source).values() for path in found}:
            try:
                with open(path, "rb"):
                    readable += 1
            except OSError as error:
                yield f"{path}: cannot be read: {error.strerror} (source {source.name})"
    print(f"{counted(readable, 'file')} can be read")


def _unusable_state_dir(state_dir: Path) -> Iterator[str]:
    """The folder is made at the first start, so the nearest one that is there counts."""
    nearest = next(folder for folder in (state_dir, *state_dir.parents) if folder.exists())
    if not nearest.is_dir():
        yield f"{state_dir}: {nearest} is no folder"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield f"{state_dir}: {nearest} cannot be written; give another with --state-dir"
