"""Switching from one sender to another: by a person until they say otherwise, or by the portal for a while.

Every switch is a row that stays: who, from what to what, why, since when, until when, and how it ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.errors import InvalidInput, NotFound
from portal.messaging.releasing import release_held
from portal.models import FailoverPolicy, Location, Sender, SenderState, SenderSwitch
from portal.wording import noted

PORTAL = "the portal"
LONGEST_REASON = 300
FURTHEST = timedelta(days=90)
MOST_SHOWN = 20
# What a person chooses from: which policy it is, whether it reaches over the whole family, and what it is called.
POLICIES = {
    "hold": (FailoverPolicy.HOLD, False, noted("its messages wait for it")),
    "channel": (FailoverPolicy.SAME_CHANNEL, False, noted("another sender of the same provider stands in")),
    "family": (FailoverPolicy.SAME_CHANNEL, True, noted("another sender of the same kind stands in, of any provider")),
    "fail": (FailoverPolicy.FAIL, False, noted("its messages fail")),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A switch to be: away from `from_id`, to `to_id` or whoever can take the message, until a moment or a word.

    `reason` follows on "it is switched away from:".
    """

    from_id: int
    to_id: int | None
    who: str
    reason: str
    until: datetime | None = None


def begin(session: Session, wanted: Wanted) -> SenderSwitch:
    """Switches; one that stood ends. What was held is tried again. Raises `InvalidInput` and `NotFound`."""
    sender = _get(session, wanted.from_id)
    _check(session, sender, wanted)
    _end(session, SenderSwitch.from_id == sender.id, wanted.who, "Another switch took its place.")
    row = SenderSwitch(
        location_id=sender.location_id,
        from_id=sender.id,
        to_id=wanted.to_id,
        who=wanted.who[:128],
        reason=wanted.reason.strip()[:LONGEST_REASON],
        began_at=clock.now(),
        until=wanted.until,
    )
    session.add(row)
    session.flush()
    release_held(session, sender.location_id)
    return row


def _check(session: Session, sender: Sender, wanted: Wanted) -> None:
    if not wanted.reason.strip():
        raise InvalidInput("Say why: it stands on every message that takes another way.")
    if wanted.until is not None and not clock.now() < wanted.until <= clock.now() + FURTHEST:
        raise InvalidInput("The time has to be within the next 90 days.")
    others = choices(session, sender)
    if not others:
        raise InvalidInput("This sub-account has no other sender of this kind.")
    if wanted.to_id is not None and wanted.to_id not in {each.id for each in others}:
        raise InvalidInput("Choose another sender of the same kind in the same sub-account.")


def choices(session: Session, sender: Sender) -> Sequence[Sender]:
    """Who could take a sender's messages, in the order in which they would."""
    same = Sender.location_id == sender.location_id, Sender.family == sender.family, Sender.id != sender.id
    wanted = select(Sender).where(*same, Sender.state != SenderState.REMOVED)
    return session.scalars(wanted.order_by(Sender.position, Sender.id)).all()


def end(session: Session, sender_id: int, who: str, reason: str = "") -> bool:
    """Switches back to a sender; False when nothing led away from it. What was held is tried again."""
    sender = _get(session, sender_id)
    ended = _end(session, SenderSwitch.from_id == sender_id, who, reason or "Switched back.")
    if ended:
        release_held(session, sender.location_id)
    return bool(ended)


def is_due(session: Session) -> bool:
    """Is the time of a switch over?"""
    over = select(SenderSwitch.id).where(SenderSwitch.ended_at.is_(None), SenderSwitch.until <= clock.now())
    return session.scalar(over.limit(1)) is not None


def end_due(session: Session) -> int:
    """Ends the switches whose time is over; returns how many."""
    over = update(SenderSwitch).where(SenderSwitch.ended_at.is_(None), SenderSwitch.until <= clock.now())
    ended = session.execute(
        over.values(ended_at=SenderSwitch.until, ended_by=PORTAL, end_reason="Its time was over.").execution_options(
            synchronize_session=False
        )
    )
    return int(ended.rowcount)  # type: ignore[attr-defined]


def forget(session: Session, sender_id: int) -> None:
    """A sender is removed: no switch leads away from it or to it any more."""
    _end(session, (SenderSwitch.from_id == sender_id) | (SenderSwitch.to_id == sender_id), PORTAL, "It was removed.")


def lock(session: Session, sender_id: int) -> None:
    """Nobody else switches away from this sender or back to it until the transaction ends."""
    session.scalar(select(Sender.id).where(Sender.id == sender_id).with_for_update(key_share=True))


def standing(session: Session, sender_id: int) -> SenderSwitch | None:
    """The switch that leads away from a sender now."""
    row = session.scalar(select(SenderSwitch).where(SenderSwitch.from_id == sender_id, SenderSwitch.ended_at.is_(None)))
    return row if row is not None and (row.until is None or row.until > clock.now()) else None


def history(session: Session, sender_id: int) -> Sequence[SenderSwitch]:
    """The switches away from a sender, the latest first."""
    wanted = select(SenderSwitch).where(SenderSwitch.from_id == sender_id)
    return session.scalars(wanted.order_by(SenderSwitch.id.desc()).limit(MOST_SHOWN)).all()


def policy_of(location: Location) -> str:
    """The name of a location's policy among `POLICIES`."""
    now = location.failover, location.family_stands_in and location.failover == FailoverPolicy.SAME_CHANNEL
    return next(name for name, (policy, wide, _) in POLICIES.items() if (policy, wide) == now)


def set_policy(session: Session, location: Location, name: str, *, switches_itself: bool) -> int:
    """What happens when a sender cannot send; returns how many held messages are tried again under it."""
    if name not in POLICIES:
        raise InvalidInput(f"The policy is one of {', '.join(POLICIES)}.")
    location.failover, location.family_stands_in, _ = POLICIES[name]
    location.switches_itself = switches_itself and location.failover == FailoverPolicy.SAME_CHANNEL
    session.flush()
    return release_held(session, location.id)


def set_order(session: Session, location: Location, sender_ids: Sequence[int]) -> None:
    """The order in which senders stand in. Those that are not named come after, as they were."""
    present = Sender.location_id == location.id, Sender.state != SenderState.REMOVED
    rows = {row.id: row for row in session.scalars(select(Sender).where(*present).order_by(Sender.position, Sender.id))}
    if len(set(sender_ids)) != len(sender_ids) or not set(sender_ids) <= set(rows):
        raise InvalidInput("Name senders of this sub-account, each once.")
    for place, sender_id in enumerate([*sender_ids, *(each for each in rows if each not in sender_ids)]):
        rows[sender_id].position = place


def _end(session: Session, which: object, who: str, reason: str) -> int:
    standing_ones = update(SenderSwitch).where(which, SenderSwitch.ended_at.is_(None))  # type: ignore[arg-type]
    values = {"ended_at": clock.now(), "ended_by": who[:128], "end_reason": reason[:LONGEST_REASON]}
    return int(session.execute(standing_ones.values(**values)).rowcount)  # type: ignore[attr-defined]


def _get(session: Session, sender_id: int) -> Sender:
    wanted = select(Sender).where(Sender.id == sender_id, Sender.state != SenderState.REMOVED)
    sender = session.scalar(wanted.with_for_update(key_share=True))
    if sender is None:
        raise NotFound(f"There is no sender {sender_id}.")
    return sender
