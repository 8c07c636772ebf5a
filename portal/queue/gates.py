"""Gates: the pace of a sender, its faults, and a location's HighLevel budget, held across all processes."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.database import insert, padded
from portal.models import Gate

# From this many faults in a row on, one call at a time probes whether the other side is back.
PROBE_AFTER = 3
FIRST_BREAK = 5.0
LONGEST_BLOCK = timedelta(minutes=5)


def sender_gate(sender_id: int, account_key: str = "") -> str:
    """The gate of a sender's sends: that of its account, where senders share one (`Sender.account_key`)."""
    return f"account:{account_key}" if account_key else f"sender:{sender_id}"


def poll_gate(sender_id: int, account_key: str = "") -> str:
    """The gate of a sender's or account's status polls: they must not use up the pace of its messages."""
    return f"polls:{account_key}" if account_key else f"poll:{sender_id}"


def ghl_gate(location_id: int) -> str:
    """The gate of a location's calls to HighLevel: 100 in 10 seconds (`docs/rate limits`, per app and location)."""
    return f"ghl:{location_id}"


def media_gate(sender_id: int | None) -> str:
    """The gate of a sender's files: one line's downloads must not keep the others' waiting."""
    return f"media:{sender_id or 0}"


@dataclass(slots=True)
class Budget:
    """How much of a gate one claim may use."""

    gate: Gate | None
    moment: datetime
    left: float

    @classmethod
    def of(cls, gate: Gate | None, moment: datetime) -> "Budget":
        """What the gate lets through now. No row, or no pace, means no limit but the pool's own."""
        if gate is None:
            return cls(None, moment, float("inf"))
        if gate.blocked_until is not None and gate.blocked_until > moment:
            return cls(gate, moment, 0)
        if gate.failures >= PROBE_AFTER:
            return cls(gate, moment, 1)
        if gate.pace <= 0:
            return cls(gate, moment, float("inf"))
        idle = (moment - (gate.next_at or moment - timedelta(days=1))).total_seconds()
        # Rounded: at exactly the slot's time a float must not say 0.9999.
        return cls(gate, moment, int(min(gate.burst, 1 + round(idle * gate.pace, 6))))

    def take(self) -> bool:
        """Uses one slot; False when none is left."""
        if self.left < 1:
            return False
        self.left -= 1
        if self.gate is not None and self.gate.pace > 0:
            slot = timedelta(seconds=1 / self.gate.pace)
            earliest = self.moment - slot * (self.gate.burst - 1)
            self.gate.next_at = max(self.gate.next_at or earliest, earliest) + slot
        return True


def ensure(session: Session, key: str, pace: float, burst: float, *, own: bool = False) -> None:
    """Makes the gate, or gives it a new pace (calls a second; 0 is no limit) and burst. `own`: a person chose it."""
    new = {"pace": pace, "burst": burst, "own_pace": own}
    statement = insert(session, Gate).values(key=key, failures=0, reason="", **new)
    session.execute(statement.on_conflict_do_update(index_elements=["key"], set_=new))


def follow(session: Session, key: str, pace: float) -> None:
    """The other side tells the pace that it takes: a gate without any limit, or with a person's own, keeps it."""
    theirs = update(Gate).where(Gate.key == key, Gate.pace > 0, Gate.pace != pace, Gate.own_pace.is_(False))
    session.execute(theirs.values(pace=pace))


def block(session: Session, key: str, reason: str, *, seconds: float | None, count: bool = True) -> datetime:
    """Closes a gate after a fault and returns until when.

    `seconds` is the time the other side named; without it the block doubles with every fault in a row, up to five
    minutes, with jitter. `count=False` is for a refusal that is no sign of illness (a rate limit).
    """
    ensure_exists(session, key)
    gate = session.scalars(select(Gate).where(Gate.key == key).with_for_update()).one()
    if count and not _is_shut(gate):
        gate.failures += 1
    delay = min(2.0 ** min(gate.failures, 12), LONGEST_BLOCK.total_seconds()) if seconds is None else seconds
    until = clock.now() + timedelta(seconds=delay * random.uniform(1.0, 1.25))
    gate.blocked_until = max(gate.blocked_until or until, until)
    gate.reason = reason[:500]
    return gate.blocked_until


def count_fault(session: Session, key: str, reason: str) -> int:
    """Counts a time-out without closing the gate yet; the third closes it. Returns the count."""
    ensure_exists(session, key)
    gate = session.scalars(select(Gate).where(Gate.key == key).with_for_update()).one()
    if _is_shut(gate):
        return gate.failures  # calls that were under way when it closed tell of the same fault
    gate.failures += 1
    gate.reason = reason[:500]
    if gate.failures >= PROBE_AFTER:
        delay = min(FIRST_BREAK * 2.0 ** min(gate.failures - PROBE_AFTER, 10), LONGEST_BLOCK.total_seconds())
        gate.blocked_until = clock.now() + timedelta(seconds=delay)
    return gate.failures


def reopen(session: Session, keys: list[str]) -> bool:
    """Forgets the faults of gates after a success; True when there were any."""
    if not keys:
        return False
    ill = select(Gate.key).where(Gate.key.in_(padded(keys)), Gate.failures > 0).order_by(Gate.key).with_for_update()
    recovered = update(Gate.__table__).where(Gate.key.in_(ill))  # type: ignore[arg-type]
    forgotten = session.connection().execute(recovered.values(failures=0, blocked_until=None, reason=""))
    return bool(forgotten.rowcount)


def lock(session: Session, keys: Iterable[str]) -> None:
    """Locks gates in the order that everybody keeps, before any of them is changed."""
    wanted = select(Gate.key).where(Gate.key.in_(list(keys))).order_by(Gate.key)
    session.execute(wanted.with_for_update()).all()


def _is_shut(gate: Gate) -> bool:
    return gate.blocked_until is not None and gate.blocked_until > clock.now()


def ensure_exists(session: Session, key: str, pace: float = 0.0, burst: float = 1.0) -> None:
    """Makes the gate if there is none; one that is there keeps its pace."""
    values = {"key": key, "pace": pace, "burst": burst, "failures": 0, "reason": "", "own_pace": False}
    session.execute(insert(session, Gate).values(**values).on_conflict_do_nothing(index_elements=["key"]))
