"""Credits: what a location has, and every movement of it."""

from portal.accounts.api_keys import Scope
from portal.models import WalletCharge
from portal.web.api.operations import Call, operation
from portal.web.api.queries import credits as queries
from portal.web.api.shapes import Page, Wanted
from portal.web.api.shapes.things import Charge, Credits, Entry, LocationWanted

TAG = "Credits"


@operation("GET", "/credits", TAG, Scope.READ, answer=Credits, query=LocationWanted)
def get_credits(call: Call) -> Credits:
    """Shows a location's credits."""
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, call.query.location)
        found = queries.balance(session, location)
    return Credits(location.ghl_id, found.unlimited, found.available, found.held, found.spent)


@operation("GET", "/credits/entries", TAG, Scope.READ, answer=Page[Entry], query=Wanted)
def list_entries(call: Call) -> Page[Entry]:
    """Lists the entries of a location's ledger, newest first."""
    wanted: Wanted = call.query
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, wanted.location)
        rows, after = queries.entries(session, location, wanted.cursor, wanted.limit)
    found = [
        Entry(each.id, each.kind, uuid, each.available, each.held, each.spent, each.note, each.at)
        for each, uuid in rows
    ]
    return Page(found, after or None)


@operation("GET", "/credits/charges", TAG, Scope.READ, answer=Page[Charge], query=Wanted)
def list_charges(call: Call) -> Page[Charge]:
    """Lists what was charged to a location's wallet in HighLevel, newest first."""
    wanted: Wanted = call.query
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, wanted.location)
        rows, after = queries.charges(session, location, wanted.cursor, wanted.limit)
    return Page([_charge(each, uuid) for each, uuid in rows], after or None)


def _charge(row: WalletCharge, message: str) -> Charge:
    amount = None if row.amount_micros is None else row.amount_micros / 1_000_000
    return Charge(
        row.id,
        message,
        row.state,
        row.units,
        amount,
        row.charge_id,
        row.at,
        row.charged_at,
        row.refunded_at,
        row.failure,
    )
