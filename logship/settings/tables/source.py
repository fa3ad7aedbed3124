"""The settings of a source: which files, and how their lines become records."""

from __future__ import annotations

from logship.settings import together
from logship.settings.field_values import Fields
from logship.settings.kinds import Choice, Flag, ListOf, Number, Size, Text, Time
from logship.settings.line_forms import Delimiter, check_encoding
from logship.settings.model import DAY_SECONDS, KIB, MIB, MultilineSettings, SourceSettings
from logship.settings.processors import Processor
from logship.settings.sections import Key, Section
from logship.settings.tables.bounds import HOUR_SECONDS, YEARS_SECONDS
from logship.settings.texts import (
    check_glob,
    check_pattern,
    check_source_name,
    check_timezone_or_local,
)

__all__ = ["MULTILINE", "PROCESSORS", "SOURCE"]

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
