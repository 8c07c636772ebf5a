"""Sets the stage: state, settings, locations, contacts, codes, tokens, senders, faults."""

import dataclasses

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.control.shown import blueprint, body, plain
from portal.sandbox.faults import EXPLAINED
from portal.sandbox.ghl.tokens import Owner
from portal.sandbox.switches import SWITCHES
from portal.sandbox.world import CAST_API_KEY, CLIENT_ID, CLIENT_SECRET, DEMO_COMPANY, PROVIDER_IDS

# Of the stand-in GREEN-API (`GreenProvider`), each named with `green_` before it.
GREEN_SETTINGS = tuple(
    f"green_{name}"
    for name in (
        "enforced",
        "settings_after",
        "restart_seconds",
        "again_after",
        "delay",
        "copies",
        "shuffled",
        "deaf",
        "scheme",
    )
)


# Of the stand-in Cloud API (`CloudProvider`, its limits and files), each named with `cloud_` before it.
CLOUD_SETTINGS = (
    "window_enforced",
    "fetches_links",
    "batch",
    "gather",
    "copies",
    "shuffled",
    "delay",
    "deaf",
    "again_after",
    "early",
)
CLOUD_LIMITS = ("enforced", "rate", "coexisting_rate", "pair_seconds", "pair_burst", "marketing")
CLOUD_PROGRESS = ("outcome", "sent_after", "delivered_after", "read_after")


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
        green=[{"id": one.id, "token": one.token, "number": one.number} for one in here.green.instances.values()],
        cloud=[
            {"id": one.id, "account_id": one.account_id, "number": one.phone} for one in here.cloud.numbers.values()
        ],
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
    owners: dict[str, object] = {
        "portal_url": here,
        "expires_in": here.ghl.grants,
        "grace_seconds": here.ghl.grants,
        "scope": here.ghl.grants,
        "early_403_seconds": here.ghl,
        "most": here.ghl.limit,
        "daily": here.ghl.limit,
        "enforced": here.ghl.limit,
        "rate": here.cast,
        "remember_refusals": here.cast,
    }
    owners |= dict.fromkeys(GREEN_SETTINGS, here.green)
    owners |= {f"cloud_{name}": here.cloud for name in CLOUD_SETTINGS}
    owners |= {f"cloud_{name}": here.cloud.limits for name in CLOUD_LIMITS}
    owners["cloud_url_seconds"] = here.cloud.files
    for name, value in body().items():
        if name in ("sent_after", "final_after", "outcome"):
            here.cast.progress = dataclasses.replace(here.cast.progress, **{name: value})
        elif name in ("green_outcome", "green_sent_after", "green_delivered_after", "green_read_after"):
            here.green.progress = dataclasses.replace(here.green.progress, **{name.removeprefix("green_"): value})
        elif name.removeprefix("cloud_") in CLOUD_PROGRESS and name.startswith("cloud_"):
            here.cloud.progress = dataclasses.replace(here.cloud.progress, **{name.removeprefix("cloud_"): value})
        elif name in ("address_rate", "address_burst"):
            setattr(here.cast.address, name.removeprefix("address_"), value)
        else:
            setattr(owners[name], name.removeprefix("green_").removeprefix("cloud_"), value)
    return jsonify(ok=True)


@blueprint.post("/cast/accounts")
def cast_account() -> Response:
    """Another account at Cast or another key of it, `{api_key, …}` with any of the account's fields."""
    asked = body()
    known = sandbox().cast.accounts
    account = known.get(asked["api_key"]) or sandbox().cast.add_key(asked["api_key"])
    for name, value in asked.items():
        if name != "api_key":
            setattr(account, name, tuple(value) if isinstance(value, list) else value)
    return jsonify(credits=account.credits, channels=account.channels, sender_ids=account.sender_ids)


@blueprint.post("/cast/unsubscribe")
def cast_unsubscribe() -> Response:
    """The customer unsubscribes from a sender id at Cast, `{phone, sender_id, api_key?}`."""
    asked = body()
    sandbox().cast.unsubscribe(asked["phone"], asked["sender_id"], asked.get("api_key", CAST_API_KEY))
    return jsonify(ok=True)


@blueprint.post("/locations")
def add_location() -> Response:
    """One more location, `{name, company_id?, installed?}`."""
    return jsonify(plain(sandbox().world.add_location(**body())))


@blueprint.patch("/locations/<location_id>")
def change_location(location_id: str) -> Response:
    """`{active?, installed?, name?, company_id?}`: a paused sub-account refuses refreshes and keeps its token."""
    location = sandbox().world.locations[location_id]
    for name, value in body().items():
        if name not in ("active", "installed", "name", "company_id"):
            raise KeyError(name)
        setattr(location, name, value)
    return jsonify(plain(location))


@blueprint.delete("/locations/<location_id>")
def delete_location(location_id: str) -> Response:
    """The sub-account is deleted; its tokens live on, as far as anybody knows."""
    sandbox().world.remove(location_id)
    return jsonify(ok=True)


@blueprint.post("/contacts")
def add_contact() -> Response:
    """One more contact, `{location_id, name, phone}`, or the one that is there."""
    asked = body()
    contact, new = sandbox().ghl.directory.add(asked.pop("location_id"), asked)
    return jsonify(new=new, contact=plain(contact))


@blueprint.patch("/contacts/<contact_id>/dnd")
def disturb(contact_id: str) -> Response:
    """DND as a person sets it in HighLevel, `{channel: status}`, and the event that follows."""
    contact = sandbox().ghl.directory.get(contact_id)
    if contact is None:
        raise KeyError(contact_id)
    sandbox().deliveries.disturb(contact, {name: {"status": status} for name, status in body().items()})
    return jsonify(plain(contact))


@blueprint.patch("/locations/<location_id>/funds")
def set_funds(location_id: str) -> Response:
    """What is in the wallet of a location, `{dollars}`; null for one that is never empty."""
    till, dollars = sandbox().ghl.till, body()["dollars"]
    if dollars is None:
        till.funds.pop(location_id, None)
    else:
        till.funds[location_id] = float(dollars)
    return jsonify(has_funds=till.has_funds(location_id))


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


@blueprint.route("/senders", methods=["GET", "POST"])
def senders() -> Response:
    """The portal tells its senders: a list of `{location, channel, sender_name, webhook_url, number}`."""
    phone = sandbox().phone
    if request.method == "POST":
        phone.register(request.get_json())
    return jsonify([plain(one) for one in phone.senders])


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
