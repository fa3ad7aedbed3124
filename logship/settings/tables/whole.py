"""The whole settings file: its sections in order, and which section has which key."""

from __future__ import annotations

from logship.settings import together
from logship.settings.kinds import Choice, FilePath, ListOf, Text, Time
from logship.settings.model import AgentSettings, LogSettings, Settings
from logship.settings.sections import Key, Section
from logship.settings.tables.bounds import HOUR_SECONDS
from logship.settings.tables.delivery import DEAD_LETTERS, DELIVERY, HELD, SPOOL
from logship.settings.tables.elasticsearch import ELASTICSEARCH, INDEX
from logship.settings.tables.source import MULTILINE, PROCESSORS, SOURCE

__all__ = ["SECTIONS", "SETTINGS", "belongs"]

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
