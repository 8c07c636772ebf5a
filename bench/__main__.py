"""`python -m bench`: every bench on every engine there is, as figures and as ratios of the same run.

`--quick` takes a tenth of the time. PostgreSQL is a private cluster, or the server of TEST_DATABASE_URL.
"""

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.accept import accept, hello
from bench.dispatch import dispatch, dispatch_by_processes, loop
from bench.holds import holds
from bench.latency import latency
from bench.pages import MILLION, pages
from bench.rest import at_rest
from bench.world import write_requests
from tests import postgres


def main() -> None:
    """Runs the benches and prints a table."""
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("--quick", action="store_true")
    options = asked.parse_args()
    scale = 0.1 if options.quick else 1.0
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores. Read the ratios: machines are noisy.\n")
    with engines() as urls:
        accepting(urls, scale)
        dispatching(urls, scale)
        holding(urls, scale)
        travelling(urls, scale)
        resting(urls, scale)
        looking(urls, scale)


@contextmanager
def engines() -> Iterator[dict[str, str]]:
    """A database of each engine."""
    with tempfile.TemporaryDirectory() as folder:
        urls = {"SQLite": f"sqlite:///{folder}/bench.db"}
        if postgres.missing():
            print(f"PostgreSQL left out: {postgres.missing()}\n")
            yield urls
            return
        with postgres.server() as server:
            yield urls | {"PostgreSQL": server.create_database("bench")}


def accepting(urls: dict[str, str], scale: float) -> None:
    """Webhooks a second against a bare hello."""
    seconds, count = max(int(10 * scale), 2), int(60_000 * scale) + 2000
    with tempfile.TemporaryDirectory() as folder:
        requests = Path(folder) / "requests"
        write_requests(requests, 5000)
        bare = {processes: hello(processes, requests, seconds) for processes in (1, 2)}
    for processes, figures in bare.items():
        show(f"bare Flask hello, {processes} process(es)", figures["rate"], "/s", f"p99 {figures['p99']:.0f} ms")
    plans = {"SQLite": [("all", 1)], "PostgreSQL": [("web", 1), ("web", 2)]}
    for engine, url in urls.items():
        for role, processes in plans[engine]:
            got = accept(url, seconds, count, PORTAL_ROLE=role, WEB_PROCESSES=str(processes))
            ratio = got["rate"] / bare[processes]["rate"]
            note = f"p50 {got['p50']:.0f} ms, p99 {got['p99']:.0f} ms, {ratio:.2f} of hello, {got['errors']:.0f} errors"
            show(f"signed webhook accepted, {engine}, {role} × {processes}", got["rate"], "/s", note)


def dispatching(urls: dict[str, str], scale: float) -> None:
    """Messages a second against a bare loop of the same HTTP client."""
    count = int(10_000 * scale)
    bare = loop(count)
    show("bare HTTP client, 8 threads", bare, "/s")
    for engine, url in urls.items():
        many = dispatch(url, count, 100)
        show(f"dispatch, {engine}, 100 lanes", many, "/s", f"{many / bare:.2f} of the bare client")
        one = dispatch(url, max(count // 10, 200), 1)
        show(f"dispatch, {engine}, 1 lane", one, "/s", f"100 lanes are {many / one:.1f} times as fast")

    if "PostgreSQL" in urls:
        rates = {processes: dispatch_by_processes(urls["PostgreSQL"], count, processes) for processes in (1, 2)}
        show("dispatch, PostgreSQL, 1 worker process", rates[1], "/s")
        show("dispatch, PostgreSQL, 2 worker processes", rates[2], "/s", f"{rates[2] / rates[1]:.1f} times one")


def travelling(urls: dict[str, str], scale: float) -> None:
    """From the webhook to the provider's call at 50 messages a second, one process."""
    for engine, url in urls.items():
        got = latency(url, 50, max(int(20 * scale), 4))
        note = f"p50 {got['p50']:.0f} ms, {got['share']:.0%} came"
        show(f"webhook in to provider called, {engine}, 50 /s, p95", got["p95"], "ms", note)


def resting(urls: dict[str, str], scale: float) -> None:
    """One process with nothing to do."""
    for engine, url in urls.items():
        got = at_rest(url, max(int(60 * scale), 10))
        show(f"at rest, {engine}, memory", got["memory"], "MiB", f"{got['processor']:.1f} % of a processor")


def looking(urls: dict[str, str], scale: float) -> None:
    """Every list and thread in a database of very many messages, and how much longer it takes than in a small one."""
    for engine, url in urls.items():
        print(f"\npages, {engine}", flush=True)
        pages(url, int(MILLION * scale))


def holding(urls: dict[str, str], scale: float) -> None:
    """Credit holds on one hot wallet."""
    for engine, url in urls.items():
        rate, exact = holds(url, int(10_000 * scale))
        show(f"credit holds, {engine}, 32 threads, one wallet", rate, "/s", "exact" if exact else "WRONG")


def show(what: str, rate: float, unit: str, note: str = "") -> None:
    """One line of the table."""
    print(f"{what:<52}{rate:>9,.0f} {unit}  {note}", flush=True)


if __name__ == "__main__":
    main()
