"""Every setting, as data: its name, which values it takes, and what it does.

The loader, ``logship schema`` and the tests all derive from the tables here. Defaults are
not here: they stand in `logship.settings.model`.
"""

from __future__ import annotations

from logship.settings import together
from logship.settings.field_values import Fields
from logship.settings.index_name import check_data_stream, check_index_name
from logship.settings.kinds import (
    Choice,
    FilePath,
    Flag,
    ListOf,
    Number,
    Secret,
    SecretFile,
    Size,
    Text,
    Time,
)
from logship.settings.line_forms import Delimiter, check_encoding
from logship.settings.model import (
    DAY_SECONDS,
    GIB,
    KIB,
    MIB,
    AgentSettings,
    DeadLetterSettings,
    DeliverySettings,
    ElasticsearchSettings,
    HeldSettings,
    IndexSettings,
    LogSettings,
    MultilineSettings,
    Settings,
    SourceSettings,
    SpoolSettings,
)
from logship.settings.processors import Processor
from logship.settings.sections import Key, Section
from logship.settings.texts import (
    check_api_key,
    check_ca_fingerprint,
    check_cloud_id,
    check_glob,
    check_host,
    check_pattern,
    check_proxy,
    check_source_name,
    check_timezone,
    check_timezone_or_local,
    check_token,
    check_username,
)

__all__ = ["SECTIONS", "SETTINGS", "belongs"]

HOUR_SECONDS = 3_600.0
YEARS_SECONDS = 36_500 * DAY_SECONDS
TIB = 1 << 40

API_KEY = Secret(check_api_key)
PASSWORD = Secret()
BEARER_TOKEN = Secret(check_token)

AGENT = Section(
    AgentSettings,
    (
        Key(
            "id",
            Text(),
            "Names this host in document ids; null derives it from the machine.",
        ),
    ),
)

ELASTICSEARCH = Section(
    ElasticsearchSettings,
    (
        Key("hosts", ListOf(Text(check_host), at_least_one=True), "URLs of the cluster's nodes."),
        Key("cloud_id", Text(check_cloud_id), "An Elastic Cloud deployment, instead of hosts."),
        Key("api_key", API_KEY, "An API key, encoded or as id:key."),
        Key(
            "api_key_file", SecretFile(API_KEY), "A file with the API key, re-read when it changes."
        ),
        Key("username", Text(check_username), "User of basic authentication."),
        Key("password", PASSWORD, "Password of that user."),
        Key(
            "password_file",
            SecretFile(PASSWORD),
            "A file with the password, re-read when it changes.",
        ),
        Key("bearer_token", BEARER_TOKEN, "A bearer token."),
        Key(
            "bearer_token_file",
            SecretFile(BEARER_TOKEN),
            "A file with the bearer token, re-read when it changes.",
        ),
        Key(
            "ca_certs", FilePath(must_exist=True), "PEM file with the authorities to trust in TLS."
        ),
        Key(
            "ca_fingerprint",
            Text(check_ca_fingerprint),
            "SHA-256 fingerprint of the authority to trust in TLS.",
        ),
        Key("client_cert", FilePath(must_exist=True), "PEM file with this agent's certificate."),
        Key("client_key", FilePath(must_exist=True), "PEM file with that certificate's key."),
        Key("verify", Flag(), "Whether the server's certificate is verified."),
        Key(
            "proxy",
            Secret(check_proxy),
            "URL of an HTTP proxy on the way, with its user and password if it wants them.",
            nullable=True,
        ),
        Key(
            "compression",
            Choice(("auto",), or_flag=True),
            "Whether request bodies are gzipped; auto does unless every host is this machine.",
        ),
        Key("timeout", Time(0.1, HOUR_SECONDS), "For one request, connect to last byte."),
    ),
    finish=together.finish_elasticsearch,
)

INDEX = Section(
    IndexSettings,
    (
        Key(
            "name",
            Text(check_index_name),
            "Pattern of index names: %Y %m %d %H of the record's own time, {field} of the record.",
        ),
        Key(
            "data_stream",
            Text(check_data_stream),
            "A data stream that everything goes to, instead of indices by name.",
        ),
        Key("timezone", Text(check_timezone), "IANA name; whose midnight divides the days."),
        Key("template", Flag(), "Whether the index template is kept up to date."),
        Key("shards", Number(1, 1024), "Primary shards of new indices."),
        Key("replicas", Number(0, 100), "Copies of each shard in new indices."),
        Key(
            "refresh_interval",
            Time(0.1, DAY_SECONDS),
            "How soon stored records are found by searches.",
        ),
        Key(
            "retention",
            Time(DAY_SECONDS, YEARS_SECONDS),
            "Indices are deleted when everything in them is older; null keeps them.",
        ),
        Key(
            "accept_past",
            Time(1.0, YEARS_SECONDS),
            "Older records count as without time; null accepts all since 2000.",
        ),
        Key(
            "accept_future",
            Time(0.0, YEARS_SECONDS),
            "Records further ahead of the time of reading count as without time.",
        ),
    ),
    finish=together.finish_index,
)

PROCESSORS = ListOf(Processor())

MULTILINE = Section(
    MultilineSettings,
    (
        Key(
            "preset",
            Choice(("java", "python", "go", "node", "ruby", "dotnet", "php", "indented")),
            "As a language's runtime writes its stack traces.",
            nullable=True,
        ),
        Key("start", Text(check_pattern), "Of lines that begin an event.", nullable=True),
        Key(
            "continuation",
            Text(check_pattern),
            "Of lines that go on with the one before.",
            nullable=True,
        ),
        Key("end", Text(check_pattern), "Of lines that end an event.", nullable=True),
        Key("pattern", Text(check_pattern), "Filebeat's, with negate and match.", nullable=True),
        Key("negate", Flag(), "With pattern: lines that it is not found in."),
        Key(
            "match",
            Choice(("after", "before")),
            "With pattern: such lines go on with the line before (after), or with the next.",
        ),
        Key("max_lines", Number(1, 100_000), "More lines of one event are cut off."),
        Key("max_bytes", Size(KIB, 64 * MIB), "What is more of one event is cut off."),
        Key(
            "timeout",
            Time(0.1, HOUR_SECONDS),
            "An event is given out when nothing followed it for so long.",
        ),
    ),
    finish=together.finish_multiline,
)

SOURCE = Section(
    SourceSettings,
    (
        Key(
            "name",
            Text(check_source_name),
            "Unique among the sources; labels metrics and log lines; null derives it from paths.",
            nullable=True,
        ),
        Key(
            "type",
            Choice(("file", "spool"), later=("stdin", "tcp", "udp", "unix", "http", "journald")),
            "Where records come from; spool ships what handlers left in their spool_dir.",
        ),
        Key(
            "paths",
            ListOf(Text(check_glob), at_least_one=True),
            "Globs of the files to read, or of the folders of a spool: *, ?, [abc], and ** for "
            "any number of folders.",
            required="name the files to read, for example /var/log/app/*.log",
        ),
        Key(
            "exclude",
            ListOf(Text(check_glob)),
            "Globs of files to leave out; one without a slash is about file names.",
        ),
        Key(
            "rotated",
            ListOf(Text(check_glob)),
            "Globs of where rotated files go when not beside the original: looked at only to "
            "recognise what was not read to its end.",
        ),
        Key(
            "follow_links",
            Choice(("same_owner", "always", "never")),
            "Whether symbolic links are followed; same_owner does when the link and the file it "
            "leads to have one owner.",
        ),
        Key(
            "format",
            Choice(
                ("auto", "json", "text", "logfmt", "syslog", "cri", "docker"),
                later=(
                    "nginx",
                    "apache",
                    "pattern",
                    "regex",
                ),
            ),
            "How a line becomes a record; auto goes by the first lines of each file.",
        ),
        Key(
            "timezone",
            Text(check_timezone_or_local),
            "IANA name or local: of times in lines that carry none.",
        ),
        Key("multiline", MULTILINE, "Which lines are one event; null: each is.", nullable=True),
        Key(
            "start_at",
            Choice(("beginning", "end")),
            "Where to begin in files that are seen the first time.",
        ),
        Key(
            "compressed",
            Choice(("auto",), or_flag=True),
            "Whether compressed files (.gz, .bz2, .xz, .zst) are read; auto reads them.",
        ),
        Key(
            "incomplete_after",
            Time(0.1, 7 * DAY_SECONDS),
            "Ship a last line without newline after this long; its rest is tagged continued. "
            "null waits for the newline.",
            nullable=True,
        ),
        Key(
            "encoding",
            Text(check_encoding),
            "Of the files: utf-8, utf-16, latin-1, cp1252, shift_jis or any other of Python's.",
        ),
        Key("delimiter", Delimiter(), "What ends a line, in double quotes."),
        Key("max_line_bytes", Size(64, 64 * MIB), "Longer lines are too long."),
        Key(
            "long_lines",
            Choice(("cut", "skip")),
            "What happens to lines that are too long: cut and tagged, or skipped and counted.",
        ),
        Key(
            "scan_interval",
            Time(0.05, HOUR_SECONDS),
            "How often the globs are looked at besides notifications.",
        ),
        Key(
            "rotate_wait",
            Time(0.0, HOUR_SECONDS),
            "How long a rotated file without growth is kept open.",
        ),
        Key(
            "close_idle",
            Time(0.1, 7 * DAY_SECONDS),
            "After this long without growth a file's descriptor is closed.",
        ),
        Key(
            "forget_after",
            Time(1.0, YEARS_SECONDS),
            "Checkpoints of files that are gone for this long are removed.",
        ),
        Key(
            "service",
            Text(),
            "Shorthand for the field service.",
            stands_for="fields",
            nullable=True,
        ),
        Key("fields", Fields(), "Put at the root of every record that does not have them."),
        Key("processors", PROCESSORS, "Of this source only, before those of every source."),
    ),
    later=(
        "pattern",
        "when",
    ),
    finish=together.finish_source,
    placeholders={"name": "", "paths": ()},
)

DELIVERY = Section(
    DeliverySettings,
    (
        Key("batch_bytes", Size(KIB, 100 * MIB), "A batch of this size goes at once."),
        Key("batch_records", Number(1, 100_000), "A batch of this many records goes at once."),
        Key(
            "batch_age",
            Time(0.0, HOUR_SECONDS),
            "A batch goes at the latest this long after its first record was read.",
        ),
        Key(
            "max_in_flight",
            Number(1, 64),
            "Upper end of concurrent bulk requests; adapts below it.",
        ),
        Key(
            "buffer_bytes",
            Size(64 * KIB, 64 * GIB),
            "Everything read and not yet settled; sources wait when it is full.",
        ),
        Key(
            "when_full",
            Choice(("wait", "drop_oldest", "drop_newest", "spool")),
            "What happens when the buffer is full. Sources wait; or records are dropped, counted; "
            "or they are put aside in a file.",
        ),
        Key(
            "rejected",
            Choice(("dead_letter", "drop")),
            "What happens to records that Elasticsearch refuses for good; drop counts them.",
        ),
        Key(
            "ids",
            Choice(("stable", "none")),
            "stable makes a replay change nothing; none lets Elasticsearch choose.",
        ),
    ),
    later=("id_key",),
)

HELD = Section(
    HeldSettings,
    (
        Key(
            "after",
            Time(0.0, HOUR_SECONDS),
            "Held records are retried in memory for this long, then from a file.",
        ),
        Key("max_bytes", Size(KIB, TIB), "At this size of the files sources wait."),
        Key(
            "limit",
            Time(1.0, YEARS_SECONDS),
            "What was held for so long becomes a dead letter; null: never.",
        ),
    ),
)

DEAD_LETTERS = Section(
    DeadLetterSettings,
    (
        Key(
            "max_bytes",
            Size(KIB, TIB),
            "At this size of the dead-letter files, delivery of what is rejected waits.",
        ),
        Key(
            "max_age",
            Time(DAY_SECONDS, YEARS_SECONDS),
            "Older dead letters are removed, whole days at a time.",
        ),
    ),
)

SPOOL = Section(
    SpoolSettings,
    (Key("max_bytes", Size(KIB, TIB), "At this size of the files sources wait."),),
)

LOG = Section(
    LogSettings,
    (
        Key(
            "level",
            Choice(("DEBUG", "INFO", "WARNING", "ERROR"), any_case=True),
            "The least severe lines to write.",
        ),
        Key(
            "format",
            Choice(("auto", "text", "json")),
            "auto is text on a terminal and json elsewhere.",
        ),
    ),
)

SETTINGS = Section(
    Settings,
    (
        Key("agent", AGENT, "Who this agent is."),
        Key("elasticsearch", ELASTICSEARCH, "Where documents go."),
        Key("index", INDEX, "Which index a document goes to, and its template."),
        Key(
            "schema",
            Choice(("flat", "ecs")),
            "How fields are named where they are stored; ecs is the Elastic Common Schema.",
        ),
        Key(
            "sources",
            ListOf(SOURCE, at_least_one=True),
            "Where records come from.",
            required='add "sources:" with "- paths: /var/log/app/*.log", or set LOGSHIP_PATHS',
        ),
        Key("processors", PROCESSORS, "Of every source, in order, after the source's own."),
        Key("delivery", DELIVERY, "How documents are batched and sent."),
        Key("held", HELD, "Records that the cluster, not their content, keeps out for now."),
        Key("dead_letters", DEAD_LETTERS, "Bounds of the dead-letter files."),
        Key("spool", SPOOL, "What is put aside when the buffer is full."),
        Key("log", LOG, "logship's own log on stderr."),
        Key(
            "state_dir",
            FilePath(),
            "Where checkpoints and dead letters are kept; null is /var/lib/logship for root, "
            "else $XDG_STATE_HOME/logship.",
            nullable=True,
        ),
        Key(
            "shutdown_timeout",
            Time(0.0, HOUR_SECONDS),
            "From the signal to the end, delivery included.",
        ),
    ),
    later=(
        "workers",
        "monitoring",
        "metrics",
        "alerts",
    ),
    finish=together.finish_settings,
)

SECTIONS: dict[str, Section] = {
    "": SETTINGS,
    "agent": AGENT,
    "elasticsearch": ELASTICSEARCH,
    "index": INDEX,
    "sources[]": SOURCE,
    "sources[].multiline": MULTILINE,
    "delivery": DELIVERY,
    "held": HELD,
    "dead_letters": DEAD_LETTERS,
    "spool": SPOOL,
    "log": LOG,
}


def belongs() -> dict[str, str]:
    """Return the section of every key that only one section has, for hints."""
    places: dict[str, list[str]] = {}
    for path, section in SECTIONS.items():
        for name in (*(key.name for key in section.keys), *section.later):
            where = path.replace("[]", "[0]") if path else "the root of the file"
            places.setdefault(name, []).append(where)
    return {name: found[0] for name, found in places.items() if len(found) == 1}
