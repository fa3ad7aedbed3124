"""The settings as typed objects: what the rest of the code sees.

Every default stands here and nowhere else. Times are seconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "AgentSettings",
    "DeadLetterSettings",
    "DeliverySettings",
    "ElasticsearchSettings",
    "IndexSettings",
    "LogSettings",
    "MultilineSettings",
    "ProcessorSettings",
    "Schema",
    "Settings",
    "SourceSettings",
    "SpoolSettings",
]

Schema = Literal["flat", "ecs"]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """``agent``: who this agent is.

    Attributes:
        id: Names this host in document ids; None derives it from the machine.
    """

    id: str | None = None


@dataclass(frozen=True, slots=True)
class ElasticsearchSettings:
    """``elasticsearch``: where documents go.

    Attributes:
        hosts: URLs; empty only when *cloud_id* is given.
        api_key_file: Where *api_key* was read from, and is read again when it changes; likewise
            the other files of secrets.
        proxy: URL of an HTTP proxy, which may hold a user and a password.
        compression: gzip request bodies. ``auto`` compresses unless every host is this machine.
        timeout_seconds: For one request, connect to last byte.
    """

    hosts: tuple[str, ...] = ("http://localhost:9200",)
    cloud_id: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_key_file: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None
    bearer_token: str | None = field(default=None, repr=False)
    bearer_token_file: Path | None = None
    ca_certs: Path | None = None
    ca_fingerprint: str | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    verify: bool = True
    proxy: str | None = field(default=None, repr=False)
    compression: bool | Literal["auto"] = "auto"
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """``index``: which index a document goes to, and its template.

    Attributes:
        name: Pattern with strftime's ``%Y %m %d %H`` and ``{field}`` of the record.
        data_stream: The data stream that everything goes to instead; None goes by *name*.
        timezone: IANA name; whose midnight divides the days.
        template: Whether the index template is kept up to date.
        retention_seconds: Indices are deleted when all that they can hold is older; None keeps.
        accept_past_seconds: Older records count as without time; None accepts all since 2000.
        accept_future_seconds: Records further ahead of the reading count as without time.
    """

    name: str = "logs-%Y.%m.%d"
    data_stream: str | None = None
    timezone: str = "UTC"
    template: bool = True
    shards: int = 1
    replicas: int = 1
    refresh_interval_seconds: float = 1.0
    retention_seconds: float | None = None
    accept_past_seconds: float | None = None
    accept_future_seconds: float = DAY_SECONDS


@dataclass(frozen=True, slots=True)
class ProcessorSettings:
    """One entry under ``processors``.

    Attributes:
        verb: Which processor, for example ``add_fields``.
        options: Its options as given in the settings, checked for their types.
        where: ``file:line:column`` of the entry, for messages.
    """

    verb: str
    options: Mapping[str, Any]
    where: str = ""


@dataclass(frozen=True, slots=True)
class MultilineSettings:
    """``multiline`` of a source: which lines are one event. One of the first five is given.

    Attributes:
        preset: As a language's runtime writes its stack traces.
        start: Regular expression of lines that begin an event.
        continuation: Of lines that go on with the one before.
        end: Of lines that end an event.
        pattern: Filebeat's, with *negate* and *match*.
        max_lines: More lines of one event are cut off.
        timeout_seconds: An event is given out when nothing followed it for so long.
    """

    preset: str | None = None
    start: str | None = None
    continuation: str | None = None
    end: str | None = None
    pattern: str | None = None
    negate: bool = False
    match: Literal["after", "before"] = "after"
    max_lines: int = 1000
    max_bytes: int = MIB
    timeout_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One entry under ``sources``.

    Attributes:
        name: Unique among the sources; labels metrics and log lines.
        type: ``file``, or ``spool``: documents that handlers left, shipped as they were made.
        paths: Globs, of files or of spool folders; absolute.
        exclude: Globs of files to leave out: absolute, or without a slash about file names.
        rotated: Globs of where rotated files go when not beside the original; absolute.
        follow_links: Which symbolic links are followed.
        format: How a line becomes a record.
        timezone: IANA name or ``local``: of times that carry none.
        multiline: Which lines are one event; None: each is.
        start_at: Where to begin in files that are seen the first time.
        compressed: Whether compressed files are read.
        incomplete_after_seconds: A last line without newline is shipped after this; None: never.
        encoding: Name of Python's codec. utf-16 and utf-32 go by the byte order mark, and are
            little endian without one.
        delimiter: What ends a line.
        max_line_bytes: Longer lines are cut there and tagged, or skipped, as *long_lines* says.
        scan_interval_seconds: How often the globs are looked at besides notifications.
        rotate_wait_seconds: How long a rotated file without growth is kept open.
        close_idle_seconds: After this long without growth a file's descriptor is closed.
        forget_after_seconds: Checkpoints of files gone for this long are removed.
        fields: Put at the root of every record that does not have them.
    """

    name: str
    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    rotated: tuple[str, ...] = ()
    follow_links: Literal["same_owner", "always", "never"] = "same_owner"
    type: Literal["file", "spool"] = "file"
    format: Literal["auto", "json", "text", "logfmt", "syslog", "cri", "docker"] = "auto"
    timezone: str = "local"
    multiline: MultilineSettings | None = None
    start_at: Literal["beginning", "end"] = "beginning"
    compressed: bool | Literal["auto"] = "auto"
    incomplete_after_seconds: float | None = None
    encoding: str = "utf-8"
    delimiter: str = "\n"
    max_line_bytes: int = MIB
    long_lines: Literal["cut", "skip"] = "cut"
    scan_interval_seconds: float = 10.0
    rotate_wait_seconds: float = 10.0
    close_idle_seconds: float = 300.0
    forget_after_seconds: float = 7 * DAY_SECONDS
    fields: Mapping[str, Any] = field(default_factory=dict)
    processors: tuple[ProcessorSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``delivery``: how documents are batched and sent.

    Attributes:
        batch_age_seconds: A batch goes at the latest this long after its first record was read.
        max_in_flight: Upper end of concurrent bulk requests; adapts below it.
        buffer_bytes: Everything read and not yet settled.
        when_full: What happens when the buffer is full: sources wait; or the oldest, or the
            newest, of what is read is dropped; or that is put aside in ``state_dir/spool``.
        rejected: What happens to documents that Elasticsearch refuses for good.
        ids: ``stable`` makes a replay change nothing; ``none`` lets Elasticsearch choose.
    """

    batch_bytes: int = 5 * MIB
    batch_records: int = 5000
    batch_age_seconds: float = 1.0
    max_in_flight: int = 4
    buffer_bytes: int = 32 * MIB
    when_full: Literal["wait", "drop_oldest", "drop_newest", "spool"] = "wait"
    rejected: Literal["dead_letter", "drop"] = "dead_letter"
    ids: Literal["stable", "none"] = "stable"


@dataclass(frozen=True, slots=True)
class HeldSettings:
    """``held``: documents that the cluster, not their content, keeps out for now.

    Attributes:
        after_seconds: They are retried in memory for this long, then from a file.
        max_bytes: At this size of the files sources wait.
        limit_seconds: What was held for so long becomes a dead letter; None: never.
    """

    after_seconds: float = 30.0
    max_bytes: int = GIB
    limit_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterSettings:
    """``dead_letters``: bounds of the dead-letter files.

    Attributes:
        max_bytes: At this size delivery of what is rejected waits.
        max_age_seconds: Older entries are removed, whole days at a time.
    """

    max_bytes: int = GIB
    max_age_seconds: float = 30 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """``spool``: what is put aside when the buffer is full.

    Attributes:
        max_bytes: At this size of the files sources wait.
    """

    max_bytes: int = GIB


@dataclass(frozen=True, slots=True)
class LogSettings:
    """``log``: logship's own log on stderr."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["auto", "text", "json"] = "auto"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that ``logship run`` works from.

    Attributes:
        schema: How fields are named where they are stored: logship's own way, or by the Elastic
            Common Schema.
        processors: Of every source, after the source's own.
        state_dir: Where checkpoints, dead letters and the agent's identity are kept.
        shutdown_timeout_seconds: From the signal to the end, delivery included.
    """

    agent: AgentSettings = field(default_factory=AgentSettings)
    elasticsearch: ElasticsearchSettings = field(default_factory=ElasticsearchSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    schema: Schema = "flat"
    sources: tuple[SourceSettings, ...] = ()
    processors: tuple[ProcessorSettings, ...] = ()
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    held: HeldSettings = field(default_factory=HeldSettings)
    dead_letters: DeadLetterSettings = field(default_factory=DeadLetterSettings)
    spool: SpoolSettings = field(default_factory=SpoolSettings)
    log: LogSettings = field(default_factory=LogSettings)
    state_dir: Path = Path("/var/lib/logship")
    shutdown_timeout_seconds: float = 25.0
