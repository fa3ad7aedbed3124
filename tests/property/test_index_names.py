"""Whatever fields hold, index names are names, and can be read back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from logship.sinks.index_names import IndexNames, wildcard
from tests.property.test_schema import thoroughly

NAMES = {
    (pattern, zone): IndexNames(pattern, zone)
    for pattern in ("{a}-logs-%Y.%m.%d", "x{a}-{b.c}%Y%j", "{a}{b.c}-l-%G.%V", "{a}_%y.%m.%d-%H")
    for zone in ("UTC", "America/St_Johns")
}
ILLEGAL = re.compile(r'[\\/*?"<>| ,#:\x00-\x1f]')
parts = st.text(max_size=130) | st.text("-._+aÉ{}%Y0", max_size=12)
values = parts | st.integers() | st.booleans() | st.none() | st.lists(parts, max_size=2)
moments = st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30))  # noqa: DTZ001


@thoroughly
@given(st.sampled_from(sorted(NAMES)), moments, values, values)
@example(("{a}-logs-%Y.%m.%d", "UTC"), datetime(2026, 11, 21), "İ-logs-2020.01.01", "")  # noqa: DTZ001
def test_names(key: tuple[str, str], moment: datetime, a: Any, b: Any) -> None:
    """Each is one that Elasticsearch takes, is captured by the template, and has its period."""
    names = NAMES[key]
    text = moment.isoformat(timespec="minutes")
    name = names.name(text[: names.key_length], {"a": a, "b.c": b})
    assert name == name.lower()
    assert not ILLEGAL.search(name)
    assert name[0] not in "-_+."
    assert len(name.encode()) <= 255
    captured = ".*".join(map(re.escape, wildcard(key[0]).split("*")))
    assert re.fullmatch(captured, name, re.DOTALL)
    period = names.period(name)
    assert period is not None
    at = datetime.fromisoformat(text[: names.key_length]).replace(tzinfo=UTC)
    assert period.start <= at < period.end or "{b.c}" in key[0]
