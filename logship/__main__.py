"""``python -m logship`` is the command line."""

from __future__ import annotations

import sys

from logship.cli.main import main

sys.exit(main())
