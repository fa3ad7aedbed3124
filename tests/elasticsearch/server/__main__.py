"""``python -m tests.elasticsearch.server``: builds and downloads what tests of it will start.

Arguments are ``8`` and ``9``; 9 comes with a Java that can run it, where the machine has none.
"""

from __future__ import annotations

import sys
import time

from tests.elasticsearch.server.build import VERSIONS, BuildFailed, build, fetch_java, is_built
from tests.support.real_elasticsearch import java_for, missing


def main() -> int:
    """Prepare the versions that are asked for; returns 1, and says why, when one cannot be."""
    for major in map(int, sys.argv[1:]):
        started = time.monotonic()
        is_there = is_built(major, security=major == 8) and java_for(major) is not None
        try:
            if java_for(major) is None and major >= 9:
                fetch_java()
            if why := missing(major):
                raise BuildFailed(why)
            build(major, security=major == 8)
        except BuildFailed as error:
            print(f"Elasticsearch {VERSIONS[major]} cannot be had: {error}", file=sys.stderr)
            return 1
        seconds = time.monotonic() - started
        how = "was there" if is_there else f"built in {seconds:.0f} s"
        print(f"Elasticsearch {VERSIONS[major]}: {how}; {java_for(major)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
