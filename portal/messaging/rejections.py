"""A sender whose messages carriers turn away: providers accept them all the same, so only the receipts can tell.

One alert for each incident, and a notice when it is over. The words and the thresholds are all here.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import REJECTIONS, REJECTIONS_OVER, close_alert, raise_alert
from portal.channels.base import Family, Loss, Outcome
from portal.models import Alert, ReceiptRow, Sender, SenderState
from portal.queue.gates import sender_gate

# An incident begins when of at least so many messages that ended in the window this share was turned away …
WINDOW = timedelta(hours=1)
LEAST = 20
BEGINS_AT = 0.30
# … and is over when it has fallen below this one. Only the newest of the window are looked at.
OVER_BELOW = 0.15
NEWEST = 200
NEWEST_OF_ALL = 5000
# Without any receipt for so long nobody can say whether it is over: the next incident is a new one.
FORGOTTEN_AFTER = timedelta(days=1)
NOTICE_STAYS = timedelta(days=1)

ENDED = (Outcome.DELIVERED, Outcome.FAILED, Outcome.EXPIRED)
CAUSES = {
    Loss.REJECTED: "The messages say in the provider's own words why: look into the account's quality there.",
    Loss.UNREACHABLE: "Most of these numbers cannot be reached: they may be old or wrong.",
    Loss.NONE: "The messages say in the carriers' own words why.",
}
# Where there are sender ids.
BY_SENDER_ID = (
    "Most often the sender id is not approved for these networks, or the text is not allowed there: ask the provider."
)
# These tell nothing of whether the sender's messages are wanted.
_BESIDE = (Loss.WITHHELD, Loss.ACCOUNT)


@dataclass(frozen=True, slots=True)
class Rate:
    """What became of a sender's newest messages: how many ended, how many were turned away, and mostly why."""

    ended: int
    turned_away: int
    mostly: Loss

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.turned_away / self.ended if self.ended else 0.0

    @property
    def words(self) -> str:
        """The figures as people read them."""
        return f"{self.turned_away} of its last {self.ended} messages were turned away ({self.share:.0%})"


def note(session: Session, sender_id: int) -> None:
    """A message of this sender has failed at the carrier: is that one too many?

    Receipts that are taken at the same moment do not see each other; `look_for_missed` sees them all.
    """
    sender = session.get_one(Sender, sender_id)
    if sender.rejecting_since is not None:
        return
    found = rate(session, sender_id)
    if found.ended < LEAST or found.share < BEGINS_AT:
        return
    first = update(Sender).where(Sender.id == sender_id, Sender.rejecting_since.is_(None))
    if not session.execute(first.values(rejecting_since=clock.now())).rowcount:  # type: ignore[attr-defined]
        return
    close_alert(session, REJECTIONS_OVER, sender_gate(sender_id))
    text = f"{_named(sender)}: {found.words}. {_cause(sender, found.mostly)}"
    raise_alert(session, REJECTIONS, sender_gate(sender_id), text, sender.location_id)


def look_for_missed(session: Session) -> int:
    """Looks again at the senders of the newest failures; returns how many incidents began."""
    newest = (session.scalar(select(func.max(ReceiptRow.id))) or 0) - NEWEST_OF_ALL
    failed = ReceiptRow.id > newest, ReceiptRow.outcome == Outcome.FAILED, Sender.rejecting_since.is_(None)
    found = select(Sender.id).join(ReceiptRow, ReceiptRow.sender_id == Sender.id).where(*failed).distinct()
    before = session.scalars(found.where(Sender.state != SenderState.REMOVED)).all()
    for sender_id in before:
        note(session, sender_id)
    began = select(func.count()).where(Sender.id.in_(before), Sender.rejecting_since.is_not(None))
    return session.scalar(began) or 0


def look_for_ends(session: Session) -> int:
    """Ends incidents that are over; returns how many."""
    old = Alert.kind == REJECTIONS_OVER, Alert.closed_at.is_(None), Alert.opened_at < clock.now() - NOTICE_STAYS
    session.execute(update(Alert).where(*old).values(closed_at=clock.now()))
    ended = 0
    rejecting = select(Sender).where(Sender.rejecting_since.is_not(None)).with_for_update(skip_locked=True)
    for sender in session.scalars(rejecting).all():
        found = rate(session, sender.id)
        if sender.state == SenderState.REMOVED:
            close_alert(session, REJECTIONS, sender_gate(sender.id))
        elif found.ended >= LEAST and found.share < OVER_BELOW:
            close_alert(session, REJECTIONS, sender_gate(sender.id))
            text = f"{_named(sender)}: its messages get through again; {found.words}."
            raise_alert(session, REJECTIONS_OVER, sender_gate(sender.id), text, sender.location_id)
        elif found.ended or _recent(sender):
            continue
        sender.rejecting_since = None
        ended += 1
    return ended


def rate(session: Session, sender_id: int) -> Rate:
    """What the receipts of the window say. Who has opted out was not turned away by a carrier, and what was withheld
    from its recipient, or failed for the account's sake, tells nothing."""
    newest = (
        select(ReceiptRow.outcome, ReceiptRow.loss, ReceiptRow.received_at)
        .where(ReceiptRow.sender_id == sender_id, ReceiptRow.outcome.in_(ENDED), ReceiptRow.loss.not_in(_BESIDE))
        .order_by(ReceiptRow.id.desc())
        .limit(NEWEST)
        .subquery()
    )
    counted = (
        select(newest.c.outcome, newest.c.loss, func.count())
        .where(newest.c.received_at > clock.now() - WINDOW)
        .group_by(newest.c.outcome, newest.c.loss)
    )
    rows = session.execute(counted).all()
    away = {Loss(loss): n for outcome, loss, n in rows if outcome == Outcome.FAILED and loss != Loss.OPTED_OUT}
    mostly = max(away, key=lambda loss: away[loss], default=Loss.NONE)
    return Rate(sum(n for _, _, n in rows), sum(away.values()), mostly)


def _recent(sender: Sender) -> bool:
    return sender.rejecting_since is not None and sender.rejecting_since > clock.now() - FORGOTTEN_AFTER


def _named(sender: Sender) -> str:
    if sender.family == Family.WHATSAPP:
        return f"{sender.name} ({sender.line_address})" if sender.line_address else sender.name
    return f"{sender.name} (sender id {sender.address})" if sender.address else sender.name


def _cause(sender: Sender, mostly: Loss) -> str:
    return CAUSES[mostly] if sender.family == Family.WHATSAPP or mostly is not Loss.REJECTED else BY_SENDER_ID
