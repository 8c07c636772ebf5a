"""Status moves: one table of what may follow what, one function that moves, and the evidence kept with every move."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from sqlalchemy.orm import Session

from portal import clock
from portal.callbacks import outbox
from portal.channels.base import Outcome
from portal.models import Message, Part, Status, StatusChange

S = Status

# `unknown → sending` repeats a call under the same idempotency key; only idempotent channels do. `queued → unknown` and
# `held → unknown` happen when a backup was restored: nobody knows what went out after it was made. `queued | held →
# accepted`: a person had it sent again, and then the first call's answer came after all. `accepted | sent → queued`:
# the provider says that what it took did not go out, and it is tried again (`setbacks`); `→ sending` where that is so
# of some of its parts.
MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        S.QUEUED: frozenset({S.SENDING, S.ACCEPTED, S.HELD, S.UNKNOWN, S.FAILED, S.EXPIRED, S.CANCELLED}),
        S.HELD: frozenset({S.QUEUED, S.ACCEPTED, S.UNKNOWN, S.FAILED, S.EXPIRED, S.CANCELLED}),
        S.SENDING: frozenset(
            {S.QUEUED, S.ACCEPTED, S.SENT, S.DELIVERED, S.READ, S.FAILED, S.UNKNOWN, S.EXPIRED, S.SENDING}
        ),
        S.UNKNOWN: frozenset(
            {S.SENDING, S.QUEUED, S.ACCEPTED, S.SENT, S.DELIVERED, S.READ, S.FAILED, S.EXPIRED, S.CANCELLED}
        ),
        S.ACCEPTED: frozenset({S.QUEUED, S.SENDING, S.SENT, S.DELIVERED, S.READ, S.FAILED, S.EXPIRED}),
        S.SENT: frozenset({S.QUEUED, S.SENDING, S.DELIVERED, S.READ, S.FAILED, S.EXPIRED}),
        S.DELIVERED: frozenset({S.READ}),
        S.READ: frozenset(),
        S.FAILED: frozenset(),
        S.EXPIRED: frozenset({S.DELIVERED, S.READ}),
        S.CANCELLED: frozenset(),
        S.RECEIVED: frozenset(),
    }
)

# The code on parts that are unknown because a backup was restored.
RESTORED = "restored"
FINAL = frozenset({S.FAILED, S.EXPIRED, S.CANCELLED})
# In these the provider has taken the part.
TAKEN = (S.ACCEPTED, S.SENT, S.DELIVERED, S.READ)

SENTENCES: Mapping[Status, str] = MappingProxyType(
    {
        S.QUEUED: "Waiting for its turn.",
        S.HELD: "Held back until a person or a setting lets it go.",
        S.SENDING: "Being handed to the provider.",
        S.UNKNOWN: "The provider may have it: waiting for its word, or for a person to decide.",
        S.ACCEPTED: "The provider has it.",
        S.SENT: "On its way to the phone.",
        S.DELIVERED: "On the phone.",
        S.READ: "Read.",
        S.FAILED: "It did not go out.",
        S.EXPIRED: "It could not go out in time.",
        S.CANCELLED: "Taken back before it went out.",
        S.RECEIVED: "Received.",
    }
)

_GHL: Mapping[Status, str] = MappingProxyType(
    {
        S.DELIVERED: "delivered",
        S.READ: "read",
        S.FAILED: "failed",
        S.EXPIRED: "failed",
        S.CANCELLED: "failed",
    }
)


def may_move(before: str, after: str) -> bool:
    """Is the move in the table?"""
    return Status(after) in MOVES[Status(before)]


def ghl_status(status: str, acceptance_counts: bool) -> str:
    """What HighLevel is told: `pending`, `delivered`, `read` or `failed`. Delivered only on evidence.

    `acceptance_counts` is the sender's own setting, for providers that never report a delivery.
    """
    if acceptance_counts and status in (S.ACCEPTED, S.SENT):
        return "delivered"
    return _GHL.get(Status(status), "pending")


def of_parts(parts: Sequence[str]) -> Status:
    """The message's status from its parts': delivered is all parts, any failure is the message's."""
    found = [Status(part) for part in parts]
    for loud in (S.SENDING, S.UNKNOWN):
        if loud in found:
            return loud
    if any(part in FINAL for part in found):
        return next(part for part in (S.FAILED, S.EXPIRED, S.CANCELLED) if part in found)
    taken = [part for part in found if part in TAKEN]
    if taken and len(taken) < len(found):
        return S.SENDING
    if taken:
        return min(taken, key=TAKEN.index)
    return S.HELD if S.HELD in found else S.QUEUED


def failure_reason(parts: Sequence[Part], detail: str) -> str:
    """The sentence for a failed message: how much of it went out, and why the rest did not."""
    if len(parts) < 2:
        return detail
    out = sum(1 for part in parts if part.status in TAKEN)
    return f"{out} of {len(parts)} parts went out. {detail}"


def move_message(
    session: Session,
    message: Message,
    after: Status,
    *,
    who: str,
    code: str = "",
    detail: str = "",
    at: datetime | None = None,
) -> bool:
    """Moves a message whose row the caller has locked; False, and nothing changed, when the table does not allow it."""
    if message.status == after or not may_move(message.status, after):
        return False
    moment = at or clock.now()
    session.add(
        StatusChange(
            message_id=message.id,
            before=message.status,
            after=after.value,
            who=who,
            code=code[:64],
            detail=detail,
            at=moment,
        )
    )
    message.status = after.value
    message.status_at = moment
    message.held = after is S.HELD
    message.reason = detail
    message.error_code = code[:64] if after in FINAL else ""
    outbox.moved(session, message.id, message.location_id, after.value, code[:64], detail, moment)
    return True


def move_part(session: Session, part: Part, after: Status, *, who: str, code: str = "", detail: str = "") -> bool:
    """Moves one part of a locked message and keeps the evidence. The message follows by `follow_parts`."""
    if part.status == after or not may_move(part.status, after):
        return False
    if len(part.message.parts) > 1:
        session.add(
            StatusChange(
                message_id=part.message_id,
                part_id=part.id,
                before=part.status,
                after=after.value,
                who=who,
                code=code[:64],
                detail=detail,
                at=clock.now(),
            )
        )
    part.status = after.value
    part.code = code[:64] or part.code
    part.detail = detail
    return True


def follow_parts(session: Session, message: Message, *, who: str, code: str = "", detail: str = "") -> bool:
    """Gives a locked message the status that its parts add up to; True when it moved."""
    after = of_parts([part.status for part in message.parts])
    reason = failure_reason(message.parts, detail) if after in FINAL else detail
    return move_message(session, message, after, who=who, code=code, detail=reason)


def from_outcome(outcome: Outcome) -> Status:
    """The status that a provider's word stands for."""
    return Status.READ if outcome is Outcome.PLAYED else Status(outcome.value)
