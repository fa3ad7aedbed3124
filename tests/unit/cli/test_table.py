"""Tables, as commands print them."""

from __future__ import annotations

from logship.cli.table import as_table


def test_columns_line_up() -> None:
    """Columns are as wide as their widest cell, wide characters count twice."""
    rows = [("10", "日志", "x"), ("7", "log", "")]
    assert as_table(("N", "NAME", "LAST"), rows, numbers="a") == [
        " N  NAME  LAST",
        "10  日志  x",
        " 7  log",
    ]
    assert as_table(("N",), []) == ["N"]
