"""Where the tests write: a file system in memory where there is enough of it.

They sync thousands of times, and what a sync is for, an outage of the machine, no test can have.
"""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 6 * 2**30


def folder() -> str | None:
    """Where temporary folders are to be made; None for the usual place. `TEST_SCRATCH` names another."""
    given = os.environ.get("TEST_SCRATCH")
    if given is not None:
        return given or None
    try:
        enough = shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES and _available() >= ENOUGH_BYTES
    except OSError:
        return None
    return str(MEMORY) if enough and os.access(MEMORY, os.W_OK) else None


def _available() -> int:
    """Bytes of memory that are free for use: a file system in memory may promise more than there is."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
