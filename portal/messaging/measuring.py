"""How quick and how sound provider accounts are: counted from the newest calls and receipts of the last ten minutes.

A message is slow when it took more than five minutes from acceptance to delivery, or is still under way after them;
an account is slow from 15 % of such messages on (GOV.UK Notify's rule). At most `SAMPLE` rows of each kind are looked
at for a sender, through `ix_attempt_recent` and the receipts' unique index, however many messages there are; where
more than `MOST_SENDERS` share an account, the newest of them stand for all.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, union_all
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.base import Family, Outcome
from portal.models import AccountHealth, Attempt, Part, ReceiptRow, Sender, SenderState, Status
from portal.queue.gates import sender_gate

WINDOW = timedelta(minutes=10)
IN_TIME = timedelta(minutes=5)
SAMPLE = 500
MOST_SENDERS = 20
# Fewer say nothing.
LEAST, LEAST_CALLS = 20, 10
# An incident begins at the first share and is over below the second.
SLOW_AT, FAILING_AT, WELL_BELOW = 0.15, 0.20, 0.10
# Without a receipt for so long nothing is known of deliveries: the provider cannot reach us, or tells nothing.
TELLING = timedelta(days=1)
CLOCKS_APART = timedelta(minutes=1)

_ENDS = (Outcome.DELIVERED, Outcome.READ, Outcome.FAILED, Outcome.EXPIRED)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was counted in the window; the fields are those of `AccountHealth`."""

    messages: int
    slow: int | None
    calls: int
    faults: int
    unknowns: int
    call_ms: int

    @property
    def slow_share(self) -> float:
        """From 0 to 1."""
        return (self.slow or 0) / self.messages if self.messages else 0.0

    @property
    def fault_share(self) -> float:
        """The calls that were refused for the sender's sake or not answered, from 0 to 1."""
        return (self.faults + self.unknowns) / self.calls if self.calls else 0.0

    @property
    def is_slow(self) -> bool:
        """Does a slow incident begin at these numbers?"""
        return self.messages >= LEAST and self.slow_share >= SLOW_AT

    @property
    def is_failing(self) -> bool:
        """The same for failing calls."""
        return self.calls >= LEAST_CALLS and self.fault_share >= FAILING_AT

    @property
    def is_quick(self) -> bool:
        """Is a slow incident over? Few messages say so only when none of them is slow."""
        return self.slow_share < WELL_BELOW if self.messages >= LEAST else not self.slow

    @property
    def is_sound(self) -> bool:
        """The same for failing calls."""
        return self.fault_share < WELL_BELOW if self.calls >= LEAST_CALLS else not self.faults + self.unknowns

    @property
    def speed(self) -> str:
        """The first figure as people read it."""
        if self.slow is None:
            return "no receipts come, so its speed is not known"
        return (
            f"{self.slow} of its last {self.messages} messages ({self.slow_share:.0%}) took more than 5 minutes to be"
            " delivered, or are still under way"
        )

    @property
    def soundness(self) -> str:
        """The second one."""
        return (
            f"{self.faults + self.unknowns} of its last {self.calls} calls ({self.fault_share:.0%}) failed:"
            f" {self.faults} refused for the sender's sake, {self.unknowns} without an answer"
        )


def of_row(row: AccountHealth) -> Numbers:
    """The numbers that were kept."""
    return Numbers(row.messages, row.slow, row.calls, row.faults, row.unknowns, row.call_ms)


def accounts_in_use(session: Session) -> dict[str, list[Sender]]:
    """The senders through which something went out in the window, by the key of their account's gate."""
    recent = select(Attempt.id).where(Attempt.sender_id == Sender.id, Attempt.ended_at > clock.now() - WINDOW)
    used = select(Sender).where(recent.exists(), Sender.state != SenderState.REMOVED, Sender.sandbox.is_(False))
    found: dict[str, list[Sender]] = {}
    for sender in session.scalars(used.order_by(Sender.id)):
        found.setdefault(sender_gate(sender.id, sender.account_key), []).append(sender)
    return found


def measure(session: Session, senders: Sequence[Sender]) -> Numbers:
    """Counts for the senders of one account."""
    moment = clock.now()
    some = sorted(senders, key=lambda each: each.id)[-MOST_SENDERS:]
    columns = Attempt.started_at, Attempt.ended_at, Attempt.outcome, Attempt.fault
    calls = session.execute(_newest(some, columns, Attempt.ended_at > moment - WINDOW)).all()
    taken = [(row.ended_at - row.started_at) / timedelta(milliseconds=1) for row in calls]
    messages, slow = _speed(session, [each for each in some if _tells(session, each)], moment)
    return Numbers(
        messages=messages,
        slow=slow,
        calls=len(calls),
        faults=sum(row.fault for row in calls),
        unknowns=sum(row.outcome == "unknown" for row in calls),
        call_ms=max(0, round(median(taken))) if taken else 0,
    )


def _tells(session: Session, sender: Sender) -> bool:
    """Does its provider tell of deliveries, and has it done so of late?"""
    channel = registry.get(sender.channel)
    if sender.acceptance_counts or not (channel.polls or channel.calls_back):
        return False
    newest = select(ReceiptRow.received_at).where(ReceiptRow.sender_id == sender.id).order_by(ReceiptRow.id.desc())
    at = session.scalar(newest.limit(1))
    return at is not None and at > clock.now() - TELLING


def _speed(session: Session, senders: Sequence[Sender], moment: datetime) -> tuple[int, int | None]:
    """How many messages were accepted in the window, and how many of them were slow."""
    if not senders:
        return 0, None
    accepted, in_time = Attempt.outcome == "accepted", moment - IN_TIME
    # A younger one cannot be slow yet; it counts among all.
    young = _newest(senders, (Attempt.id, Attempt.ended_at), accepted, Attempt.ended_at > in_time).subquery()
    between = Attempt.ended_at > moment - WINDOW, Attempt.ended_at <= in_time
    old = _newest(senders, (Attempt.part_id, Attempt.ended_at), accepted, *between).subquery()
    told = _ends_of({each.family for each in senders})
    heard = ReceiptRow.sender_id == Part.sender_id, ReceiptRow.external_id == Part.external_id
    ended = ReceiptRow.outcome.in_(told)
    rows = session.execute(
        select(
            old.c.ended_at,
            Part.status,
            select(func.min(ReceiptRow.received_at)).where(*heard, ended).scalar_subquery().label("received_at"),
            select(func.min(ReceiptRow.at)).where(*heard, ended).scalar_subquery().label("at"),
        ).join(Part, Part.id == old.c.part_id)
    ).all()
    younger = session.scalar(select(func.count()).select_from(young)) or 0
    return len(rows) + younger, sum(_is_slow(row, told) for row in rows)


def _newest(senders: Sequence[Sender], columns: Sequence[Any], *which: ColumnElement[bool]) -> Select[Any]:
    """The newest calls of these senders. One question for each: PostgreSQL would sort all that several have made."""
    each = [
        select(*columns).where(Attempt.sender_id == sender.id, *which).order_by(Attempt.ended_at.desc()).limit(SAMPLE)
        for sender in senders
    ]
    found = union_all(*(select(one.subquery()) for one in each)).subquery()
    return select(found).order_by(found.c.ended_at.desc()).limit(SAMPLE)


def _ends_of(families: Collection[str]) -> tuple[Outcome, ...]:
    """What ends the wait. A phone that is off keeps an SMS from nobody's network; a messenger's server has it then."""
    return _ENDS if Family.SMS in families else (Outcome.SENT, *_ENDS)


def _is_slow(row: Any, told: Collection[Outcome]) -> bool:
    if row.received_at is None:
        return row.status in (Status.ACCEPTED, Status.SENT)
    # The provider's own time, for what is polled for is heard of later; but not where its clock is wrong.
    plausible = row.at is not None and row.at > row.ended_at - CLOCKS_APART
    return bool((min(row.at, row.received_at) if plausible else row.received_at) - row.ended_at > IN_TIME)
