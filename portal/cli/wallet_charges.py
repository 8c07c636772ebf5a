"""`flask credits ghl-wallet`: who pays for use out of a wallet in HighLevel; `flask credits charges`: what was paid."""

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cli.answers import highlevel_id, say, services
from portal.cli.credits import credits, location_of
from portal.credits import agencies, charging, ledger
from portal.errors import InvalidInput
from portal.installations.lifecycle import ensure_agency
from portal.messaging.releasing import release_held
from portal.models import ChargeState, Location, Message, Wallet, WalletCharge, WalletPolicy

_POLICIES = {"off": WalletPolicy.OFF, "go-on": WalletPolicy.GO_ON, "hold": WalletPolicy.HOLD, "agency": ""}
NO_METER = "Set GHL_METER_ID first, to the billing meter of the app's pricing in HighLevel's marketplace."


@credits.command("ghl-wallet")
@click.option("--location", "location_id", help="The HighLevel sub-account id.")
@click.option("--agency", "company_id", callback=highlevel_id, help="The HighLevel company id: its sub-accounts.")
@click.option(
    "--policy",
    type=click.Choice(list(_POLICIES)),
    help="Charge nothing; charge, and go on when the wallet is empty; charge, and hold then; as the agency.",
)
def set_wallet_policy(location_id: str | None, company_id: str | None, policy: str | None) -> None:
    """Charges use to wallets in HighLevel, or says how that stands. Counts within half a minute, from then on."""
    if bool(location_id) == bool(company_id) or (company_id and policy == "agency"):
        raise InvalidInput("Name a sub-account or an agency; only a sub-account can do as its agency does.")
    if policy in ("go-on", "hold") and services().settings.ghl_meter is None:
        raise InvalidInput(NO_METER)
    with services().database.write() as session:
        if location_id:
            _set_one(session, location_of(session, location_id), policy)
        else:
            _set_agency(session, str(company_id), policy)


def _set_one(session: Session, location: Location, policy: str | None) -> None:
    wallet_id = ledger.known_wallet(session, location.id)
    if policy is not None:
        release_held(session, location.id)
        charging.set_policy(session, location, _POLICIES[policy])
    wallet = session.get_one(Wallet, wallet_id, populate_existing=True)
    tariff = charging.tariff(session, wallet_id)
    say(
        {
            "location": location.ghl_id,
            "policy": tariff.policy.value,
            "own": bool(wallet.ghl_policy),
            "credit_price": tariff.unit_micros / 1_000_000 or None,
            "empty_since": wallet.ghl_empty_since,
            "holds_messages": wallet.ghl_stops,
        }
    )


def _set_agency(session: Session, company_id: str, policy: str | None) -> None:
    agency = ensure_agency(session, company_id)
    agencies.wallet_of(session, agency.id)
    places = session.scalars(select(Location).where(Location.agency_id == agency.id).order_by(Location.id)).all()
    if policy is not None:
        for each in places:
            release_held(session, each.id)
        charging.set_agency_policy(session, agency.id, _POLICIES[policy])
    for each in places:
        _set_one(session, each, None)


@credits.command("charges")
@click.option("--location", "location_id", help="The HighLevel sub-account id; without it all of them.")
@click.option("--state", type=click.Choice([state.value for state in ChargeState]))
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_charges(location_id: str | None, state: str | None, limit: int) -> None:
    """Prints what was and what is to be charged to wallets in HighLevel, the newest first, one JSON object a line."""
    wanted = (
        select(WalletCharge, Location.ghl_id, Message.uuid)
        .join(Wallet, Wallet.id == WalletCharge.wallet_id)
        .join(Location, Location.id == Wallet.location_id)
        .join(Message, Message.id == WalletCharge.message_id)
        .order_by(WalletCharge.id.desc())
        .limit(limit)
    )
    with services().database.read() as session:
        if location_id:
            wanted = wanted.where(Location.id == location_of(session, location_id).id)
        if state:
            wanted = wanted.where(WalletCharge.state == state)
        for row, place, message in session.execute(wanted):
            say(_told(row, place, message))


def _told(row: WalletCharge, place: str, message: str) -> dict[str, object]:
    return {
        "charge": row.id,
        "location": place,
        "message": message,
        "entry": row.entry_key,
        "state": row.state,
        "units": row.units,
        "unit_price": row.unit_micros / 1_000_000 or None,
        "amount": None if row.amount_micros is None else row.amount_micros / 1_000_000,
        "at": row.at,
        "charged_at": row.charged_at,
        "refunded_at": row.refunded_at,
        "charge_id": row.charge_id,
        "event_id": row.event_id,
        "attempts": row.attempts,
        "waits_for": row.failure,
    }


@credits.command("charges-again")
@click.option("--location", "location_id", help="The HighLevel sub-account id; without it all of them.")
def try_charges(location_id: str | None) -> None:
    """Has the charges that wait tried at once, once what they waited for is mended."""
    with services().database.write() as session:
        place = location_of(session, location_id).id if location_id else None
        say({"charges": charging.try_now(session, place)})
