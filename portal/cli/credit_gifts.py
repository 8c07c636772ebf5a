"""`flask credits`, what gives, takes and bounds: what was held for want of it goes out by itself."""

from datetime import datetime

import click
from sqlalchemy import select, update

from portal import clock
from portal.cli.answers import highlevel_id, say, services
from portal.cli.credits import WHO, credits, location_of, place
from portal.credits import agencies, days, grants, ledger
from portal.credits.grants import Credit
from portal.errors import InvalidInput
from portal.installations.lifecycle import ensure_agency
from portal.messaging import funding
from portal.models import AgencyKind, AgencyWallet, Source, Wallet
from portal.models.base import new_uuid

_amount = click.option("--amount", required=True, type=click.IntRange(1, grants.MOST), help="Whole credits.")
_reference = click.option("--reference", help="A payment's number or the like: the same one again does nothing.")
_reason = click.option("--reason", default="", help="Stands in the ledger and on the statement.")
_expires = click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which they are good; without it for ever."
)
_agency = click.option("--agency", "company_id", required=True, callback=highlevel_id, help="The HighLevel company id.")


@credits.command("grant")
@place
@_amount
@_expires
@_reference
@_reason
def grant(location_id: str, amount: int, expires: datetime | None, reference: str | None, reason: str) -> None:
    """Gives a sub-account credits out of its agency's wallet."""
    _give(location_id, Source.GRANT, amount, expires, reference, reason)


@credits.command("top-up")
@place
@_amount
@_expires
@_reference
@_reason
def top_up(location_id: str, amount: int, expires: datetime | None, reference: str | None, reason: str) -> None:
    """The same, bought: the reference is the payment."""
    _give(location_id, Source.TOP_UP, amount, expires, reference, reason)


@credits.command("gift")
@place
@_amount
@_expires
@_reference
@_reason
def gift(location_id: str, amount: int, expires: datetime | None, reference: str | None, reason: str) -> None:
    """The same, for nothing."""
    _give(location_id, Source.GIFT, amount, expires, reference, reason)


def _give(
    location_id: str, source: Source, amount: int, expires: datetime | None, reference: str | None, reason: str
) -> None:
    with services().database.write() as session:
        location = location_of(session, location_id)
        wallet_id = ledger.known_wallet(session, location.id)
        until = days.end_of(days.zone_of(session, wallet_id), expires.date()) if expires else None
        credit = Credit(amount, source, f"{source}:{reference or new_uuid()}", WHO, reason, until)
        given = funding.give(session, location, credit)
    _say_balance(location_id, wallet_id, given=given)


def _say_balance(location_id: str, wallet_id: int, **more: object) -> None:
    with services().database.read() as session:
        row = session.get_one(Wallet, wallet_id)
        say({"location": location_id, **more, "available": row.available, "held": row.held, "spent": row.spent})


@credits.command("correct")
@place
@click.option("--amount", required=True, type=int, help="Below 0 it takes credits away.")
@click.option("--reason", required=True, help="Stands in the ledger and on the statement.")
@click.option("--entry", "entry_id", type=int, help="The id of the entry that was wrong.")
@_reference
def correct(location_id: str, amount: int, reason: str, entry_id: int | None, reference: str | None) -> None:
    """Corrects what a sub-account has, by a new entry that names the wrong one. Nothing is ever changed."""
    with services().database.write() as session:
        location = location_of(session, location_id)
        wallet_id = ledger.known_wallet(session, location.id)
        key = reference or new_uuid()
        done = funding.correct(session, location, amount, key=key, who=WHO, reason=reason, entry_id=entry_id)
    _say_balance(location_id, wallet_id, corrected=done)


_LIMITS = {"overdraft": "overdraft", "day_cap": "day_cap", "campaign_cap": "bulk_cap"}


@credits.command("set")
@place
@click.option("--limited/--unlimited", "limited", default=None, help="Does the wallet count? New ones do not.")
@click.option("--opening", type=click.IntRange(0, grants.MOST), default=0, help="What it has when it begins to count.")
@click.option("--overdraft", type=click.IntRange(0, grants.MOST), help="How far below zero messages may take it.")
@click.option("--day-cap", type=click.IntRange(0, grants.MOST), help="Most credits a day.")
@click.option("--campaign-cap", type=click.IntRange(0, grants.MOST), help="Most credits for one text to many.")
@click.option("--no-day-cap", is_flag=True)
@click.option("--no-campaign-cap", is_flag=True)
@click.option("--when-empty", type=click.Choice(["hold", "fail"]), help="What becomes of what cannot be paid for.")
@click.option("--settle", type=click.Choice(["accepted", "delivered"]), help="When a message is paid for.")
def set_policies(location_id: str, limited: bool | None, opening: int, **given: object) -> None:
    """Sets a sub-account's limits and policies; what is not named stays."""
    values = {column: given[name] for name, column in _LIMITS.items() if given[name] is not None}
    values |= {"day_cap": None} if given["no_day_cap"] else {}
    values |= {"bulk_cap": None} if given["no_campaign_cap"] else {}
    if given["when_empty"]:
        values["fails_when_empty"] = given["when_empty"] == "fail"
    if given["settle"]:
        values["settles_on_delivery"] = given["settle"] == "delivered"
    if not values and limited is None:
        raise InvalidInput("Name what is to be set.")
    with services().database.write() as session:
        location = location_of(session, location_id)
        wallet_id = ledger.known_wallet(session, location.id)
        if limited is not None:
            funding.set_limit(session, location, not limited, WHO, opening)
        funding.set_policies(session, location, **values)
    _say_balance(location_id, wallet_id, set=sorted(values), unlimited=None if limited is None else not limited)


@credits.command("agency")
@_agency
@click.option("--top-up", type=click.IntRange(1, grants.MOST), help="Credits that it bought.")
@click.option("--gift", type=click.IntRange(1, grants.MOST), help="Credits for nothing.")
@click.option("--correct", type=int, help="Below 0 it takes credits away.")
@click.option("--limited/--unlimited", "limited", default=None, help="May it give only what it has? New ones may not.")
@click.option("--timezone", help="Where its days and months begin, as Asia/Manila; - for each sub-account's own.")
@_reference
@_reason
def agency(company_id: str, reference: str | None, reason: str, **given: object) -> None:
    """Shows an agency's wallet, out of which its sub-accounts get theirs, and adds to it."""
    zone = given["timezone"]
    if isinstance(zone, str) and zone not in ("-", "UTC") and str(days.zone(zone)) != zone:
        raise InvalidInput(f"There is no time zone {zone[:64]}.")
    done = None
    with services().database.write() as session:
        agency_id = ensure_agency(session, company_id).id
        wallet_id = agencies.wallet_of(session, agency_id)
        if isinstance(zone, str):
            named = update(AgencyWallet).where(AgencyWallet.id == wallet_id)
            session.execute(named.values(timezone="" if zone == "-" else zone))
        if given["limited"] is not None:
            agencies.set_limit(session, agency_id, not given["limited"], WHO)
        for name, kind in (
            ("top_up", AgencyKind.TOP_UP),
            ("gift", AgencyKind.GIFT),
            ("correct", AgencyKind.CORRECTION),
        ):
            if isinstance(amount := given[name], int):
                key = reference or new_uuid()
                done = agencies.add(session, agency_id, kind, amount, key=key, who=WHO, reason=reason)
    with services().database.read() as session:
        row = session.scalars(select(AgencyWallet).where(AgencyWallet.id == wallet_id)).one()
        told = {"unlimited": row.unlimited, "available": row.available, "given": row.given, "timezone": row.timezone}
        say({"agency": company_id, **told, "added": done, "at": clock.now()})
