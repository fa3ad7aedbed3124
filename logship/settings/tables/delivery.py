"""The settings of what is under way: how it is sent, and where it waits or ends if it cannot be."""

from __future__ import annotations

from logship.settings.kinds import Choice, Number, Size, Time
from logship.settings.model import (
    DAY_SECONDS,
    GIB,
    KIB,
    MIB,
    DeadLetterSettings,
    DeliverySettings,
    HeldSettings,
    SpoolSettings,
)
from logship.settings.sections import Key, Section
from logship.settings.tables.bounds import HOUR_SECONDS, TIB, YEARS_SECONDS

__all__ = ["DEAD_LETTERS", "DELIVERY", "HELD", "SPOOL"]

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
