"""Recipients of alerts: who wants to be told of what, and the notices that are written for them."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import parseaddr

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alarms import topics
from portal.callbacks import outbox, subscriptions
from portal.crypto import Vault
from portal.database import insert_unless_there
from portal.errors import InvalidInput
from portal.models import (
    Alert,
    AlertNotice,
    AlertRecipient,
    NoticeKind,
    NoticeState,
    Subscription,
    Way,
)
from portal.models.base import new_uuid
from portal.queue.jobs import HOOK, enqueue, job, request, without_job

KIND = "tell_recipient"
MOST = 50
NO_MAIL = "No mail server is set: the operator sets SMTP_URL and SMTP_FROM first. Webhooks work without."
# Below the newest hundred of them nothing is lost: the job comes again until none waits.
AT_ONCE = 100


def check_email(address: str) -> str:
    """The address, when letters may go there. Raises `InvalidInput`."""
    local, _, domain = address.rpartition("@")
    plain = address.isascii() and address.isprintable() and " " not in address
    if not (local and "." in domain and plain and len(address) <= 254 and parseaddr(address)[1] == address):
        raise InvalidInput("This is no e-mail address.")
    return address


def add(
    session: Session,
    vault: Vault,
    way: Way,
    address: str,
    wanted: Sequence[str],
    by: str,
    *,
    agency_id: int | None,
    location_id: int | None = None,
) -> AlertRecipient:
    """Adds a recipient whose address has been checked. Raises `InvalidInput` when there are too many."""
    same = AlertRecipient.removed_at.is_(None), AlertRecipient.agency_id.is_not_distinct_from(agency_id)
    if len(session.scalars(select(AlertRecipient.id).where(*same).limit(MOST)).all()) >= MOST:
        raise InvalidInput(f"There are {MOST} recipients already: remove one first.")
    row = AlertRecipient(
        agency_id=agency_id,
        location_id=location_id,
        way=way.value,
        shown=address if way is Way.EMAIL else subscriptions.shown(address),
        topics=topics.check(list(wanted)),
        created_by=by[:128],
        created_at=clock.now(),
    )
    if way is Way.EMAIL:
        row.address = vault.seal_fields({"email": address})
    else:
        hook = subscriptions.for_alerts(session, vault, address, by, location_id=location_id, agency_id=agency_id)
        row.subscription_id = hook.id
    session.add(row)
    session.flush()
    return row


def remove(session: Session, row: AlertRecipient) -> None:
    """Nobody is told there any more. What it was told stays to be looked at."""
    row.removed_at = row.removed_at or clock.now()
    if row.subscription_id is not None:
        subscriptions.remove(session, session.get_one(Subscription, row.subscription_id))
    waiting = AlertNotice.recipient_id == row.id, AlertNotice.state == NoticeState.WAITING
    over = {"state": NoticeState.DROPPED, "note": "The recipient was removed.", "ended_at": clock.now()}
    session.execute(update(AlertNotice).where(*waiting).values(**over))


def be_quiet(session: Session, row: AlertRecipient, until: datetime | None) -> None:
    """Sends nothing there before; None ends the quiet. What began and ended in it is not told."""
    row.quiet_until = until
    session.flush()
    request(session, [_job(row.id)])


def test(session: Session, row: AlertRecipient) -> None:
    """Has a notice sent that tells of nothing."""
    text = "This is a test of the notices. Nothing happened."
    session.execute(insert_unless_there(session, AlertNotice), [_row(None, row.id, NoticeKind.TEST, text)])
    request(session, [_job(row.id)])


def of(session: Session, agency_id: int, location_id: int | None, topic: str) -> list[AlertRecipient]:
    """Who wants to be told of a topic in a sub-account, or of what concerns the agency (0: the operator) as a whole."""
    whose = AlertRecipient.agency_id == agency_id if agency_id else AlertRecipient.agency_id.is_(None)
    where = or_(AlertRecipient.location_id.is_(None), AlertRecipient.location_id == location_id)
    found = session.scalars(select(AlertRecipient).where(whose, where, AlertRecipient.removed_at.is_(None)))
    return [row for row in found if not row.topics or topic in row.topics]


def tell(session: Session, alert: Alert, agency_id: int, kind: NoticeKind, text: str) -> int:
    """Writes a notice for everybody who wants it, each once; how many there are."""
    wanting = of(session, agency_id, alert.location_id, topics.topic_of(alert.kind))
    _write(session, [_row(alert.id, each.id, kind, text) for each in wanting])
    return len(wanting)


def tell_those_who_know(session: Session, alert: Alert, agency_id: int, text: str) -> None:
    """Tells those who heard that it began that it is over, unless the sub-account is another agency's since."""
    whose = or_(AlertRecipient.agency_id.is_(None), AlertRecipient.agency_id == agency_id)
    knowing = AlertNotice.alert_id == alert.id, AlertNotice.kind == NoticeKind.BEGAN
    lost = NoticeState.GIVEN_UP, NoticeState.DROPPED
    ids = session.scalars(
        select(AlertNotice.recipient_id)
        .join(AlertRecipient, AlertRecipient.id == AlertNotice.recipient_id)
        .where(*knowing, AlertNotice.state.not_in(lost), AlertRecipient.removed_at.is_(None), whose)
        .order_by(AlertNotice.recipient_id)
    ).all()
    _write(session, [_row(alert.id, id_, NoticeKind.OVER, text) for id_ in ids])


def _write(session: Session, rows: list[dict[str, object]]) -> None:
    if rows:
        session.flush()
        session.execute(insert_unless_there(session, AlertNotice, "alert_id", "recipient_id", "kind"), rows)
        request(session, [_job(id_) for id_ in sorted({int(str(row["recipient_id"])) for row in rows})])


def _row(alert_id: int | None, recipient_id: int, kind: NoticeKind, text: str) -> dict[str, object]:
    moment = clock.now()
    return {
        "uuid": new_uuid(),
        "alert_id": alert_id,
        "recipient_id": recipient_id,
        "kind": kind.value,
        "text": text,
        "state": NoticeState.WAITING.value,
        "attempts": 0,
        "next_at": moment,
        "note": "",
        "created_at": moment,
    }


def _job(recipient_id: int) -> dict[str, object]:
    return job(HOOK, KIND, recipient_id, f"alarm:{recipient_id}", gate="alarms")


def enqueue_forgotten(session: Session) -> int:
    """Gives recipients for whom something waits without a job theirs again; how many."""
    waiting = AlertNotice.state == NoticeState.WAITING, without_job(AlertNotice.recipient_id, KIND)
    ids = session.scalars(select(AlertNotice.recipient_id).where(*waiting).distinct().limit(AT_ONCE)).all()
    enqueue(session, [_job(id_) for id_ in ids])
    return len(ids)


EVENT = {NoticeKind.BEGAN: outbox.ALERT_BEGAN, NoticeKind.OVER: outbox.ALERT_OVER, NoticeKind.TEST: outbox.PING}
