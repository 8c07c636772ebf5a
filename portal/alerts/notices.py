"""Alerts: things a person should look at, one open row per kind and subject, counted while they last.

Who is told of them, and when, is decided later and elsewhere (`portal.alarms`): raising one costs one statement.
"""

from typing import Any

from sqlalchemy import Update, update
from sqlalchemy.orm import Session

from portal import clock
from portal.database import insert
from portal.models import Alert

UNAUTHENTIC = "unauthentic"
NO_MESSAGE_ID = "no_message_id"
CHOOSE_DEFAULT = "choose_default"
NOT_INSTALLED = "not_installed"
DEAD_TOKEN = "dead_token"
SCOPES_MISSING = "scopes_missing"
LOCATION_INACTIVE = "location_inactive"
LOCATION_GONE = "location_gone"
LOCATION_MOVED = "location_moved"
UNLISTED = "unlisted"
WEBHOOK_LEFT = "webhook_left"
NOT_TOLD = "not_told"
PARKED = "parked"
SENDER_FAULT = "sender_fault"
STATUS_REFUSED = "status_refused"
GHL_WAITS = "ghl_waits"
RESTORED = "restored"
SPOOL_DAMAGED = "spool_damaged"
LOW_BALANCE = "low_balance"
REJECTIONS = "rejections"
REJECTIONS_OVER = "rejections_over"
LINE_DOWN = "line_down"
LINE_UNKNOWN = "line_unknown"
LINE_CHANGED = "line_changed"
SENDER_NOTICE = "sender_notice"
UNREAD_ITEMS = "unread_items"
WEBHOOK_DRIFT = "webhook_drift"
MEDIA_STORE = "media_store"
TEMPLATE_STOPPED = "template_stopped"
TEMPLATES_UNREAD = "templates_unread"
ACCOUNT_SLOW = "account_slow"
ACCOUNT_FAILING = "account_failing"
ACCOUNT_WELL = "account_well"
CREDITS_LOW = "credits_low"
CREDITS_BURN = "credits_burn"
CREDITS_AGENCY = "credits_agency"
WALLET_EMPTY = "wallet_empty"
CHARGES_WAIT = "charges_wait"
CALLBACK_GIVEN_UP = "callback_given_up"
DEAF = "deaf"
FAILURES = "failures"
QUEUE_AGE = "queue_age"


def raise_alert(session: Session, kind: str, subject: str, text: str, location_id: int | None = None) -> None:
    """Opens an alert, or counts up the one that is open for the same kind and subject.

    One that was closed, but is not settled yet, is the same incident: it is opened again and nobody is told anew.
    """
    moment = clock.now()
    values = {"kind": kind, "subject": subject[:160], "text": text, "location_id": location_id}
    same = Alert.kind == kind, Alert.subject == subject[:160]
    more = {"count": Alert.count + 1, "last_at": moment, "text": text}
    if _changed(session, update(Alert).where(*same, Alert.closed_at.is_(None)).values(more)):
        return
    again = {**more, "closed_at": None, "closed_by": "", "returns": Alert.returns + 1}
    unsettled = Alert.closed_at.is_not(None), Alert.settled_at.is_(None)
    if _changed(session, update(Alert).where(*same, *unsettled).values(again)):
        return
    row = insert(session, Alert).values(**values, count=1, opened_at=moment, last_at=moment, began_text=text)
    session.execute(row.on_conflict_do_nothing())


def close_alert(
    session: Session, kind: str, subject: str, text: str = "", by: str = "", *, superseded: bool = False
) -> None:
    """Closes the open alert of this kind and subject, if there is one; `text` then says what happened, `by` whose word
    it was where it was a person's. `superseded`: another incident takes its place, so nobody hears that it is over.
    """
    moment = clock.now()
    told: dict[str, Any] = ({"text": text} if text else {}) | ({"settled_at": moment} if superseded else {})
    session.execute(
        update(Alert)
        .where(Alert.kind == kind, Alert.subject == subject[:160], Alert.closed_at.is_(None))
        .values(closed_at=moment, closed_by=by[:128], **told)
    )


def _changed(session: Session, statement: Update) -> bool:
    return bool(session.execute(statement).rowcount)  # type: ignore[attr-defined]
