"""What has to happen by the clock. Every task is an idempotent claim on rows, so any number of processes may run it."""

import logging
from collections.abc import Callable
from datetime import timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.accounts import idempotency
from portal.alarms import detecting, recipients, rule
from portal.callbacks import sending as callbacks
from portal.credits import charging
from portal.database import Database, is_away
from portal.figures import counting, standing
from portal.installations import checks
from portal.installations.tokens import AHEAD
from portal.journal.replay import drain
from portal.messaging import (
    account_watch,
    attempts,
    deeds,
    first_sender,
    funding,
    incidents,
    lines,
    marketing_pauses,
    media,
    media_upkeep,
    pieces,
    registrations,
    rehearsal,
    rejections,
    relations,
    switching,
    templates,
)
from portal.messaging.polling import enqueue_due
from portal.messaging.rerouting import lead_away
from portal.messaging.sweeping import (
    end_overdue,
    enqueue_forgotten,
    match_orphans,
    release_forgotten,
    release_old_holds,
    release_oldest_holds,
    settle_lost_calls,
)
from portal.models import Event, EventState, Grant, GrantState, Part
from portal.queue.claim import free_ended
from portal.queue.jobs import GHL, enqueue, job
from portal.services import Services

log = logging.getLogger(__name__)

PURGE_AT_ONCE = 1000
# Often enough for several tries within the 30 s in which HighLevel repeats a refresh.
FINISH_SECONDS = 4
REFRESH_AT_ONCE = 500


class Clockwork:
    """The scheduled tasks of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._database = services.database
        # One thread: the tasks are small, and two at once would only wait for each other's rows.
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60},
        )

    def start(self, *, spool_only: bool = False) -> None:
        """Starts the clock: with all tasks, or in a web process with the spool's alone."""
        self._every(2, self.adopt_spool)
        if spool_only:
            self._scheduler.start()
            return
        self._every(1, self.poll_statuses)
        self._every(3, self.watch_lines)
        self._every(FINISH_SECONDS, self.finish_refreshes)
        self._every(5, self.lead_away)
        self._every(15, self.recover)
        self._every(60, self.look_for_lost)
        self._every(15, self.join_pieces)
        self._every(60, self.refresh_tokens)
        self._every(60, self.check_installations)
        self._every(60, self.watch_senders)
        if first_sender.is_set(self._services.settings):
            self._every(10, self.add_first_sender)
        self._every(20, self.fund)
        self._every(60, self.watch_credits)
        self._every(10, self.add_up)
        self._every(10, self.tell)
        self._every(60, self.detect)
        self._every(3600, self.free_oldest)
        self._every(900, self.purge)
        self._every(900, self.purge_media)
        self._every(900, self.purge_api)
        self._every(3600, self.purge_figures)
        self._scheduler.start()

    def stop(self) -> None:
        """Stops the clock; a task that is running ends by itself."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _every(self, seconds: int, task: Callable[[], object]) -> None:
        def run() -> None:
            try:
                task()
            except (SQLAlchemyError, TimeoutError) as error:
                if not is_away(error):
                    raise
                log.warning("database away, task skipped", extra={"task": task.__name__})

        self._scheduler.add_job(run, "interval", seconds=seconds, id=task.__name__, jitter=seconds / 10)

    def poll_statuses(self) -> None:
        """Has the providers asked about what they accepted."""
        with self._database.read() as session:
            if session.scalar(select(Part.id).where(Part.next_poll_at <= clock.now()).limit(1)) is None:
                return
        with self._database.write() as session:
            enqueue_due(session)

    def watch_lines(self) -> None:
        """Has the providers asked about the lines that are due."""
        with self._database.read() as session:
            if not lines.is_due(session):
                return
        with self._database.write() as session:
            lines.enqueue_due(session)

    def watch_senders(self) -> None:
        """Has the providers asked what is left on their accounts and who has opted out there, and ends incidents."""
        with self._database.write() as session:
            account_watch.enqueue_due(session)
        self._sweep_at_once(rejections.look_for_missed)
        self._sweep_at_once(rejections.look_for_ends)
        self._sweep(incidents.look)
        self._sweep_at_once(lines.forget_notices)
        self._sweep_at_once(marketing_pauses.forget)
        self._sweep_at_once(registrations.enqueue_due)
        self._sweep_at_once(templates.enqueue_due)

    def lead_away(self) -> None:
        """Ends switches whose time is over, and leads what waits for a sender that cannot send to one that can."""
        with self._database.read() as session:
            over = switching.is_due(session)
        if over:
            self._sweep_at_once(switching.end_due)
        self._sweep(lead_away)

    def add_first_sender(self) -> None:
        """Adds the sender that the settings name, once the only sub-account is there."""
        first_sender.add_missing(self._database, self._services.vault, self._services.settings)

    def fund(self) -> None:
        """Begins months, ends credits that are over, and lets go what waited for credits that are there now."""
        for sweep in (funding.end_buckets, funding.begin_months, funding.release_paid):
            self._sweep(sweep)

    def watch_credits(self) -> None:
        """Tells of wallets that run out, or burn faster than usual; has HighLevel asked for funds."""
        self._sweep_at_once(funding.watch)
        self._sweep_at_once(charging.enqueue_looks)
        self._sweep_at_once(charging.enqueue_forgotten)

    def add_up(self) -> None:
        """Brings the figures of the wall forward: messages by hour and day, and how sub-accounts stand."""
        counting.add_up(self._database)
        standing.look(self._database)

    def tell(self) -> None:
        """Has recipients told of incidents that last, and of those that are over."""
        self._sweep(rule.look)

    def detect(self) -> None:
        """Looks for incidents that no single event tells of, and for notices that were forgotten."""
        self._sweep_at_once(detecting.look)
        self._sweep_at_once(recipients.enqueue_forgotten)

    def free_oldest(self) -> None:
        """Frees credits on hold that the look of every minute does not come to."""
        self._sweep(release_oldest_holds)

    def adopt_spool(self) -> None:
        """Brings what any process of this machine has spooled into the journal."""
        drain(self._database, self._services.spool)

    def recover(self) -> None:
        """Ends what is overdue, finds what was forgotten, frees what nobody holds any more."""
        with self._database.write() as session:
            free_ended(session)
        self._sweep(end_overdue)

    def join_pieces(self) -> None:
        """Makes messages of long texts whose missing SMS do not come any more."""
        self._note("join_pieces", pieces.join_overdue(self._database, self._services.vault))

    def look_for_lost(self) -> None:
        """Looks for what should not be there: work without a job, calls without a process, holds nobody frees."""
        for sweep in (enqueue_forgotten, settle_lost_calls, release_old_holds, release_forgotten, match_orphans):
            self._sweep(sweep)
        self._sweep_at_once(relations.link_orphans)
        self._sweep_at_once(media.enqueue_forgotten)
        self._sweep_at_once(callbacks.enqueue_forgotten)
        self._sweep_at_once(deeds.enqueue_forgotten)

    def _sweep(self, sweep: Callable[[Database], int]) -> None:
        self._note(sweep.__name__, sweep(self._database))

    def _sweep_at_once(self, sweep: Callable[[Session], int]) -> None:
        with self._database.write() as session:
            done = sweep(session)
        self._note(sweep.__name__, done)

    def _note(self, sweep: str, done: int) -> None:
        if done:
            log.info("swept", extra={"sweep": sweep, "rows": done})

    def refresh_tokens(self) -> None:
        """Renews tokens before they end, so that no message has to wait for it."""
        moment = clock.now()
        with self._database.write() as session:
            due = session.scalars(
                select(Grant.id)
                .where(
                    Grant.state == GrantState.ACTIVE,
                    Grant.expires_at < moment + AHEAD,
                    or_(Grant.retry_at.is_(None), Grant.retry_at < moment),
                )
                # Tokens of a bulk installation all end at one time: some now, the others a minute later.
                .order_by(Grant.expires_at)
                .limit(REFRESH_AT_ONCE)
            ).all()
            enqueue(session, [job(GHL, "refresh_token", id_, f"token:{id_}", priority=0) for id_ in due])

    def finish_refreshes(self) -> None:
        """Renews tokens whose refresh was interrupted, while HighLevel still repeats its answer."""
        self._services.tokens.finish()

    def check_installations(self) -> None:
        """Looks at each installation once a day: is it still there, and does its permission hold?"""
        self._sweep_at_once(checks.enqueue_due)

    def purge_media(self) -> None:
        """Removes files that are older than they are to be kept, and what killed processes left half fetched."""
        parts = self._services
        self._note("purge_media", media_upkeep.purge(self._database, parts.settings, parts.stores))
        self._note("sweep_incoming", parts.stores.incoming.sweep())

    def purge_api(self) -> None:
        """Forgets answers to repeated requests, test messages and what our webhooks told, when their time is over."""
        for forget in (idempotency.forget, rehearsal.forget, callbacks.forget, deeds.forget):
            self._sweep_at_once(forget)

    def purge_figures(self) -> None:
        """Forgets hours that no chart shows any more."""
        self._sweep_at_once(counting.forget)

    def purge(self) -> None:
        """Forgets the bodies of old events. Their keys stay, so that a repeat is still recognised."""
        before = clock.now() - timedelta(days=self._services.settings.retention_days)
        with self._database.write() as session:
            pieces.forget(session, before)
            # Evidence of forgeries has no key worth keeping.
            session.execute(delete(Event).where(Event.state == EventState.REFUSED, Event.received_at < before))
        while attempts.forget(self._database, before) == attempts.AT_ONCE:
            pass
        while True:
            with self._database.write() as session:
                old = session.scalars(
                    select(Event.id)
                    .where(Event.received_at < before, Event.body.is_not(None), Event.applied_at.is_not(None))
                    .limit(PURGE_AT_ONCE)
                ).all()
                if old:
                    session.execute(update(Event).where(Event.id.in_(old)).values(body=None, headers={}, query=""))
            if len(old) < PURGE_AT_ONCE:
                return
