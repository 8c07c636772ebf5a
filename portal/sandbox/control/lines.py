"""GREEN-API's lines by JSON: what customers and owners do at a phone, and what was posted of it."""

from dataclasses import asdict

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.control.shown import blueprint, body
from portal.sandbox.green_api import people
from portal.sandbox.green_api.instances import Instance
from portal.sandbox.world import GREEN_INSTANCE

MOST_SHOWN = 1000


@blueprint.route("/green", methods=["GET", "POST"])
def green_lines() -> Response:
    """The lines. POST makes one more, `{id, token, number, location_id?, state?}`, with no phone linked at first."""
    if request.method == "POST":
        return jsonify(_shown(sandbox().green.add(Instance(**{"state": "notAuthorized", **body()}))))
    return jsonify([_shown(one) for one in sandbox().green.instances.values()])


@blueprint.post("/green/write")
def green_write() -> Response:
    """A message, `{chat, kind?, text?, by?, name?, about?, instance?}`: `by` customer or phone (`people.write`)."""
    asked = body()
    line = _line(asked.pop("instance", GREEN_INSTANCE))
    return jsonify(id=people.write(sandbox(), line, asked.pop("chat"), **asked))


@blueprint.post("/green/call")
def green_call() -> Response:
    """A customer calls, `{chat, words, instance?}`: the statuses one after another (`offer`, `declined`)."""
    asked = body()
    line = _line(asked.get("instance", GREEN_INSTANCE))
    return jsonify(id=sandbox().green.ring(line, asked["chat"], *asked.get("words", ("offer", "declined"))))


@blueprint.post("/green/scan")
def green_scan() -> Response:
    """The phone scans the code, `{number?, instance?}`."""
    asked = body()
    people.scan(sandbox(), _line(asked.get("instance", GREEN_INSTANCE)), asked.get("number", ""))
    return jsonify(ok=True)


@blueprint.post("/green/state")
def green_state() -> Response:
    """Another state of a line, `{state, instance?}`: notAuthorized, blocked, yellowCard, expired …"""
    asked = body()
    sandbox().green.turn(_line(asked.get("instance", GREEN_INSTANCE)), asked["state"])
    return jsonify(ok=True)


@blueprint.post("/green/outcomes")
def green_outcome() -> Response:
    """How messages to a number end, `{phone, outcome}`."""
    sandbox().green.decide(**body())
    return jsonify(ok=True)


@blueprint.get("/green/sent")
def green_sent() -> Response:
    """What the lines sent, by `instance` and `chat`, with what each stands at now; and what was sent more than once."""
    now, chat = sandbox().clock(), request.args.get("chat", "")
    line = _line(request.args.get("instance", GREEN_INSTANCE))
    found = [one for one in line.sent.values() if chat in ("", one.chat)]
    repeats = [{"chat": chat, "text": text, "times": n} for (chat, text), n in sandbox().green.repeats().items()]
    return jsonify(sent=[asdict(one) | {"status": one.status(now)} for one in found[-MOST_SHOWN:]], repeats=repeats)


@blueprint.get("/green/posted")
def green_posted() -> Response:
    """The notifications that were posted, each with its answer, and how many wait for theirs."""
    line = _line(request.args.get("instance", GREEN_INSTANCE))
    posted = [one for one in list(sandbox().green.posted) if one.instance == line.id]
    waiting = len(sandbox().green.notifier(line).queue)
    return jsonify(waiting=waiting, posted=[asdict(one) for one in posted[-MOST_SHOWN:]])


def _line(instance: str) -> Instance:
    """Raises `KeyError` for one that is not known."""
    return sandbox().green.instances[instance]


def _shown(line: Instance) -> dict[str, object]:
    now = sandbox().clock()
    return {
        "id": line.id,
        "number": line.number,
        "location_id": line.location_id,
        "state": line.state_at(now),
        "settings": line.settings_at(now),
    }
