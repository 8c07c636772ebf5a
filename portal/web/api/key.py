"""The key itself, and the sub-accounts that it reaches."""

from portal.accounts.api_keys import Scope
from portal.models import Agency
from portal.web.api import answers
from portal.web.api.operations import Call, operation
from portal.web.api.queries import things as queries
from portal.web.api.shapes import Page, PageWanted
from portal.web.api.shapes.things import Location, ThisKey

TAG = "Key"


@operation("GET", "/key", TAG, *Scope, answer=ThisKey)
def get_key(call: Call) -> ThisKey:
    """Shows the key of this request.

    What it may do and reach. Keys that send see the secret that their callbacks are signed with.
    """
    caller = call.caller
    with caller.parts.database.read() as session:
        agency = session.get(Agency, caller.key.agency_id) if caller.key.agency_id is not None else None
    return answers.this_key(caller.key, agency, caller.parts.settings.secret_key)


@operation("GET", "/locations", TAG, *Scope, answer=Page[Location], query=PageWanted)
def list_locations(call: Call) -> Page[Location]:
    """Lists the sub-accounts that the key reaches, the newest first."""
    wanted: PageWanted = call.query
    with call.caller.parts.database.read() as session:
        rows, after = queries.locations(session, call.caller.reach, wanted.cursor, wanted.limit)
    return Page([answers.location(row) for row in rows], after or None)
