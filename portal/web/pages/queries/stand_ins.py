"""Reading how a sender's account does, who stands in for it, and every switch away from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.messaging import switching
from portal.messaging.measuring import WINDOW
from portal.models import AccountHealth, Sender, SenderSwitch
from portal.queue.gates import sender_gate


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch with the name of the sender that it leads to, "" for any that can take the message."""

    row: SenderSwitch
    to: str


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows. `others` are whom it may be switched to, in the order in which they stand in."""

    health: AccountHealth | None
    standing: Switch | None
    others: Sequence[Sender]
    history: Sequence[Switch]
    policy: str


def of(session: Session, sender: Sender) -> View:
    """All of one sender."""
    rows = switching.history(session, sender.id)
    named = select(Sender.id, Sender.name).where(Sender.id.in_({row.to_id for row in rows if row.to_id}))
    names: dict[int | None, str] = {row.id: row.name for row in session.execute(named)}
    shown = [Switch(row, names.get(row.to_id, "")) for row in rows]
    now = switching.standing(session, sender.id)
    return View(
        health=health(session, [sender]).get(sender.id),
        standing=next((each for each in shown if now is not None and each.row.id == now.id), None),
        others=switching.choices(session, sender),
        history=shown,
        policy=switching.policy_of(sender.location),
    )


def health(session: Session, senders: Iterable[Sender]) -> dict[int, AccountHealth]:
    """By sender, what was measured of its account in the last ten minutes, or while an incident lasts."""
    keys = {each.id: sender_gate(each.id, each.account_key) for each in senders}
    wanted = select(AccountHealth).where(AccountHealth.key.in_(set(keys.values())))
    rows = {row.key: row for row in session.scalars(wanted)}
    since = clock.now() - WINDOW
    fresh = {key for key, row in rows.items() if row.measured_at > since or row.slow_since or row.failing_since}
    return {sender_id: rows[key] for sender_id, key in keys.items() if key in fresh}
