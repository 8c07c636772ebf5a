"""The sandbox by JSON, for the portal's demo, for tests in another process and for the curious."""

import dataclasses
from typing import Any

from flask import Blueprint, Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.deliveries import Delivery, Signature
from portal.sandbox.faults import EXPLAINED
from portal.sandbox.ghl.grants import Owner
from portal.sandbox.ghl.mailbox import Message
from portal.sandbox.switches import SWITCHES
from portal.sandbox.world import CAST_API_KEY, CLIENT_ID, CLIENT_SECRET, DEMO_COMPANY, PROVIDER_IDS, Contact

blueprint = Blueprint("control", __name__)


@blueprint.errorhandler(ValueError)
@blueprint.errorhandler(TypeError)
@blueprint.errorhandler(KeyError)
def misused(error: Exception) -> Response:
    """400 with what was wrong, for a body that does not fit."""
    response = jsonify(error=f"{type(error).__name__}: {error}")
    response.status_code = 400
    return response


@blueprint.get("/state")
def state() -> Response:
    """Addresses, keys, the world and the counts: all another process needs to begin."""
    here = sandbox()
    return jsonify(
        url=here.url,
        portal_url=here.portal_url,
        public_key=here.public_key,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        provider_ids=PROVIDER_IDS,
        cast_api_key=CAST_API_KEY,
        company=plain(DEMO_COMPANY),
        locations=[plain(location) for location in here.world.locations.values()],
        contacts=[plain(one) for place in here.world.locations for one in here.ghl.directory.of_location(place)[:50]],
        senders=[plain(one) for one in here.phone.senders],
        counts=here.records.counts(),
        faults=[plain(rule) for rule in here.faults.armed()],
    )


@blueprint.post("/reset")
def reset() -> Response:
    """Forgets what was seen and every fault."""
    sandbox().reset()
    return jsonify(ok=True)


@blueprint.patch("/settings")
def settings() -> Response:
    """Changes any of the settings below, named flat."""
    here = sandbox()
    owners = {
        "portal_url": here,
        "expires_in": here.ghl.grants,
        "grace_seconds": here.ghl.grants,
        "early_403_seconds": here.ghl,
        "most": here.ghl.limit,
        "daily": here.ghl.limit,
        "enforced": here.ghl.limit,
        "rate": here.cast,
        "remember_refusals": here.cast,
    }
    for name, value in body().items():
        if name in ("sent_after", "final_after", "outcome"):
            here.cast.progress = dataclasses.replace(here.cast.progress, **{name: value})
        else:
            setattr(owners[name], name, value)
    return jsonify(ok=True)


@blueprint.post("/locations")
def add_location() -> Response:
    """One more location, `{name, company_id?, installed?}`."""
    return jsonify(plain(sandbox().world.add_location(**body())))


@blueprint.patch("/locations/<location_id>")
def change_location(location_id: str) -> Response:
    """`{active?, installed?, name?}`: a paused sub-account refuses refreshes and keeps its token."""
    location = sandbox().world.locations[location_id]
    for name, value in body().items():
        if name not in ("active", "installed", "name"):
            raise KeyError(name)
        setattr(location, name, value)
    return jsonify(plain(location))


@blueprint.post("/contacts")
def add_contact() -> Response:
    """One more contact, `{location_id, name, phone}`, or the one that is there."""
    asked = body()
    contact, new = sandbox().ghl.directory.add(asked.pop("location_id"), asked)
    return jsonify(new=new, contact=plain(contact))


@blueprint.post("/codes")
def mint_code() -> Response:
    """An authorization code: `{location_id}` for a location, `{company_id}` for a whole agency."""
    asked = body()
    location = sandbox().world.locations.get(asked.get("location_id", ""))
    company_id = location.company_id if location is not None else asked.get("company_id", DEMO_COMPANY.id)
    owner = Owner(company_id, location.id if location is not None else "")
    return jsonify(code=sandbox().ghl.grants.mint_code(owner))


@blueprint.post("/tokens/expire")
def expire_tokens() -> Response:
    """Every access token expires now."""
    sandbox().ghl.grants.expire_access_tokens()
    return jsonify(ok=True)


@blueprint.get("/refreshes")
def refreshes() -> Response:
    """Every use of a refresh token."""
    return jsonify([plain(one) for one in list(sandbox().ghl.grants.refreshes)])


@blueprint.post("/deliveries")
def deliver() -> Response:
    """An agent types: `{text, contact_id?, count?, connections?}` and the options of `Deliveries.send`."""
    asked, deliveries = body(), sandbox().deliveries
    if "signature" in asked:
        asked["signature"] = Signature(asked["signature"])
    contact_id, count = asked.pop("contact_id", ""), asked.pop("count", 1)
    if count > 1:
        contacts = [known_contact(contact_id)] if contact_id else ()
        return jsonify([delivered(one) for one in deliveries.send_many(count, contacts=contacts, **asked)])
    return jsonify(delivered(deliveries.send(contact=known_contact(contact_id) if contact_id else None, **asked)))


@blueprint.post("/events")
def event() -> Response:
    """An app event, `{type, …fields}`; UNINSTALL also kills the location's tokens."""
    asked, deliveries = body(), sandbox().deliveries
    kind = asked.pop("type")
    if kind == "INSTALL":
        return jsonify(plain(deliveries.install(asked.pop("companyId", DEMO_COMPANY.id), **asked)))
    if kind == "UNINSTALL" and "locationId" in asked:
        return jsonify(plain(deliveries.uninstall(asked.pop("locationId"), **asked)))
    return jsonify(plain(deliveries.event(kind, asked)))


@blueprint.get("/messages")
def messages() -> Response:
    """The messages in GHL with their statuses, by `location_id`, `direction` or `alt_id`."""
    asked = {name: request.args[name] for name in ("location_id", "direction", "alt_id") if name in request.args}
    return jsonify([described(one) for one in sandbox().ghl.mailbox.messages(**asked)])


@blueprint.get("/messages/<message_id>")
def message(message_id: str) -> Response:
    """One message in GHL with every status it was given."""
    found = sandbox().ghl.mailbox.get(message_id)
    return jsonify(described(found) if found is not None else None)


@blueprint.route("/senders", methods=["GET", "POST"])
def senders() -> Response:
    """The portal tells its senders: a list of `{location, channel, sender_name, webhook_url, number}`."""
    phone = sandbox().phone
    if request.method == "POST":
        phone.register(request.get_json())
    return jsonify([plain(one) for one in phone.senders])


@blueprint.post("/inbound")
def inbound() -> Response:
    """A customer writes: `{text, from_number, webhook_url, to?, text_id?, copies?}`."""
    sent = sandbox().phone.send(**body())
    return jsonify(plain(sent) | {"taken": sent.taken})


@blueprint.get("/calls")
def calls() -> Response:
    """What the stand-ins saw, by `route` (`cast.send`) or system (`ghl`), numbered above `since`, at most `limit`."""
    found = sandbox().records.calls(request.args.get("route", ""), since=request.args.get("since", 0, int))
    return jsonify([plain(call) for call in found[: request.args.get("limit", 1000, int)]])


@blueprint.get("/cast")
def cast() -> Response:
    """What Cast took: totals, whatever was taken twice, keys that came back with another text."""
    provider = sandbox().cast
    return jsonify(
        accepted=len(provider.accepted()),
        calls_by_key=dict(provider.calls_by_key),
        repeats=[{"to": to, "text": text, "times": times} for (to, text), times in provider.repeats().items()],
        mismatches=provider.mismatches,
    )


@blueprint.get("/cast/accepted")
def cast_accepted() -> Response:
    """The messages Cast took, by `to`, `text` or `key`."""
    asked = {name: request.args[name] for name in ("to", "text", "key") if name in request.args}
    return jsonify([plain(one) for one in sandbox().cast.accepted(**asked)])


@blueprint.post("/cast/keys")
def cast_key() -> Response:
    """Makes an API key known or fills its account, `{api_key, credits?}`."""
    sandbox().cast.add_key(**body())
    return jsonify(ok=True)


@blueprint.post("/cast/outcomes")
def cast_outcome() -> Response:
    """How messages to a number end, `{phone, outcome}`."""
    sandbox().cast.decide(**body())
    return jsonify(ok=True)


@blueprint.route("/faults", methods=["GET", "POST", "DELETE"])
def faults() -> Response:
    """GET the rules in force, POST one more (the arguments of `Faults.arm`), DELETE all, or those of `?name=`."""
    known = sandbox().faults
    if request.method == "POST":
        return jsonify(plain(known.arm(**body())))
    if request.method == "DELETE":
        name = request.args.get("name")
        known.disarm(name) if name else known.clear()
    return jsonify(armed=[plain(rule) for rule in known.armed()], effects=EXPLAINED, switches=list(SWITCHES))


@blueprint.post("/switches/<name>")
def switch(name: str) -> Response:
    """Turns a switch of the fault panel, `{on, times?}`."""
    asked = body()
    SWITCHES[name].turn(sandbox(), bool(asked.get("on", True)), asked.get("times"))
    return jsonify(name=name, on=SWITCHES[name].is_on(sandbox()))


def body() -> dict[str, Any]:
    """The request's JSON object."""
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        raise ValueError("send a JSON object")
    return given


def plain(value: Any) -> dict[str, Any]:
    """A dataclass as JSON takes it."""
    return dataclasses.asdict(value)


def described(one: Message) -> dict[str, Any]:
    """A message with its present status."""
    return plain(one) | {"status": one.status, "error": one.error}


def delivered(one: Delivery) -> dict[str, Any]:
    """A delivery as JSON takes it."""
    answers = [plain(answer) for answer in one.answers]
    return {"message": described(one.message), "payload": one.payload, "taken": one.taken, "answers": answers}


def known_contact(contact_id: str) -> Contact:
    """The contact with this id. Raises `KeyError`."""
    found = sandbox().ghl.directory.get(contact_id)
    if found is None:
        raise KeyError(contact_id)
    return found
