"""granian's server: it replaces its web processes however they die, and has their work end with them."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from granian.server.mp import MPServer

from portal.signals import WakingEvent

# Tells a child to end its work, while it still answers.
DRAIN = signal.SIGUSR1
# From so many deaths in so many seconds on it is a fault of ours: granian ends, and whoever supervises it decides.
MOST_DEATHS, SECONDS = 6, 30.0


class WebServer(MPServer):
    """A second death within 5.5 s is a crash loop to granian, and takes the healthy processes with it.

    Of two that die at the same moment it may notice only one, and go on without the other.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.main_loop_interrupt = WakingEvent()
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)

    def _respawn_workers(
        self, workers: Sequence[int], spawn_target: Callable[..., None], target_loader: Any, delay: float = 0
    ) -> None:
        if delay:  # asked for by a signal: all are alive
            super()._respawn_workers(workers, spawn_target, target_loader, delay)
            return
        dead = [number for number in sorted(set(workers)) if not self._lives(number)]
        super()._respawn_workers(dead, spawn_target, target_loader)
        moment = time.monotonic()
        self._deaths.extend([moment] * len(dead))
        if len(self._deaths) < MOST_DEATHS or self._deaths[0] < moment - SECONDS:
            self.respawned_wrks.clear()
        missed = [number for number in range(len(self.wrks)) if not self._lives(number)]
        if missed:
            self.interrupt_children.extend(missed)
            self.main_loop_interrupt.set()

    def _stop_workers(self) -> None:
        """Has the children end their work at once: granian waits for its last caller first, who may be slow."""
        for worker in self.wrks:
            process: Any = worker
            if process.is_alive():
                os.kill(process.inner.pid, DRAIN)
        super()._stop_workers()  # type: ignore[no-untyped-call]

    def _lives(self, number: int) -> bool:
        process: Any = self.wrks[number]
        return bool(process.is_alive())
