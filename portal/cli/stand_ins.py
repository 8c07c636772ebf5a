"""`flask sender switch …`: who goes in for a sender, how it is measured, and what its sub-account wants."""

from datetime import datetime
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cli.answers import say, services
from portal.cli.sender import sender
from portal.errors import InvalidInput, NotFound
from portal.messaging import measuring, switching
from portal.models import AccountHealth, Location, Sender, SenderState, SenderSwitch
from portal.queue.gates import sender_gate

WHO = "the command line"


@sender.command("switch")
@click.argument("sender_id", type=int)
@click.option("--to", "to_id", type=int, help="The sender to send through; without it, the first that can.")
@click.option("--reason", required=True, help="Why: it stands on every message that takes the other way.")
@click.option("--until", metavar="TIME", help="When it ends by itself, with its zone: 2026-12-01T09:00:00+08:00.")
def switch_sender(sender_id: int, to_id: int | None, reason: str, until: str | None) -> None:
    """Sends what would go through a sender through another one, until it is switched back."""
    wanted = switching.Wanted(sender_id, to_id, WHO, reason, _moment(until))
    say(services().database.patiently(lambda session: _shown(switching.begin(session, wanted))))


@sender.command("switch-back")
@click.argument("sender_id", type=int)
@click.option("--reason", default="", help="Why.")
def switch_back(sender_id: int, reason: str) -> None:
    """Has a sender send again what is its own."""
    ended = services().database.patiently(lambda session: switching.end(session, sender_id, WHO, reason))
    say({"id": sender_id, "switched_back": ended})


@sender.command("switches")
@click.argument("sender_id", type=int)
def list_switches(sender_id: int) -> None:
    """Prints the switches away from a sender, the latest first, one JSON object a line."""
    with services().database.read() as session:
        for row in switching.history(session, sender_id):
            say(_shown(row))


@sender.command("policy")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.option("--set", "name", type=click.Choice(list(switching.POLICIES)), help="What happens when one cannot send.")
@click.option("--by-itself/--not-by-itself", default=None, help="Switch away from one that is slow or failing.")
def policy(location_id: str, name: str | None, by_itself: bool | None) -> None:
    """Says, or sets, what a sub-account wants when a sender cannot send."""

    def change(session: Session) -> dict[str, Any]:
        location = _location(session, location_id)
        if name is not None or by_itself is not None:
            itself = location.switches_itself if by_itself is None else by_itself
            switching.set_policy(session, location, name or switching.policy_of(location), switches_itself=itself)
        now = switching.policy_of(location)
        means = switching.POLICIES[now][2]
        return {"location": location.ghl_id, "policy": now, "means": means, "by_itself": location.switches_itself}

    say(services().database.patiently(change))


@sender.command("order")
@click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")
@click.argument("sender_ids", type=int, nargs=-1, required=True)
def order(location_id: str, sender_ids: tuple[int, ...]) -> None:
    """Sets the order in which senders stand in for one another; those that are not named come after."""
    with services().database.write() as session:
        switching.set_order(session, _location(session, location_id), sender_ids)
    say({"location": location_id, "order": list(sender_ids)})


@sender.command("health")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
def list_health(location_id: str | None) -> None:
    """Prints what was last measured of every sender's account, one JSON object a line."""
    with services().database.read() as session:
        wanted = select(Sender).join(Location).where(Sender.state != SenderState.REMOVED).order_by(Sender.id)
        for row in session.scalars(wanted.where(Location.ghl_id == location_id) if location_id else wanted):
            health = session.get(AccountHealth, sender_gate(row.id, row.account_key))
            say({"id": row.id, "name": row.name, **(_numbers(health) if health else {"measured_at": None})})


def _numbers(row: AccountHealth) -> dict[str, Any]:
    return {
        "measured_at": row.measured_at,
        "window_minutes": int(measuring.WINDOW.total_seconds() // 60),
        "messages": row.messages,
        "slow": row.slow,
        "calls": row.calls,
        "refused_for_its_sake": row.faults,
        "not_answered": row.unknowns,
        "call_ms": row.call_ms,
        "slow_since": row.slow_since,
        "failing_since": row.failing_since,
    }


def _shown(row: SenderSwitch) -> dict[str, Any]:
    return {
        "switch": row.id,
        "from": row.from_id,
        "to": row.to_id,
        "who": row.who,
        "reason": row.reason,
        "began_at": row.began_at,
        "until": row.until,
        "ended_at": row.ended_at,
        "ended_by": row.ended_by or None,
        "end_reason": row.end_reason or None,
    }


def _location(session: Session, ghl_id: str) -> Location:
    found = session.scalar(select(Location).where(Location.ghl_id == ghl_id))
    if found is None:
        raise NotFound(f"There is no sub-account {ghl_id}.")
    return found


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        moment = None
    if text and (moment is None or moment.tzinfo is None):
        raise InvalidInput("The time is read like 2026-12-01T09:00:00+08:00.")
    return moment
