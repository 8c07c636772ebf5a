"""What each kind of job does: the table from names to the code of the domain."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal import clock
from portal.alarms import recipients
from portal.alarms.telling import Teller
from portal.callbacks import outbox
from portal.callbacks.sending import CallBacks
from portal.credits import charging
from portal.database import Database, is_away, is_conflict
from portal.logs import log_context
from portal.messaging import bulk, deeds, dnd, lines, optouts, reading, receipts, templates
from portal.messaging.calls import TELL, Calls
from portal.messaging.completing import Completer
from portal.messaging.first_line import READ
from portal.messaging.held import LOOK_AGAIN
from portal.messaging.mirroring import EchoUnresolved
from portal.messaging.reading import ReadMarker
from portal.messaging.reading_tags import TagReader
from portal.messaging.receiving import UNREADABLE, Context, Parked, apply_event, park
from portal.messaging.registrations import Registrations
from portal.messaging.releasing import look_again, release_conversation, release_location
from portal.messaging.silencing import Silencing
from portal.models import Event, Location, Wallet
from portal.queue.jobs import APPLY, Due, complete, postpone
from portal.services import Services
from portal.worker.installing import Installing
from portal.worker.runner import BatchHandler, Handler, LaneHandler

log = logging.getLogger(__name__)

ECHO_WAIT = timedelta(seconds=1)
OWN_FAULT_TRIES = 3
MOST_CONFLICTS = 5
# Few: as long as a transaction lasts, webhooks wait for its end on SQLite.
AT_ONCE = 8


class Apply:
    """Applies events: a whole batch in one transaction, and one by one when that fails."""

    def __init__(self, database: Database, context: Context) -> None:
        self._database = database
        self._context = context

    def __call__(self, jobs: Sequence[Due]) -> None:
        ordered = sorted(jobs, key=lambda due: (due.lane, due.id))
        waiting: set[str] = set()
        for _, alike in groupby(ordered, key=_lockers):
            some = list(alike)
            for place in range(0, len(some), AT_ONCE):
                self._together(some[place : place + AT_ONCE], waiting)

    def _together(self, jobs: Sequence[Due], waiting: set[str]) -> None:
        if any(due.lane in waiting for due in jobs):
            self._singly(jobs, waiting)
            return
        try:
            with self._database.write() as session:
                self._lock_wallets(session, jobs)
                for due in jobs:
                    self._one(session, due)
        except Exception as error:
            log.info("events are applied one by one", extra={"error": type(error).__name__})
            self._singly(jobs, waiting)

    def _singly(self, jobs: Sequence[Due], waiting: set[str]) -> None:
        for due in jobs:
            if due.lane in waiting:
                self._wait(due)
            elif not self._alone(due):
                waiting.add(due.lane)

    def _alone(self, due: Due) -> bool:
        try:
            self._in_its_own_transaction(due)
        except EchoUnresolved:
            self._wait(due)
            return False
        except UNREADABLE as error:
            self._park(due, error)
        except Exception as error:
            if isinstance(error, SQLAlchemyError | TimeoutError) and is_away(error):
                raise
            log.exception("event could not be applied", extra={"event": due.subject})
            if due.attempts < OWN_FAULT_TRIES:
                self._wait(due)  # it may be a race, which is over in a moment
                return False
            self._leave_out(due, error)
        return True

    def _leave_out(self, due: Due, error: Exception) -> None:
        """One item may be what the portal fails on: the others of the same webhook are not to wait for it."""
        try:
            self._in_its_own_transaction(due, replace(self._context, piecewise=True))
        except Exception as still:
            if isinstance(still, SQLAlchemyError | TimeoutError) and is_away(still):
                raise
            reason = f"The portal failed on it ({type(error).__name__}): see its log, then replay it."
            self._park(due, Parked(reason))

    def _in_its_own_transaction(self, due: Due, context: Context | None = None) -> None:
        for tries_left in range(MOST_CONFLICTS, -1, -1):
            try:
                with self._database.write() as session:
                    self._one(session, due, context)
                return
            except SQLAlchemyError as error:
                if not (is_conflict(error) and tries_left):
                    raise

    def _one(self, session: Session, due: Due, context: Context | None = None) -> None:
        with log_context(event_id=due.subject):
            # Locked: a worker that took this one for dead may be at the same event.
            event = session.get(Event, due.subject, with_for_update=True, populate_existing=True)
            if event is not None:
                apply_event(session, context or self._context, event)
            complete(session, [due.id])

    def _park(self, due: Due, error: Exception) -> None:
        with self._database.write() as session:
            event = session.get(Event, due.subject)
            if event is not None:
                park(session, event, error)
            complete(session, [due.id])
        log.warning("event parked", extra={"event": due.subject, "reason": str(error)})

    def _wait(self, due: Due) -> None:
        with self._database.write() as session:
            postpone(session, due, clock.now() + ECHO_WAIT)

    def _lock_wallets(self, session: Session, jobs: Sequence[Due]) -> None:
        """In the order of their ids, as everywhere, where one of them may run out and so is locked before the end.

        Other webhooks than HighLevel's are applied with those of the same sender alone, whose wallet is one.
        """
        locations = {due.lane.split(":")[1] for due in jobs if due.lane.startswith("ghl:")}
        if len(locations) < 2:
            return
        theirs = (
            select(Wallet.id).join(Location, Location.id == Wallet.location_id).where(Location.ghl_id.in_(locations))
        )
        if session.scalar(theirs.where(Wallet.unlimited.is_(False)).limit(1)) is not None:
            session.execute(theirs.order_by(Wallet.id).with_for_update(of=Wallet, key_share=True)).all()


def _lockers(due: Due) -> str:
    """Events with the same value may share a transaction: HighLevel's, and those of one sender."""
    source, _, rest = due.lane.partition(":")
    return source if source == "ghl" else f"{source}:{rest.partition(':')[0]}"


class Upkeep:
    """Small jobs around installations."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._database = services.database

    def release_held(self, due: Due) -> bool:
        """Has the conversations that wait in a location tried again."""
        with self._database.write() as session:
            found = release_location(session, due)
        log.info("held conversations are tried again", extra={"location": due.subject, "conversations": found})
        return True

    def look_again(self, due: Due) -> bool:
        """Looks whether what held a message went away while it was being held."""
        with self._database.write() as session:
            conversation_id = look_again(session, due)
        if conversation_id is not None:
            log.info("what held a message had gone meanwhile", extra={"conversation": conversation_id})
        return True

    def match_receipt(self, due: Due) -> bool:
        """Brings a receipt together with its part, where the two were written at the same moment."""
        with self._database.write() as session:
            receipts.match(session, due.subject)
            complete(session, [due.id])
        return True

    def release(self, due: Due) -> bool:
        """Sends what one conversation holds, as far as it may go."""
        with self._database.write() as session:
            released = release_conversation(session, due)
        log.info("held messages released", extra={"conversation": due.subject, "messages": released})
        return True


def handlers(services: Services) -> Mapping[str, Handler]:
    """Every kind of job, carried out one at a time."""
    upkeep, installing = Upkeep(services), Installing(services)
    completer = Completer(services.database, services.http, services.accounts, services.vault)
    registrations = Registrations(services.database, services.http, services.accounts, services.settings, completer)
    return {
        "send": services.outbox.send,
        bulk.KIND: services.bulk_outbox.send,
        "check_status": services.poller.check,
        "check_balance": services.account_watch.check_balance,
        "import_opt_outs": services.account_watch.import_opt_outs,
        reading.KIND: ReadMarker(services.database, services.http, services.accounts).mark,
        lines.KIND: services.line_watch.check,
        templates.KIND: services.template_watch.sync,
        "push_status": services.into_ghl.push_status,
        "post_message": services.into_ghl.post_message,
        TELL: Calls(services.database).tell,
        READ: TagReader(services.database, services.settings, services.http, services.tokens).read,
        dnd.KIND: services.dnd_into_ghl.push_dnd,
        optouts.KIND: Silencing(services.database).end_waiting,
        charging.KIND: services.wallet_charges.charge,
        charging.LOOK: services.wallet_charges.ask_funds,
        "post_files": services.late_files.post,
        "fetch_media": services.keeper.fetch,
        "release_held": upkeep.release_held,
        "release": upkeep.release,
        LOOK_AGAIN: upkeep.look_again,
        deeds.KIND: deeds.Deeds(services.database).carry_out,
        receipts.MATCH: upkeep.match_receipt,
        "check_location": installing.check_location,
        "mint_token": installing.mint_token,
        "install_locations": installing.install_locations,
        "refresh_token": installing.refresh_token,
        "leave_location": installing.leave_location,
        "sync_webhook": registrations.sync,
        outbox.KIND: CallBacks(services.database, services.http, services.vault, services.settings).deliver,
        recipients.KIND: Teller(services.database, services.vault, services.settings).tell,
    }


def lane_handlers(services: Services) -> Mapping[str, LaneHandler]:
    """Kinds that do better with their lane in hand: a result and the next fence share their commit."""
    return {"send": services.outbox.work}


def batch_handlers(services: Services) -> Mapping[str, BatchHandler]:
    """Pools whose jobs share transactions."""
    return {APPLY: Apply(services.database, Context(services.settings, services.vault))}
