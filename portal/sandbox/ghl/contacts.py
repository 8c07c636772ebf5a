"""HighLevel's contact routes. `upsert` is here so that a test can prove nobody calls it with tags."""

from typing import Any

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import (
    blueprint,
    caller,
    created,
    foreign,
    iso,
    location_call,
    payload,
    refuse,
    unexpected,
)
from portal.sandbox.world import Contact, number_key

WORDS = (
    "firstName lastName name email phone address1 city state postalCode website timezone dnd dndSettings"
    " inboundDndSettings tags customFields source dateOfBirth country companyName assignedTo gender locationId"
    " createNewIfDuplicateAllowed"
)
FIELDS = frozenset(WORDS.split())
# What changing a contact takes besides; the location stays what it is.
CHANGES = FIELDS - {"locationId", "createNewIfDuplicateAllowed", "gender", "companyName"}
DND_CHANNELS = ("Call", "Email", "SMS", "WhatsApp", "GMB", "FB")
DND_STATES = ("active", "inactive", "permanent")


@blueprint.get("/contacts/search/duplicate")
@location_call
def find_duplicate() -> Response:
    """The contact with a number or an e-mail address, or null."""
    refusal = foreign(request.args.get("locationId", ""))
    if refusal is not None:
        return refusal
    number, email = request.args.get("number", ""), request.args.get("email", "")
    if not number and not email:
        return refuse(422, ["number or email should not be empty"])
    found = sandbox().ghl.directory.find(caller().location_id, number, email)
    return jsonify(contact=_shown(found) if found is not None else None)


@blueprint.post("/contacts/", strict_slashes=False)
@location_call
def create_contact() -> Response:
    """A new contact; the location allows no duplicates."""
    body = payload()
    refusal = _body_fault(body, "phone", "email", "name")
    if refusal is not None:
        return refusal
    contact, new = sandbox().ghl.directory.add(caller().location_id, body)
    if new:
        return created(contact=_shown(contact))
    field = "phone" if body.get("phone") and number_key(str(body["phone"])) == number_key(contact.phone) else "email"
    meta = {"contactId": contact.id, "contactName": contact.name, "matchingField": field}
    return refuse(400, "This location does not allow duplicated contacts.", meta=meta)


@blueprint.post("/contacts/upsert")
@location_call
def upsert_contact() -> Response:
    """Creates or changes a contact, and wipes its tags when `tags` is sent."""
    body = payload()
    refusal = _body_fault(body, "phone", "email")
    if refusal is not None:
        return refusal
    contact, new = sandbox().ghl.directory.add(caller().location_id, body)
    if not new:
        sandbox().ghl.directory.change(contact, body)
    return jsonify(new=new, contact=_shown(contact))


@blueprint.get("/contacts/<contact_id>")
@location_call
def get_contact(contact_id: str) -> Response:
    """One contact of the token's location."""
    contact = _own(contact_id)
    return contact if isinstance(contact, Response) else jsonify(contact=_shown(contact))


@blueprint.put("/contacts/<contact_id>")
@location_call
def update_contact(contact_id: str) -> Response:
    """Changes a contact. What is told of DND by it comes back as an event, as when a person does it."""
    contact = _own(contact_id)
    if isinstance(contact, Response):
        return contact
    body = payload()
    faults = unexpected(body, CHANGES) + _dnd_faults(body.get("dndSettings"))
    if faults:
        return refuse(422, faults)
    sandbox().ghl.directory.change(contact, body)
    if body.get("dndSettings"):
        sandbox().deliveries.disturb(contact, body["dndSettings"])
    return jsonify(succeded=True, contact=_shown(contact))  # the misspelling is HighLevel's


@blueprint.post("/contacts/<contact_id>/tags")
@location_call
def add_tags(contact_id: str) -> Response:
    """Adds tags and keeps the others."""
    contact = _own(contact_id)
    if isinstance(contact, Response):
        return contact
    return created(tags=sandbox().ghl.directory.retag(contact, add=_tags()))


@blueprint.delete("/contacts/<contact_id>/tags")
@location_call
def remove_tags(contact_id: str) -> Response:
    """Takes tags away and keeps the others."""
    contact = _own(contact_id)
    if isinstance(contact, Response):
        return contact
    return jsonify(tags=sandbox().ghl.directory.retag(contact, remove=_tags()))


def _own(contact_id: str) -> Contact | Response:
    contact = sandbox().ghl.directory.get(contact_id)
    if contact is None:
        return refuse(400, f"Contact with id {contact_id} not found")
    return foreign(contact.location_id) or contact


def _body_fault(body: dict[str, Any], *needed: str) -> Response | None:
    """One of the needed fields must be there: a name is enough to create a contact, not to find one (issue 37)."""
    faults = unexpected(body, FIELDS)
    if not any(body.get(name) for name in needed):
        faults.append(f"Contact should have either {' or '.join(reversed(needed))}")
    return refuse(422, faults) if faults else foreign(str(body.get("locationId", "")))


def _dnd_faults(settings: Any) -> list[str]:
    if settings is None:
        return []
    if not isinstance(settings, dict):
        return ["dndSettings must be an object"]
    faults = unexpected(settings, frozenset(DND_CHANNELS))
    for name, setting in settings.items():
        if not isinstance(setting, dict) or setting.get("status") not in DND_STATES:
            faults.append(f"dndSettings.{name}.status must be one of {', '.join(DND_STATES)}")
    return faults


def _tags() -> list[str]:
    return [str(tag) for tag in payload().get("tags") or ()]


def _shown(contact: Contact) -> dict[str, Any]:
    first, _, last = contact.name.partition(" ")
    return {
        "id": contact.id,
        "locationId": contact.location_id,
        "contactName": contact.name,
        "firstName": first,
        "lastName": last,
        "phone": contact.phone or None,
        "email": contact.email or None,
        "tags": contact.tags,
        "customFields": [],
        "dnd": False,
        "dndSettings": contact.dnd,
        "dateAdded": iso(contact.added_at),
    }
