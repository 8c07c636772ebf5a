"""Makes messages travel, and tells what was seen of them."""

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.control.shown import blueprint, body, called, delivered, described, plain
from portal.sandbox.webhooks import Signature
from portal.sandbox.world import DEMO_COMPANY, Contact


@blueprint.post("/deliveries")
def deliver() -> Response:
    """An agent types: `{text, contact_id?, count?, connections?}` and the options of `Deliveries.send`."""
    asked, deliveries = body(), sandbox().deliveries
    if "signature" in asked:
        asked["signature"] = Signature(asked["signature"])
    contact_id, count = asked.pop("contact_id", ""), asked.pop("count", 1)
    if count > 1:
        contacts = [_contact(contact_id)] if contact_id else ()
        return jsonify([delivered(one) for one in deliveries.send_many(count, contacts=contacts, **asked)])
    return jsonify(delivered(deliveries.send(contact=_contact(contact_id) if contact_id else None, **asked)))


@blueprint.post("/events")
def event() -> Response:
    """An app event, `{type, …fields}`; UNINSTALL also kills the tokens of the location, or of the whole agency."""
    asked, deliveries = body(), sandbox().deliveries
    kind = asked.pop("type")
    if kind == "INSTALL":
        return jsonify(plain(deliveries.install(asked.pop("companyId", DEMO_COMPANY.id), **asked)))
    if kind == "UNINSTALL" and "locationId" in asked:
        return jsonify(plain(deliveries.uninstall(asked.pop("locationId"), **asked)))
    if kind == "UNINSTALL" and "companyId" in asked:
        return jsonify(plain(deliveries.uninstall_company(asked.pop("companyId"), **asked)))
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


@blueprint.post("/inbound")
def inbound() -> Response:
    """A customer writes: `{text, from_number, webhook_url, to?, text_id?, copies?}`."""
    sent = sandbox().phone.send(**body())
    return jsonify(plain(sent) | {"taken": sent.taken})


@blueprint.get("/calls")
def calls() -> Response:
    """What the stand-ins saw, by `route` (`cast.send`) or system (`ghl`), numbered above `since`, at most `limit`."""
    found = sandbox().records.calls(request.args.get("route", ""), since=request.args.get("since", 0, int))
    page = found[: request.args.get("limit", 1000, int)]
    return jsonify([called(call) for call in page])


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


def _contact(contact_id: str) -> Contact:
    """The contact with this id. Raises `KeyError`."""
    found = sandbox().ghl.directory.get(contact_id)
    if found is None:
        raise KeyError(contact_id)
    return found


@blueprint.get("/charges")
def charges() -> Response:
    """What was charged to the wallets, of one `location` or of all."""
    found = sandbox().ghl.till.all(request.args.get("location", ""))
    return jsonify([plain(one) | {"amount": one.amount} for one in found])
