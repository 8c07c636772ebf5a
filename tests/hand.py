"""A portal whose worker is the test: it moves the work by hand, on a clock of its own."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from portal.models import Job
from portal.queue.claim import Limits, claim
from portal.queue.jobs import APPLY, POOLS
from portal.worker.tasks import batch_handlers


@dataclass
class Time:
    """The portal's clock: it stands still but for a millisecond with each look."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def forward(self, **much: float) -> None:
        self.at += timedelta(**much)


def work(portal, *pools: str) -> int:
    """Carries out once what is due in the pools; how many lanes there were."""
    lanes = 0
    for pool in pools or POOLS:
        claimed = claim(portal.database, pool, "a test", Limits(100, 100, 100), {})
        lanes += len(claimed.lanes)
        jobs = [due for lane in claimed.lanes for due in lane]
        if pool == APPLY:
            batch_handlers(portal.parts)[APPLY](jobs)
        else:
            for due in jobs:
                portal.handlers[due.kind](due)
    return lanes


def settle(portal, time: Time, *pools: str) -> None:
    """Lets the portal work until nothing is left to do, however long that takes on its clock."""
    for _ in range(60):
        while work(portal, *pools):
            pass
        with portal.session() as session:
            if session.scalar(select(Job.id).where(Job.pool.in_(pools or POOLS)).limit(1)) is None:
                return
        time.forward(minutes=10)
    raise AssertionError([(job.kind, job.note) for job in portal.jobs()])
