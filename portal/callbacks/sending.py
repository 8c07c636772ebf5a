"""Telling a subscription: one signed POST, and a written schedule for when it is not answered well."""

import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import CALLBACK_GIVEN_UP, close_alert, raise_alert
from portal.callbacks import outbox, signing
from portal.config import Settings
from portal.crypto import Vault
from portal.database import Database
from portal.errors import PortalError
from portal.http import HttpClient, Response
from portal.models import Delivery, DeliveryAttempt, DeliveryState, Subscription
from portal.queue.jobs import Due, complete, enqueue, postpone, without_job

log = logging.getLogger(__name__)

# How long after each try the next one is made; after the last nothing more is tried by itself.
SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)
)
ANSWER_SECONDS = 10.0
LONGEST_WAIT = timedelta(hours=1)
GONE = 410
KEPT = timedelta(days=30)
LOST_AFTER = timedelta(minutes=5)
_AT_ONCE = 500
_LONGEST_DETAIL = 300


@dataclass(frozen=True, slots=True)
class _Call:
    """What is posted where."""

    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one try ended. `wait` is what the receiver asked for."""

    code: int | None
    detail: str
    began: datetime
    milliseconds: int
    wait: timedelta = timedelta(0)

    @property
    def good(self) -> bool:
        """Any 2xx."""
        return self.code is not None and 200 <= self.code < 300


class CallBacks:
    """Makes deliveries. At least once: a process that dies after the call makes it again, under the same id."""

    def __init__(self, database: Database, http: HttpClient, vault: Vault, settings: Settings) -> None:
        self._database = database
        self._http = http
        self._vault = vault
        self._settings = settings

    def deliver(self, due: Due) -> bool:
        """One try. No transaction is open during the call."""
        with self._database.read() as session:
            row = session.get(Delivery, due.subject)
            subscription = session.get_one(Subscription, row.subscription_id) if row is not None else None
        if row is None or subscription is None or not _is_wanted(row, subscription):
            with self._database.write() as session:
                complete(session, [due.id])
            return True
        outcome = self._post(self._call(row, subscription))
        return self._database.patiently(lambda session: self._write(session, due, row.id, outcome))

    def _call(self, row: Delivery, subscription: Subscription) -> _Call:
        address = self._vault.open_fields(subscription.address)
        body = self._with_media(row.body).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Sendero-Webhook/1",
            "Sendero-Event": row.type,
            "Sendero-Delivery": row.uuid,
            "Sendero-Attempt": str(row.attempts + 1),
            signing.HEADER: signing.sign(address["secret"], int(clock.now().timestamp()), body),
        }
        return _Call(address["url"], body, headers)

    def _with_media(self, body: str) -> str:
        """Files are kept by their path alone, so that a portal may move to another address."""
        said = json.loads(body)
        media = said["data"].get("media")
        if not media:
            return body
        home = self._settings.app_url.rstrip("/")
        said["data"]["media"] = [home + each if str(each).startswith("/") else each for each in media]
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"))

    def _post(self, call: _Call) -> _Outcome:
        began, clocked = clock.now(), time.monotonic()
        private = self._settings.allow_private_hosts
        try:
            answer = self._http.request(
                "POST", call.url, headers=call.headers, data=call.body, private_hosts=private, deadline=ANSWER_SECONDS
            )
        except PortalError as error:
            return _Outcome(None, error.message[:_LONGEST_DETAIL], began, _since(clocked))
        return _Outcome(answer.status, _said(answer), began, _since(clocked), _asked(answer))

    def _write(self, session: Session, due: Due, delivery_id: int, outcome: _Outcome) -> bool:
        locked = select(Delivery).where(Delivery.id == delivery_id).with_for_update()
        row = session.scalars(locked.execution_options(populate_existing=True)).one()
        subscription = session.get_one(Subscription, row.subscription_id)
        row.attempts += 1
        row.round += 1
        row.last_code = outcome.code
        session.add(
            DeliveryAttempt(
                delivery_id=row.id,
                number=row.attempts,
                at=outcome.began,
                milliseconds=outcome.milliseconds,
                code=outcome.code,
                detail=outcome.detail,
            )
        )
        if outcome.good:
            row.state, row.note = DeliveryState.DELIVERED, ""
            close_alert(session, CALLBACK_GIVEN_UP, f"hook:{subscription.id}")
        elif outcome.code == GONE or row.round > len(SCHEDULE):
            self._give_up(session, row, subscription, outcome)
        else:
            row.next_at = clock.now() + max(SCHEDULE[row.round - 1], outcome.wait)
            row.note = _why(outcome)
            postpone(session, due, row.next_at, row.note)
            return False
        row.ended_at = clock.now()
        complete(session, [due.id])
        return True

    def _give_up(self, session: Session, row: Delivery, subscription: Subscription, outcome: _Outcome) -> None:
        row.state, row.note = DeliveryState.GIVEN_UP, _why(outcome)
        if outcome.code == GONE:
            subscription.paused_at = clock.now()
            subscription.pause_reason = "It answered 410: nothing is wanted there any more."
        told = f"{subscription.shown} was not told of {row.type}. {_why(outcome)}"
        raise_alert(session, CALLBACK_GIVEN_UP, f"hook:{subscription.id}", told, row.location_id)
        log.warning("webhook out given up", extra={"row": row.id, "code": outcome.code, "reason": _why(outcome)})


def _is_wanted(row: Delivery, subscription: Subscription) -> bool:
    live = subscription.removed_at is None and subscription.paused_at is None
    return row.state == DeliveryState.WAITING and live


def _since(clocked: float) -> int:
    return int((time.monotonic() - clocked) * 1000)


def _said(answer: Response) -> str:
    return answer.body[: _LONGEST_DETAIL * 4].decode("utf-8", "replace").replace("\x00", "\ufffd")[:_LONGEST_DETAIL]


def _asked(answer: Response) -> timedelta:
    seconds = answer.retry_after()
    return min(timedelta(seconds=seconds), LONGEST_WAIT) if seconds is not None else timedelta(0)


def _why(outcome: _Outcome) -> str:
    return f"It answered {outcome.code}." if outcome.code is not None else outcome.detail


def enqueue_forgotten(session: Session) -> int:
    """Gives deliveries that wait without a job theirs again; how many."""
    gone = without_job(Delivery.id, outbox.KIND)
    live = Subscription.removed_at.is_(None), Subscription.paused_at.is_(None)
    wanted = (
        select(Delivery)
        .join(Subscription, Subscription.id == Delivery.subscription_id)
        .where(Delivery.state == DeliveryState.WAITING, Delivery.next_at < clock.now() - LOST_AFTER, gone, *live)
        .order_by(Delivery.next_at)
        .limit(_AT_ONCE)
    )
    rows = session.scalars(wanted).all()
    enqueue(session, [outbox.delivery_job(row) for row in rows])
    return len(rows)


def forget(session: Session) -> int:
    """Deletes deliveries, with their tries, a month after they were made; how many."""
    old = Delivery.created_at < clock.now() - KEPT, Delivery.state != DeliveryState.WAITING
    ids = session.scalars(select(Delivery.id).where(*old).limit(_AT_ONCE).with_for_update(skip_locked=True)).all()
    if ids:
        session.execute(delete(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(ids)))
        session.execute(delete(Delivery).where(Delivery.id.in_(ids)))
    return len(ids)
