"""A portal at rest: what one process holds in memory and takes of a processor while nothing happens."""

import os
import tempfile
import time
from pathlib import Path

from bench.dispatch import fresh
from bench.world import environment, free_port, process, python


def at_rest(database_url: str, seconds: int) -> dict[str, float]:
    """Memory (MiB, proportional set size) and processor time (percent of one processor) of all its processes. Linux."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = environment(Path(folder), port, database_url)
        fresh(env).database.engine.dispose()  # nothing that another bench has left to be done
        with process([python(), "app.py"], port, env) as running:
            time.sleep(10)  # what a start still has to do
            before = _processor(running.pid)
            time.sleep(seconds)
            used = _processor(running.pid) - before
            return {"memory": sum(map(_memory, _family(running.pid))), "processor": 100 * used / seconds}


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _processor(pid: int) -> float:
    ticks = 0
    for each in _family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
