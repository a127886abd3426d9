"""All faults: kills, failing file operations, and commands at once.

python -m tests.faults             in full: an hour or two
python -m tests.faults --short     a few of each, for the test suite
python -m tests.faults.partitions --engine ray     with Ray installed
"""

from __future__ import annotations

import sys

from tests.faults.inject import fail_everywhere
from tests.faults.kill import kill_often
from tests.faults.partitions import kill_commands, kill_workers, write_dataset
from tests.faults.stop import describe_stops, stop_often
from tests.faults.together import run_together
from tests.faults.workplace import COMMANDS, NIGHTLY, workplace


def main() -> None:
    """The command line."""
    is_short = "--short" in sys.argv
    with workplace():
        run_together()
        for name in ("predict",) if is_short else NIGHTLY:
            found = kill_often(
                name,
                2 if is_short else 200,
                settle=2 if is_short else 4,
                seed=0,
                min_reads=10 if is_short else 1000,
            )
            print(found, flush=True)
        for name in ("predict",) if is_short else tuple(COMMANDS):
            print(describe_stops(name, stop_often(name, 2 if is_short else 100)), flush=True)
        write_dataset()
        for work in (kill_workers,) if is_short else (kill_workers, kill_commands):
            print(work("local", 1 if is_short else 50), flush=True)
        for name in ("predict to a file",) if is_short else NIGHTLY:
            print(fail_everywhere(name, points=2 if is_short else None, settle=4), flush=True)


if __name__ == "__main__":
    main()
