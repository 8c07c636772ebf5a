"""WhatsApp Cloud by JSON: what customers, owners and Meta do at a number, and what was posted of it."""

from dataclasses import asdict
from typing import Any

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.control.shown import blueprint, body
from portal.sandbox.whatsapp_cloud import fate, people, webhooks
from portal.sandbox.whatsapp_cloud.numbers import Account, App, Number
from portal.sandbox.whatsapp_cloud.templates import Template
from portal.sandbox.whatsapp_cloud.webhooks import Item
from portal.sandbox.world import CLOUD_ACCOUNT, CLOUD_APP, CLOUD_NUMBER_ID

MOST_SHOWN = 1000


@blueprint.get("/cloud")
def cloud_numbers() -> Response:
    """The apps, the accounts and the numbers."""
    here = sandbox().cloud
    return jsonify(
        apps=[asdict(one) for one in here.apps.values()],
        accounts=[asdict(one) for one in here.accounts.values()],
        numbers=[_shown(one) for one in here.numbers.values()],
    )


@blueprint.post("/cloud/apps")
def cloud_app() -> Response:
    """Another Meta app, or a change to one: `{id, secret?, verify_token?, callback?}`."""
    asked, known = body(), sandbox().cloud.apps
    made = App(**{"secret": "", "verify_token": "", **_of(known.get(asked["id"])), **asked})
    known[made.id] = made
    return jsonify(asdict(made))


@blueprint.post("/cloud/accounts")
def cloud_account() -> Response:
    """Another account, or a change to one: `{id, token?, app_id?, name?, expired?, subscribed?, override?}`."""
    asked, known = body(), sandbox().cloud.accounts
    found = known.get(asked["id"])
    if found is None:
        found = known[asked["id"]] = Account(asked["id"], asked["token"], asked.get("app_id", CLOUD_APP))
    _change(found, asked, ("token", "app_id", "name", "expired", "subscribed", "override"))
    return jsonify(asdict(found))


@blueprint.post("/cloud/numbers")
def cloud_number() -> Response:
    """Another number, or a change: `{id, phone?, account_id?, name?, location_id?, quality?, coexists?}`."""
    asked, known = body(), sandbox().cloud.numbers
    found = known.get(asked["id"])
    if found is None:
        found = known[asked["id"]] = Number(asked["id"], asked.get("account_id", CLOUD_ACCOUNT), asked["phone"])
    _change(found, asked, ("phone", "account_id", "name", "location_id", "quality", "coexists", "override"))
    return jsonify(_shown(found))


@blueprint.post("/cloud/templates")
def cloud_template() -> Response:
    """A template, `{name, language, status?, category?, components?, account?, …}`.

    A new one, or, of one that is there, other fields. With `event` Meta changes its mind on it and tells by webhook.
    """
    asked = body()
    account = sandbox().cloud.accounts[asked.pop("account", CLOUD_ACCOUNT)]
    event, pair = asked.pop("event", ""), (asked["name"], asked["language"])
    found = next((one for one in account.templates if (one.name, one.language) == pair), None)
    if found is None:
        given = {"id": str(910_000_000_000_000 + len(account.templates)), "category": "UTILITY", "status": "APPROVED"}
        found = Template(**{**given, **asked})
        account.templates.append(found)
    _change(found, asked, ("category", "status", "components", "quality", "reason"))
    if event:
        sandbox().cloud.judge(account, found, event)
    return jsonify(found.listed())


@blueprint.post("/cloud/write")
def cloud_write() -> Response:
    """A customer's message, `{who, kind?, text?, name?, username?, about?, group?, file_name?, number?}`."""
    asked = body()
    number = _number(asked)
    return jsonify(id=people.write(sandbox(), number, asked.pop("who"), **asked))


@blueprint.post("/cloud/type")
def cloud_type() -> Response:
    """The owner writes in the phone app, `{who, text, number?}`."""
    asked = body()
    return jsonify(id=people.type_in_app(sandbox(), _number(asked), asked["who"], asked["text"]))


@blueprint.post("/cloud/call")
def cloud_call() -> Response:
    """A customer calls, `{who, seconds?, number?}`; 0 seconds for a call that nobody answers."""
    asked = body()
    return jsonify(id=people.ring(sandbox(), _number(asked), **asked))


@blueprint.post("/cloud/people")
def cloud_people() -> Response:
    """`{who, number?}` and what becomes of them.

    `prefer` (stop, resume), `phone` (another number), `username` (hides the number), `wait` (a day passes), `open`,
    `read` (they open the chat).
    """
    asked, here = body(), sandbox()
    number, who = _number(asked), asked["who"]
    if "prefer" in asked:
        people.prefer(here, number, who, asked["prefer"])
    if asked.get("wait"):
        here.cloud.close_window(number.person(who))
    if asked.get("read"):
        fate.read(here.cloud, number, number.person(who))
    if asked.get("open"):
        number.person(who).wrote_at = here.clock()
    if "username" in asked:
        people.hide(number, who, asked["username"])
    person = people.move(here, number, who, asked["phone"]) if "phone" in asked else number.person(who)
    return jsonify(asdict(person) | {"window": person.may_be_answered(here.clock())})


@blueprint.post("/cloud/outcomes")
def cloud_outcome() -> Response:
    """How messages to a number end, `{phone, outcome}`: delivered, read, played, sent, stuck or failed:<code>."""
    sandbox().cloud.decide(**body())
    return jsonify(ok=True)


@blueprint.post("/cloud/refusals")
def cloud_refusal() -> Response:
    """The next sends are refused, `{code, times?, phone?}`; `times` null for all."""
    sandbox().cloud.refuse(**body())
    return jsonify(ok=True)


@blueprint.post("/cloud/raw")
def cloud_raw() -> Response:
    """Posts any changes in one request, `{changes: [{field, value}, …], account?}`, or one `{error: code, number?}`."""
    asked, here = body(), sandbox().cloud
    if "error" in asked:
        items = [webhooks.fault(_number(asked), asked["error"])]
    else:
        account = asked.get("account", CLOUD_ACCOUNT)
        items = [Item(here.accounts[account].id, "", one["field"], one["value"]) for one in asked["changes"]]
    here.poster.post_now(items)
    return jsonify(status=here.posted[-1].answer.status if here.posted else 0)


@blueprint.get("/cloud/sent")
def cloud_sent() -> Response:
    """What a number sent, by `number` and `phone`, each with where it stands; and what was sent more than once."""
    here, now, phone = sandbox().cloud, sandbox().clock(), request.args.get("phone", "")
    number = here.numbers[request.args.get("number", CLOUD_NUMBER_ID)]
    found = [one for one in list(number.sent.values()) if phone in ("", one.person.address)]
    repeats = [{"to": to, "text": text, "times": times} for (to, text), times in here.repeats().items()]
    sent = [asdict(one) | {"status": one.status(now)} for one in found[-MOST_SHOWN:]]
    return jsonify(sent=sent, repeats=repeats)


@blueprint.get("/cloud/received")
def cloud_received() -> Response:
    """What a number received, and which of it the business has read."""
    number = sandbox().cloud.numbers[request.args.get("number", CLOUD_NUMBER_ID)]
    return jsonify([asdict(one) for one in list(number.received)[-MOST_SHOWN:]])


@blueprint.get("/cloud/posted")
def cloud_posted() -> Response:
    """The requests that were posted, each with its answer, and how many wait."""
    here = sandbox().cloud
    return jsonify(waiting=here.poster.count, posted=[asdict(one) for one in list(here.posted)[-MOST_SHOWN:]])


def _number(asked: dict[str, Any]) -> Number:
    """Raises `KeyError` for one that is not known."""
    return sandbox().cloud.numbers[asked.pop("number", CLOUD_NUMBER_ID)]


def _of(app: App | None) -> dict[str, Any]:
    return asdict(app) if app is not None else {}


def _change(thing: object, asked: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name in asked:
            setattr(thing, name, asked[name])


def _shown(one: Number) -> dict[str, Any]:
    names = ("id", "account_id", "phone", "name", "location_id", "quality", "coexists", "override")
    return {name: getattr(one, name) for name in names}
