"""Contacts and the ways to reach them."""

from portal.accounts.api_keys import Scope
from portal.errors import NotFound
from portal.web.api import answers
from portal.web.api.operations import Call, operation
from portal.web.api.queries import things as queries
from portal.web.api.shapes import Page
from portal.web.api.shapes.things import Contact, ContactsWanted

TAG = "Contacts"


@operation("GET", "/contacts", TAG, Scope.READ, answer=Page[Contact], query=ContactsWanted)
def list_contacts(call: Call) -> Page[Contact]:
    """Lists a location's contacts, the newest first, or finds whose an address is."""
    wanted: ContactsWanted = call.query
    with call.caller.parts.database.read() as session:
        location = call.caller.location(session, wanted.location)
        rows, after = queries.contacts(session, location, wanted.address, wanted.cursor, wanted.limit)
        addresses, talks = queries.ways_to(session, [row.id for row in rows])
    found = [answers.contact(row, location.ghl_id, addresses.get(row.id, []), talks.get(row.id)) for row in rows]
    return Page(found, after or None)


@operation("GET", "/contacts/<int:contact_id>", TAG, Scope.READ, answer=Contact)
def get_contact(call: Call, contact_id: int) -> Contact:
    """Shows a contact with all its addresses."""
    with call.caller.parts.database.read() as session:
        found = queries.contact(session, call.caller.reach, contact_id)
        if found is None:
            raise NotFound("There is no such contact, or this key does not reach it.")
        row, location = found
        addresses, talks = queries.ways_to(session, [row.id])
    return answers.contact(row, location.ghl_id, addresses.get(row.id, []), talks.get(row.id))
