"""``logship search``: the newest records that match, printed oldest first."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from logship.cli.command import add_command

if TYPE_CHECKING:
    from datetime import tzinfo

    from logship.search.client import AsyncLogSearch
    from logship.search.render import Look
    from logship.search.request import Request, Wanted
    from logship.search.result import SearchResult
    from logship.settings.model import ElasticsearchSettings

__all__ = ["add_parser", "run"]

FOUND, NOTHING, FAILED, PARTIAL = 0, 1, 2, 3
BASE_FIELDS = ("@timestamp", "level", "log.level", "service", "service.name", "message")

DESCRIPTION = """\
Print the newest 200 records of the last 15 minutes that match, oldest first.

QUERY reads as in Kibana: level:ERROR and service:api, status:[400 TO 599],
duration_ms:>1000, status >= 400 and not path:"/health", pay*, user_id:*, "a phrase".
Words without a field are looked for in the message. Without a QUERY everything matches.
A QUERY that begins with - comes after --.

Times are 15m, 1h30m, 14:05, today, "yesterday 14:00", 2026-11-21, ISO 8601, seconds or
milliseconds since 1970, or date math like now-1d/d. Without a zone they are local.
"""
EPILOG = """\
examples:
  logship search                                      # the last 15 minutes
  logship search -l error -S 1h                       # errors and worse of the last hour
  logship search 'service:api and duration_ms:>500'   # slow requests
  logship search timeout -S yesterday -U today        # of yesterday
  logship search --trace 4bf92f3577b34da6a3ce929d0e0e4736
  logship search -w user_id=u1 -w 'status>=500' -n 20 # a user's newest 20 failures
  logship search -o json -S 1h -n all > hour.jsonl    # one JSON object per line
  logship search -S 24h --count level:ERROR           # how many

environment:
  LOGSHIP_ES_URL, LOGSHIP_ES_API_KEY, LOGSHIP_ES_USERNAME, LOGSHIP_ES_PASSWORD, LOGSHIP_INDEX,
  NO_COLOR; flags come first

exit status:
  0 found, 1 nothing found, 2 error, 3 the result is incomplete, 130 interrupted
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``search`` to the commands."""
    parser = add_command(
        subparsers,
        "search",
        "find records: newest 200 of the last 15 minutes, printed oldest first",
        DESCRIPTION,
        run,
        epilog=EPILOG,
    )
    # A private attribute, but the only way to let "-S -2h" be a value and not an option.
    parser._negative_number_matcher = re.compile(r"-\d.*")
    parser.add_argument("query", nargs="*", metavar="QUERY", help="what to find (default: all)")
    _add_selection(parser)
    _add_output(parser)
    _add_connection(parser)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to find")
    add = group.add_argument
    add("-S", "--since", metavar="TIME", help="from then on (default: 15m before the end)")
    add("-U", "--until", metavar="TIME", help="up to then, not included (default: open)")
    add("-z", "--timezone", metavar="ZONE", help="of times: Europe/Berlin, +02:00, utc, local")
    add(
        "-n",
        "--limit",
        metavar="N",
        type=_limit,
        default=200,
        help='at most N records, the newest; or "all" (default: 200)',
    )
    add("-l", "--level", metavar="LEVEL", help="this level and above, in any case")
    add(
        "-w",
        "--where",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="also !=, >=, <=, >, < and ~= (contains); repeatable, all must hold",
    )
    add("--service", metavar="NAME", help="of this service")
    add("--host", metavar="NAME", help="of this host (host.name)")
    add("--logger", metavar="NAME", help="of this logger")
    add("--trace", metavar="ID", help="of this trace, at any time; a traceparent works, too")
    add("-i", "--index", metavar="PATTERN", help="indices to look in (default: logs-*)")
    add("--lucene", action="store_true", help="QUERY goes to Elasticsearch's query_string as it is")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to print")
    add = group.add_argument
    add("-r", "--reverse", action="store_true", help="newest first")
    add(
        "-F",
        "--fields",
        metavar="FIELDS",
        action="append",
        default=[],
        help="only these fields, comma-separated; beside the message when pretty",
    )
    add(
        "-o",
        "--output",
        choices=("pretty", "short", "json"),
        default="pretty",
        help="pretty: for people; short: one line each; json: one object per line",
    )
    add("--count", action="store_true", help="print how many there are")
    add("--dry-run", action="store_true", help="print the request and do not send it")
    add("--color", choices=("auto", "always", "never"), default="auto", help="default: auto")
    add("-q", "--quiet", action="store_true", help="say nothing on stderr but errors")


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--url", metavar="URL", help="of Elasticsearch (default: http://localhost:9200)"
    )
    group.add_argument("--api-key", metavar="KEY", help="better in LOGSHIP_ES_API_KEY")


def run(arguments: argparse.Namespace) -> int:
    """Search as *arguments* say, print what is found and return the exit status."""
    import asyncio

    from logship.errors import LogshipError

    try:
        return asyncio.run(_run(arguments, os.environ))
    except (LogshipError, ValueError) as error:
        _say_error(error, arguments)
        return FAILED


async def _run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from logship.search.client import AsyncLogSearch
    from logship.search.request import DEFAULT_INDEX, index_pattern

    index = arguments.index or index_pattern(environment.get("LOGSHIP_INDEX") or DEFAULT_INDEX)
    async with AsyncLogSearch(
        settings=_connection(arguments, environment), index=index, timezone=arguments.timezone
    ) as search:
        request = search.plan(_wanted(arguments), _fetched_fields(arguments))
        if arguments.dry_run:
            _print_request(search, request, count=arguments.count)
            return FOUND
        if not arguments.quiet:
            _say_range(search, request)
        if arguments.count:
            result = await search.count(request)
        else:
            result = await search.find(request, reverse=arguments.reverse)
    if arguments.count:
        print(result.total)
    else:
        _print_lines(_lines(result, arguments, search.zone))
    sys.stdout.flush()
    _say_summary(result, arguments, index)
    if result.is_partial:
        return PARTIAL
    return FOUND if result.total else NOTHING


def _wanted(arguments: argparse.Namespace) -> Wanted:
    from logship.search.request import Wanted

    return Wanted(
        query=" ".join(arguments.query),
        since=arguments.since,
        until=arguments.until,
        level=arguments.level,
        service=arguments.service,
        host=arguments.host,
        logger=arguments.logger,
        trace=arguments.trace,
        where=arguments.where,
        limit=arguments.limit,
        lucene=arguments.lucene,
    )


def _connection(
    arguments: argparse.Namespace, environment: Mapping[str, str]
) -> ElasticsearchSettings:
    from logship.settings.model import ElasticsearchSettings

    url = arguments.url or environment.get("LOGSHIP_ES_URL") or "http://localhost:9200"
    return ElasticsearchSettings(
        hosts=tuple(one.strip() for one in url.split(",") if one.strip()),
        api_key=arguments.api_key or environment.get("LOGSHIP_ES_API_KEY") or None,
        username=environment.get("LOGSHIP_ES_USERNAME") or None,
        password=environment.get("LOGSHIP_ES_PASSWORD") or None,
    )


def _fields(arguments: argparse.Namespace) -> list[str]:
    names = ",".join(arguments.fields).split(",")
    return [name.strip() for name in names if name.strip()]


def _fetched_fields(arguments: argparse.Namespace) -> Sequence[str]:
    fields = _fields(arguments)
    if not fields or arguments.output == "json":
        return fields
    return [*BASE_FIELDS, *fields]


def _lines(result: SearchResult, arguments: argparse.Namespace, zone: tzinfo) -> Iterable[str]:
    from logship.search.render import PrettyLines, json_line, short_line

    fields = _fields(arguments)
    if arguments.output == "json":
        for record in result.records:
            yield json_line(record, fields)
        return
    look = _look(result, arguments, zone)
    if arguments.output == "short":
        for record in result.records:
            yield short_line(record, look)
        return
    pretty = PrettyLines(look)
    pretty.measure(result.records)
    for record in result.records:
        yield from pretty.lines(record)


def _look(result: SearchResult, arguments: argparse.Namespace, zone: tzinfo) -> Look:
    from logship.search.render import Look, local_time

    is_terminal = sys.stdout.isatty()
    today = datetime.now(zone).date()
    times = (local_time(record, zone) for record in result.records)
    return Look(
        color=_colors(arguments.color, os.environ, is_terminal=is_terminal),
        columns=shutil.get_terminal_size().columns if is_terminal else None,
        zone=zone,
        fields=_fields(arguments),
        with_date=not is_terminal or any(time and time.date() != today for time in times),
    )


def _colors(wanted: str, environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    if wanted != "auto":
        return wanted == "always"
    return is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def _print_lines(lines: Iterable[str]) -> None:
    # A terminal that is not UTF-8 shows escapes instead of failing.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    for line in lines:
        print(line)


def _print_request(search: AsyncLogSearch, request: Request, *, count: bool) -> None:
    from logship.search.paging import count_body, search_path

    body: dict[str, Any] = count_body(request) if count else request.body
    url = search.settings.hosts[0].rstrip("/")
    print(f"POST {_masked(url)}{search_path(search.index)}?ignore_unavailable=true")
    if search.settings.api_key or search.settings.username:
        print("Authorization: ***")
    print(json.dumps(body, indent=2, ensure_ascii=False))


def _masked(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)


def _say_range(search: AsyncLogSearch, request: Request) -> None:
    from logship.search.times import zone_name

    def shown(moment: datetime) -> str:
        return moment.astimezone(search.zone).isoformat(" ", "seconds")[:19]

    if request.since is None and request.until is None:
        span = "all times that the query allows"
    else:
        since = "the beginning" if request.since is None else shown(request.since)
        until = "now" if request.until is None else shown(request.until)
        name = zone_name(search.zone, request.since or datetime.now(search.zone))
        span = f"{since} to {until} ({name})"
    url = _masked(search.settings.hosts[0])
    print(f"{search.index} on {url}, {span}", file=sys.stderr)


def _say_summary(result: SearchResult, arguments: argparse.Namespace, index: str) -> None:
    from logship.search.terminal import visible

    if result.is_partial:
        reasons = ["the server ran out of time"] if result.timed_out else []
        if result.failed_shards:
            reason = f": {visible(result.failure)}" if result.failure else ""
            failed = f"{result.failed_shards} of {result.total_shards} shards failed"
            reasons.append(failed + reason)
        _say(f"the result is incomplete: {'; '.join(reasons)}")
    if arguments.quiet or arguments.count:
        return
    shown, total = len(result.records), result.total
    if not result.total_shards and not shown:
        print(f"there is no index {index}; -i names others", file=sys.stderr)
    elif not shown:
        print("nothing found; -S 24h looks further back", file=sys.stderr)
    elif shown < total:
        more = "" if result.total_is_exact else "more than "
        print(f"the newest {shown:,} of {more}{total:,}; -n all prints all", file=sys.stderr)


def _say_error(error: Exception, arguments: argparse.Namespace) -> None:
    from logship.errors import ConnectionFailed, ErrorReply
    from logship.search.terminal import visible

    text = visible(str(error))
    if isinstance(error, ConnectionFailed):
        url = arguments.url or os.environ.get("LOGSHIP_ES_URL") or "http://localhost:9200"
        text = f"no reply from {_masked(url)}: {text}\n  --url or LOGSHIP_ES_URL says where it is"
    elif isinstance(error, ErrorReply) and error.status in (401, 403):
        text += "\n  give --api-key, or LOGSHIP_ES_API_KEY, with the right to read the indices"
    _say(text)


def _say(text: str) -> None:
    print(f"logship search: {text}", file=sys.stderr)


def _limit(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of records; write 200 or all')
    return int(text)
