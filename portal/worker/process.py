"""The worker's share of a process: pools, clock and listener, started after the fork and drained before the end."""

import logging
import threading

from portal.queue.claim import forget_leases
from portal.queue.jobs import APPLY, GHL, HOOK, MEDIA, SEND
from portal.services import Services
from portal.worker.heartbeat import Heartbeat
from portal.worker.runner import Pool, Runner
from portal.worker.scheduler import Clockwork
from portal.worker.tasks import batch_handlers, handlers, lane_handlers
from portal.worker.wakeups import Listener, Wakeups

log = logging.getLogger(__name__)

# Within the 30 seconds that SIGTERM leaves; a provider call ends after 25.
DRAIN_SECONDS = 27.0

POOLS = (
    Pool(APPLY, threads=2, jobs_per_lane=8, window=64, batch=8),
    Pool(SEND, threads=96, jobs_per_lane=16, window=192),
    Pool(GHL, threads=24, jobs_per_lane=8, window=48),
    # Downloads take long and the line in: few at a time, and none of them keeps a message from going out.
    Pool(MEDIA, threads=8, jobs_per_lane=1, window=16),
    # Strangers' servers: one that is slow keeps a quarter of these busy, and nothing else.
    Pool(HOOK, threads=8, jobs_per_lane=8, window=32),
)


class WorkerProcess:
    """Starts and stops everything that works in the background."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.wakeups = Wakeups()
        services.database.wake = self.wakeups.wake
        kinds = handlers(services), lane_handlers(services), batch_handlers(services)
        self.runner = Runner(services.database, self.wakeups, POOLS, *kinds)
        self._clockwork = Clockwork(services)
        self._heartbeat = Heartbeat(services.settings.instance_dir, self.runner.turning)
        self._listener: Listener | None = None
        self._stopping = threading.Lock()
        self._drained: bool | None = None

    def start(self) -> None:
        """Starts the threads."""
        database = self._services.database
        if database.sqlite:
            forget_leases(database)
        else:
            self._listener = Listener(database.engine, self.wakeups, database.name)
            self._listener.start()
        self.runner.start()
        self._clockwork.start()
        self._heartbeat.start()
        log.info("worker started", extra={"owner": self.runner.owner})

    def stop(self) -> bool:
        """Drains within the time that SIGTERM leaves; True when nothing was left in hand. A second caller waits."""
        with self._stopping:
            if self._drained is None:
                self._drained = self._drain()
            return self._drained

    def _drain(self) -> bool:
        self._clockwork.stop()
        if self._listener is not None:
            self._listener.stop()
        self._services.keeper.stop()
        drained = self.runner.drain(DRAIN_SECONDS)
        self._heartbeat.stop()
        return drained


class SpoolKeeper:
    """What a web process does in the background: bring the spool of its machine back into the journal."""

    def __init__(self, services: Services) -> None:
        self._clockwork = Clockwork(services)

    def start(self) -> None:
        """Starts the clock with that one task."""
        self._clockwork.start(spool_only=True)

    def stop(self) -> bool:
        """Stops it."""
        self._clockwork.stop()
        return True
