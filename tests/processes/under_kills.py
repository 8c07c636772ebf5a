"""A line under kill -9: customers write and the agent sends while its one process is killed again and again."""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from portal.sandbox import world as demo
from tests.processes.harness import Deployment, Process


def under_kills(
    deployment: Deployment,
    running: Process,
    write: Callable[[], None],
    contacts: Sequence[demo.Contact],
    *,
    kills: int,
    sends: int,
    pause: float,
    chance: random.Random,
) -> list[Any]:
    """Returns the agent's deliveries, one every `pause` seconds, once everything is written, sent and killed."""

    def kill() -> None:
        current = running
        for _ in range(kills):
            time.sleep(chance.uniform(0.5, 2.0))
            current.kill()
            current = deployment.start()

    def send() -> list[Any]:
        deliveries = []
        for number in range(sends):
            contact = contacts[number % len(contacts)]
            sent = deployment.sandbox.deliveries.send(f"Sent {number}", contact=contact, retries=200, backoff=0.2)
            deliveries.append(sent)
            time.sleep(pause)
        return deliveries

    with ThreadPoolExecutor(3) as pool:
        writing, killing, sending = pool.submit(write), pool.submit(kill), pool.submit(send)
        writing.result(), killing.result()
        return sending.result()


def waiting(deployment: Deployment, *for_ever: str) -> dict[str, int]:
    """What is still to be done, besides what is asked for ever."""
    return {kind: count for kind, count in deployment.jobs().items() if kind not in for_ever}
