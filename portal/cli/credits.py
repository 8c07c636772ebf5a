"""`flask credits`: what wallets hold, what they were used for, and whether it all adds up."""

import sys
from collections.abc import Iterator
from datetime import timedelta

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.cli.answers import say, services
from portal.credits import balances, days, ledger, proof, statements
from portal.errors import NotFound
from portal.models import EntryKind, LedgerEntry, Location

WHO = "the command line"

credits = AppGroup("credits", help="Wallets, their ledger, plans and prices.")
place = click.option("--location", "location_id", required=True, help="The HighLevel sub-account id.")


def location_of(session: Session, ghl_id: str) -> Location:
    """The sub-account. Raises `NotFound`."""
    found = session.scalar(select(Location).where(Location.ghl_id == ghl_id))
    if found is None:
        raise NotFound(f"There is no sub-account {ghl_id}.")
    return found


@credits.command("prove")
@click.option("--location", "location_id", help="The HighLevel sub-account id; without it all of them.")
def prove_credits(location_id: str | None) -> None:
    """Adds everything up again: wallets, buckets, agencies, entries. Ends with 1 when something disagrees."""
    with services().database.read() as session:
        if location_id:
            looked_at, wrong = 1, proof.of_location(session, location_of(session, location_id).id)
        else:
            looked_at, wrong = proof.prove(session)
    for each in wrong:
        say({each.what: each.id, "columns": each.stands, "entries": each.entries})
    say({"wallets": looked_at, "wrong": len(wrong)})
    sys.exit(1 if wrong else 0)


@credits.command("balance")
@click.option("--location", "location_id", help="The HighLevel sub-account id; without it all that have a wallet.")
def show_balance(location_id: str | None) -> None:
    """Prints what wallets hold, what of it expires when, and for how many days it will do."""
    with services().database.read() as session:
        if location_id:
            places = [location_of(session, location_id)]
        else:
            places = list(session.scalars(select(Location).order_by(Location.id)))
        for each in places:
            balance = balances.of(session, each)
            if balance is not None:
                say(_told(balance))
            elif location_id:
                say({"location": each.ghl_id, "unlimited": True, "available": 0, "held": 0, "spent": 0})


def _told(balance: balances.Balance) -> dict[str, object]:
    lots = [{"source": lot.source, "left": lot.left, "expires_at": lot.expires_at} for lot in balance.lots]
    return {
        "location": balance.location_id,
        "name": balance.name,
        "unlimited": balance.unlimited,
        "available": balance.available,
        "held": balance.held,
        "spent": balance.spent,
        "overdraft": balance.overdraft,
        "day_cap": balance.day_cap,
        "campaign_cap": balance.bulk_cap,
        "plan": balance.plan,
        "buckets": lots,
        "a_day": round(balance.a_day, 1),
        "days_left": balance.days_left,
    }


@credits.command("entries")
@place
@click.option("--kind", "kinds", multiple=True, type=click.Choice([kind.value for kind in EntryKind]))
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--before", type=int, help="Only entries with a lower id: the last one of the page before.")
def show_entries(location_id: str, kinds: tuple[str, ...], limit: int, before: int | None) -> None:
    """Prints entries of a sub-account's ledger, the newest first, one JSON object a line."""
    with services().database.read() as session:
        wallet_id = ledger.known_wallet(session, location_of(session, location_id).id)
        wanted = [EntryKind(kind) for kind in kinds]
        for entry in statements.entries(session, wallet_id, kinds=wanted, before=before, limit=limit):
            say(_entry(entry))


def _entry(entry: LedgerEntry) -> dict[str, object]:
    names = ("id", "at", "kind", "message_id", "available", "held", "spent", "outside", "bucket_id", "corrects_id")
    return {name: getattr(entry, name) for name in (*names, "who", "note", "key")}


@credits.command("statement")
@place
@click.option("--month", help="As 2026-03; without it the present one.")
@click.option("--entries", "each_entry", is_flag=True, help="Every entry of the month, in its order.")
def show_statement(location_id: str, month: str | None, each_entry: bool) -> None:
    """Prints a month as CSV: opening, what came, what was used, what was free and why, closing."""
    with services().database.read() as session:
        wallet_id = ledger.known_wallet(session, location_of(session, location_id).id)
        start, end = days.month_named(days.zone_of(session, wallet_id), month or "")
        pieces: Iterator[str] = statements.statement_csv(statements.of(session, wallet_id, start, end))
        if each_entry:
            pieces = statements.as_csv(session, wallet_id, start, end)
        for piece in pieces:
            click.echo(piece, nl=False)


@credits.command("use")
@place
@click.option("--days", "count", type=click.IntRange(1, 400), default=30, show_default=True)
def show_use(location_id: str, count: int) -> None:
    """Prints what was used by day, channel, sender and type, one JSON object a line."""
    with services().database.read() as session:
        wallet_id = ledger.known_wallet(session, location_of(session, location_id).id)
        for each in statements.use(session, wallet_id, clock.now() - timedelta(days=count), clock.now()):
            names = ("day", "channel", "sender", "direction", "kind", "messages", "credits")
            say({name: getattr(each, name) for name in names})
