"""GREEN-API's routes, `/waInstance{id}/{method}/{token}`: a view for every method, so that faults can choose."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.green_api import orders, pictures
from portal.sandbox.green_api.instances import Instance, Sent
from portal.sandbox.green_api.provider import CODE_SECONDS

blueprint = Blueprint("green", __name__)
media = Blueprint("green_media", __name__)

SENDABLE = ("authorized", "yellowCard", "sleepMode")
NOT_READY = "instance is starting or not authorized"
GONE = {"expired": "Instance account is expired. Pay for it in the console", "deleted": "Instance is deleted"}
MOST_LISTED = 500
QUOTA_WORDS = "Monthly quota has been exceeded. Please change the tariff to business"


def refusal_body(status: int, words: str) -> dict[str, Any]:
    """An error as GREEN-API words it: with the whole path, token and all. 466 tells which quota is used up."""
    if status == 466:
        used = {"method": "sendmessage", "used": 100, "total": 100, "status": "QUOTE_EXCEEDED"}
        return {"invokeStatus": used | {"description": QUOTA_WORDS}}
    return {"statusCode": status, "timestamp": int(sandbox().clock()), "path": request.path, "message": words}


def refuse(status: int, words: str) -> Response:
    """The error as an answer."""
    response = jsonify(refusal_body(status, words))
    response.status_code = status
    return response


@blueprint.before_request
def know_the_instance() -> Response | None:
    """Refuses an unknown instance (403), a wrong token (401), what is too fast (429) and an instance that is gone."""
    given: Mapping[str, str] = request.view_args or {}
    instance = sandbox().green.instances.get(given.get("instance", ""))
    if instance is None:
        return refuse(403, "Forbidden")
    if given.get("token") != instance.token:
        return refuse(401, "Unauthorized")
    if sandbox().green.too_fast(instance, given.get("name") or request.path.split("/")[2]):
        return refuse(429, "Too many requests")
    if instance.state in GONE:
        return refuse(400, GONE[instance.state])
    g.instance = instance
    return None


def _here() -> Instance:
    instance: Instance = g.instance
    return instance


def _send(method: str) -> Response:
    provider, instance = sandbox().green, _here()
    if instance.state_at(sandbox().clock()) not in SENDABLE:
        return refuse(400, NOT_READY)
    body: Any = _form() if method == "sendFileByUpload" else request.get_json(silent=True)
    if body is None:
        return refuse(400, "Unexpected token in JSON at position 0")
    if fault := orders.fault_in(method, body):
        return refuse(400, fault)
    known = orders.METHODS[method]
    one = provider.take(instance, method, body, known.text(body), known.type_message(body))
    more = {"urlFile": f"{sandbox().url}/green-media/{one.id}.png"} if method == "sendFileByUpload" else {}
    return jsonify(idMessage=one.id, **more)


def _form() -> dict[str, Any]:
    """An upload's fields; of the file only how many bytes came."""
    file = request.files.get("file")
    return {**request.form.to_dict(), "file": len(file.read()) if file is not None else 0}


def get_state_instance() -> Response:
    """The state alone."""
    return jsonify(stateInstance=_here().state_at(sandbox().clock()))


def get_wa_settings() -> Response:
    """State and number."""
    instance, now = _here(), sandbox().clock()
    phone = instance.number.removeprefix("+") if instance.wid_at(now) else ""
    device = f"{phone}:26@s.whatsapp.net" if phone else ""
    return jsonify(avatar="", phone=phone, stateInstance=instance.state_at(now), deviceId=device)


def get_settings() -> Response:
    """The settings that hold."""
    return jsonify(_here().settings_at(sandbox().clock()))


def set_settings() -> Response:
    """Settings, each by its name; those that are left out stay."""
    asked: Any = request.get_json(silent=True)
    if not isinstance(asked, dict) or not asked:
        return refuse(400, "bad request data")
    try:
        sandbox().green.write_settings(_here(), asked)
    except ValueError as error:
        return refuse(400, str(error))
    return jsonify(saveSettings=True)


def qr() -> Response:
    """Something to scan, another one every 20 seconds."""
    instance, now = _here(), sandbox().clock()
    state = instance.state_at(now)
    if state == "starting":
        return refuse(400, "instance in starting process try later")
    if state != "notAuthorized":
        return jsonify(type="alreadyLogged", message="instance account already authorized")
    word = f"{instance.id}/{instance.codes}/{int(now / CODE_SECONDS)}"
    return jsonify(type="qrCode", message=base64.b64encode(pictures.scannable(word)).decode())


def get_authorization_code() -> Response:
    """A code to type on the phone."""
    instance, asked = _here(), request.get_json(silent=True)
    number = asked.get("phoneNumber") if isinstance(asked, dict) else None
    if not isinstance(number, int):
        return refuse(400, "Validation failed. Details: 'phoneNumber' must be a number")
    if instance.state_at(sandbox().clock()) != "notAuthorized":
        return jsonify(status=False, code="")
    instance.codes += 1
    return jsonify(status=True, code=sandbox().ids.new("pair").upper()[:8])


def logout() -> Response:
    """Unlinks the phone."""
    sandbox().green.turn(_here(), "notAuthorized")
    return jsonify(isLogout=True)


def reboot() -> Response:
    """Starts the instance anew."""
    sandbox().green.restart(_here())
    return jsonify(isReboot=True)


def check_whatsapp() -> Response:
    """Has a number WhatsApp? All have, but those whose messages are set to end with noAccount."""
    asked = request.get_json(silent=True)
    number = str(asked.get("phoneNumber") if isinstance(asked, dict) else "")
    if not number.isdigit() or len(number) not in (11, 12):
        return refuse(400, "bad phone number, valid 11 or 12 digits")
    known = sandbox().green.outcomes.get(number[-10:]) != "noAccount"
    return jsonify({"existsWhatsapp": known} | ({"chatId": f"{number}@c.us"} if known else {}))


def get_message() -> Response:
    """One message of a chat, out of the journal."""
    asked = request.get_json(silent=True)
    asked = asked if isinstance(asked, dict) else {}
    one = _here().sent.get(str(asked.get("idMessage")))
    if not asked.get("chatId") or not asked.get("idMessage"):
        return refuse(400, "Validation failed. Details: 'chatId' is required")
    return (
        jsonify(_journal(one)) if one is not None and one.chat == asked["chatId"] else refuse(400, "bad request data")
    )


def last_outgoing_messages() -> Response:
    """What was sent in the last minutes (1440), the newest first."""
    since = sandbox().clock() - 60 * request.args.get("minutes", 1440, int)
    return jsonify([_journal(one) for one in reversed(_here().sent.values()) if one.at >= since])


def last_incoming_messages() -> Response:
    """What was received in the last minutes (1440), the newest first."""
    since = sandbox().clock() - 60 * request.args.get("minutes", 1440, int)
    return jsonify(
        [
            {"type": "incoming", "idMessage": one.id, "timestamp": int(one.at), "chatId": one.chat, **one.data}
            for one in reversed(_here().received)
            if one.at >= since
        ]
    )


def show_messages_queue() -> Response:
    """What has not gone out yet."""
    now = sandbox().clock()
    waiting = [one for one in _here().sent.values() if one.status(now) in ("pending", "yellowCard")]
    listed = [{"messageID": one.id, "messagesIDs": [one.id], "type": one.method, "body": one.body} for one in waiting]
    return jsonify(listed[:MOST_LISTED])


def _journal(one: Sent) -> dict[str, Any]:
    shown = {"caption": one.text} if one.method == "sendFileByUrl" else {"textMessage": one.text}
    return {
        "type": "outgoing",
        "idMessage": one.id,
        "timestamp": int(one.at),
        "typeMessage": one.type_message,
        "chatId": one.chat,
        **shown,
        "statusMessage": one.status(sandbox().clock()),
        "sendByApi": one.by == "api",
    }


@blueprint.route("/waInstance<instance>/<name>/<token>", methods=["GET", "POST"])
def unknown(instance: str, name: str, token: str) -> Response:
    """A method that is not there."""
    return refuse(404, "Not Found")


@media.get("/green-media/<name>")
def picture(name: str) -> Response:
    """A picture that somebody sent."""
    return Response(pictures.picture(name), mimetype="image/png")


def _route(method: str, verb: str, view: Callable[[], Response]) -> None:
    def call(instance: str, token: str) -> Response:
        return view()

    blueprint.add_url_rule(f"/waInstance<instance>/{method}/<token>", method, call, methods=[verb])


for _name in orders.METHODS:
    _route(_name, "POST", lambda method=_name: _send(method))  # type: ignore[misc]
for _name, _verb, _view in (
    ("getStateInstance", "GET", get_state_instance),
    ("getWaSettings", "GET", get_wa_settings),
    ("getSettings", "GET", get_settings),
    ("setSettings", "POST", set_settings),
    ("qr", "GET", qr),
    ("getAuthorizationCode", "POST", get_authorization_code),
    ("logout", "GET", logout),
    ("reboot", "GET", reboot),
    ("checkWhatsapp", "POST", check_whatsapp),
    ("getMessage", "POST", get_message),
    ("lastOutgoingMessages", "GET", last_outgoing_messages),
    ("lastIncomingMessages", "GET", last_incoming_messages),
    ("showMessagesQueue", "GET", show_messages_queue),
):
    _route(_name, _verb, _view)
