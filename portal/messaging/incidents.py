"""Incidents of provider accounts: one alert when one is slow or failing, one notice when that is over.

Where the sub-account wants it so, its messages are led to another sender for a while, and back.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import ACCOUNT_FAILING, ACCOUNT_SLOW, ACCOUNT_WELL, close_alert, raise_alert
from portal.database import Database, insert
from portal.messaging import line_states, measuring, switching
from portal.messaging.measuring import WINDOW, Numbers
from portal.models import AccountHealth, Alert, FailoverPolicy, Gate, Sender, SenderState, SenderSwitch
from portal.queue.gates import PROBE_AFTER, sender_gate

# A switch of the portal's own lasts so long at first, and twice as long each time it was in vain.
FIRST_SWITCH, LONGEST_SWITCH = timedelta(minutes=15), timedelta(hours=2)
REMEMBERED = timedelta(hours=6)
NOTICE_STAYS = timedelta(days=1)
NOTHING = Numbers(0, None, 0, 0, 0, 0)


def look(database: Database) -> int:
    """Measures every account in use, keeps the numbers, begins and ends incidents; returns how many."""
    with database.read() as session:
        used = measuring.accounts_in_use(session)
        found = {key: measuring.measure(session, senders) for key, senders in used.items()}
        ill = or_(AccountHealth.slow_since.is_not(None), AccountHealth.failing_since.is_not(None))
        quiet = {row.key for row in session.scalars(select(AccountHealth).where(ill))} - set(found)
        stale = session.scalar(_old_notices().limit(1)) is not None
    changed = 0
    for key in sorted(found):
        changed += database.patiently(partial(_take, key=key, senders=used[key], numbers=found[key]))
    for key in sorted(quiet):
        changed += database.patiently(partial(_take, key=key, senders=(), numbers=NOTHING))
    if stale:
        with database.write() as session:
            old = update(Alert).where(Alert.id.in_(_old_notices()))
            session.execute(old.values(closed_at=clock.now()).execution_options(synchronize_session=False))
    return changed


def _old_notices() -> Select[int]:
    old = Alert.opened_at < clock.now() - NOTICE_STAYS
    return select(Alert.id).where(Alert.kind == ACCOUNT_WELL, Alert.closed_at.is_(None), old)


def _take(session: Session, key: str, senders: Sequence[Sender], numbers: Numbers) -> int:
    """Keeps the numbers of one account and does what follows from them; how many incidents began or ended."""
    row = _row(session, key)
    if numbers is not NOTHING:
        for name in ("messages", "slow", "calls", "faults", "unknowns", "call_ms"):
            setattr(row, name, getattr(numbers, name))
        row.measured_at = clock.now()
    moved = [
        _judge(session, row, "slow_since", numbers.is_slow, numbers.is_quick, numbers, senders),
        _judge(session, row, "failing_since", numbers.is_failing, numbers.is_sound, numbers, senders),
    ]
    began = [each for each in (row.slow_since, row.failing_since) if each is not None]
    if began and (numbers.is_slow or numbers.is_failing):
        why = f"is slow: {numbers.speed}" if numbers.is_slow else f"is failing: {numbers.soundness}"
        for sender in senders:
            _switch(session, sender.id, why, min(began))
    return sum(moved)


def _row(session: Session, key: str) -> AccountHealth:
    values = {"key": key, "measured_at": clock.now(), "messages": 0, "calls": 0, "faults": 0, "unknowns": 0}
    made = insert(session, AccountHealth).values(**values, call_ms=0).on_conflict_do_nothing(index_elements=["key"])
    session.execute(made)
    return session.scalars(select(AccountHealth).where(AccountHealth.key == key).with_for_update()).one()


def _judge(
    session: Session,
    row: AccountHealth,
    field: str,
    begins: bool,
    over: bool,
    numbers: Numbers,
    senders: Sequence[Sender],
) -> int:
    since: datetime | None = getattr(row, field)
    kind, words, well = _WORDS[field]
    if since is None and begins:
        setattr(row, field, clock.now())
        for sender in senders:
            close_alert(session, ACCOUNT_WELL, _subject(sender.id, kind))
            text = f"{sender.name} {words}: {getattr(numbers, _FIGURE[field])}. Measured over the last 10 minutes."
            raise_alert(session, kind, _subject(sender.id, kind), text, sender.location_id)
        return 1
    if since is not None and over:
        known = _senders_of(session, row.key)
        if numbers is NOTHING and _led_away(session, known):
            return 0  # nothing goes out because we led it away: that is no recovery
        setattr(row, field, None)
        for sender in known:
            _end(
                session,
                sender,
                kind,
                since,
                "" if numbers is NOTHING else f"{well}: {getattr(numbers, _FIGURE[field])}",
            )
        return 1
    return 0


_WORDS = {
    "slow_since": (ACCOUNT_SLOW, "is slow", "is quick again"),
    "failing_since": (ACCOUNT_FAILING, "is failing", "is well again"),
}
_FIGURE = {"slow_since": "speed", "failing_since": "soundness"}


def _subject(sender_id: int, kind: str) -> str:
    """Begins with the sender's gate: its page shows what was told of it."""
    return f"{sender_gate(sender_id)}:{kind}"


def _end(session: Session, sender: Sender, kind: str, since: datetime, well: str) -> None:
    subject = _subject(sender.id, kind)
    told = select(Alert.id).where(Alert.kind == kind, Alert.subject == subject, Alert.opened_at >= since - WINDOW)
    if session.scalar(told.limit(1)) is None:
        return  # nothing of its went out then, and nobody was told
    close_alert(session, kind, subject)
    lasted = max(1, round((clock.now() - since) / timedelta(minutes=1)))
    word = "slow" if kind == ACCOUNT_SLOW else "failing"
    what = well or "has sent nothing for 10 minutes, so nobody knows how it is now"
    raise_alert(
        session,
        ACCOUNT_WELL,
        subject,
        f"{sender.name} {what}. It was {word} for {lasted} minutes, from {since:%Y-%m-%d %H:%M} UTC on.",
        sender.location_id,
    )
    switching.lock(session, sender.id)
    standing = switching.standing(session, sender.id)
    if well and standing is not None and standing.who == switching.PORTAL:
        switching.end(session, sender.id, switching.PORTAL, f"It {well}.")


def _senders_of(session: Session, key: str) -> Sequence[Sender]:
    kind, _, subject = key.partition(":")
    mine = Sender.account_key == subject if kind == "account" else Sender.id == int(subject)
    return session.scalars(select(Sender).where(mine, Sender.state != SenderState.REMOVED)).all()


def _led_away(session: Session, senders: Sequence[Sender]) -> bool:
    """Has a switch led away from one of them, just now or a moment ago?"""
    late = or_(SenderSwitch.ended_at.is_(None), SenderSwitch.ended_at > clock.now() - WINDOW)
    away = select(SenderSwitch.id).where(SenderSwitch.from_id.in_([each.id for each in senders]), late)
    return session.scalar(away.limit(1)) is not None


def _is_a_persons(session: Session, sender_id: int, since: datetime) -> bool:
    """Has a person switched in this incident, or back? Then it stays as they want it until the next one."""
    theirs = SenderSwitch.ended_at > since, SenderSwitch.ended_by != switching.PORTAL
    mine = SenderSwitch.from_id == sender_id, *theirs
    return session.scalar(select(SenderSwitch.id).where(*mine).limit(1)) is not None


def _switch(session: Session, sender_id: int, why: str, since: datetime) -> None:
    """Leads away from the sender for a while, where its sub-account wants that and has another one that is well."""
    sender = session.get_one(Sender, sender_id)
    location = sender.location
    wanted = location.switches_itself and location.failover == FailoverPolicy.SAME_CHANNEL
    if not wanted or sender.state != SenderState.ACTIVE:
        return
    switching.lock(session, sender_id)
    if switching.standing(session, sender_id) is not None or _is_a_persons(session, sender_id, since):
        return
    reach = (
        each
        for each in switching.choices(session, sender)
        if (location.family_stands_in or each.channel == sender.channel) and _is_well(session, each)
    )
    if (other := next(reach, None)) is None:
        return
    recent = SenderSwitch.from_id == sender_id, SenderSwitch.began_at > clock.now() - REMEMBERED
    before = select(func.count()).where(*recent, SenderSwitch.who == switching.PORTAL)
    lasts = min(FIRST_SWITCH * 2 ** min(session.scalar(before) or 0, 8), LONGEST_SWITCH)
    plan = switching.Wanted(sender_id, other.id, switching.PORTAL, f"it {why}"[: switching.LONGEST_REASON])
    switching.begin(session, replace(plan, until=clock.now() + lasts))


def _is_well(session: Session, sender: Sender) -> bool:
    key = sender_gate(sender.id, sender.account_key)
    health = session.get(AccountHealth, key)
    ill = health is not None and (health.slow_since is not None or health.failing_since is not None)
    gate = session.get(Gate, key)
    shut = gate is not None and gate.failures >= PROBE_AFTER
    away = switching.standing(session, sender.id) is not None
    return line_states.may_send(sender) and not ill and not shut and not away
