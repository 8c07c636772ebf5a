"""courier's channel routes, `/c/<type>/<uuid>/<action>`, for the channels that both know; answered in its shape.

The uuid is the sender's key: `flask sender key` gives a sender the uuid that its channel had at courier.
"""

from dataclasses import dataclass, replace

from flask import Blueprint, Response, jsonify

from portal.channels import registry
from portal.channels.base import Channel, ChannelError, ChannelEvent, Inbound, Receipt, WebhookRequest
from portal.channels.generic_http.webhook import OPT_OUT
from portal.errors import NotFound, PortalError
from portal.extensions import csrf
from portal.messaging.courier_letters import of_outcome
from portal.web.webhooks import sms
from portal.web.webhooks.intake import accepted, heard_now

bp = Blueprint("courier", __name__, url_prefix="/c")
# Callers prove themselves as at `/webhooks/sms`; there is no browser session to protect.
csrf.exempt(bp)

ANY, TWIML, RECEIVE, STATUS = "generic_http", "twilio", "receive", "status"
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class _Type:
    """A channel type of courier's: our channel, and what its actions are called there."""

    channel: str
    actions: dict[str, str]


_USUAL = {"receive": RECEIVE, "status": STATUS}
# The type codes and actions of courier's handlers.
TYPES = {
    "at": _Type("africastalking", {**_USUAL, "callback": RECEIVE, "delivery": STATUS}),
    "ct": _Type("clickatell", _USUAL),
    "ex": _Type(ANY, {"receive": RECEIVE, STOPPED: RECEIVE, "sent": STATUS, "delivered": STATUS, "failed": STATUS}),
    "gl": _Type("globe", {"receive": RECEIVE}),
    "ib": _Type("infobip", {"receive": RECEIVE, "delivered": STATUS}),
    "js": _Type("kannel", _USUAL),
    "kn": _Type("kannel", _USUAL),
    "nx": _Type("vonage", _USUAL),
    "t": _Type(TWIML, _USUAL),
    "tms": _Type(TWIML, _USUAL),
    "tw": _Type(TWIML, _USUAL),
}
ACCEPTED = {RECEIVE: "Message Accepted", STATUS: "Status Update Accepted"}


@bp.errorhandler(PortalError)
def _refused(error: PortalError) -> tuple[Response, int]:
    told = {"type": "error", "error": error.message}
    return jsonify(message="Error", data=[told]), error.http_status


@bp.route("/<string:code>/<string:uuid>/<string:action>", methods=["GET", "POST"], strict_slashes=False)
def receive(code: str, uuid: str, action: str) -> Response:
    """Verify, keep, and say what it was. A worker finds out what it comes to, so no message has an id of ours yet."""
    known = TYPES.get(code.lower())
    if known is None or action not in known.actions:
        raise NotFound("There is no such channel.")
    ours = known.actions[action]
    heard = heard_now(ours)
    if known.channel == ANY and ours == STATUS:
        # What happened stands in the address at courier, in a parameter here.
        heard = replace(heard, query=f"{heard.query}&status={action}".lstrip("&"))
    elif action == STOPPED:
        heard = replace(heard, query=f"{heard.query}&{OPT_OUT}=1".lstrip("&"))
    channel = sms.take(registry.get(known.channel), uuid, heard)
    if known.channel == TWIML:
        return accepted(*channel.answer(heard))  # it executes what it is answered
    data = _told(channel, heard)
    if action == STOPPED:
        return jsonify(message="Event Accepted", data=[{"type": "event", "event_type": "stop_contact"}])
    return jsonify(message=ACCEPTED[ours] if data else "Ignored", data=data)


def _told(channel: Channel, heard: WebhookRequest) -> list[dict[str, object]]:
    if channel.kind == ANY:
        return [{"type": "msg" if heard.action == RECEIVE else "status"}]  # the sender's settings say where things are
    try:
        events = channel.parse(heard)
    except ChannelError:
        return []  # kept, and a person is told
    return [found for each in events if (found := _event(each))]


def _event(said: ChannelEvent) -> dict[str, object] | None:
    if isinstance(said, Inbound):
        return {"type": "msg", "external_id": said.external_id, "urn": f"tel:{said.sender}", "text": said.text}
    if isinstance(said, Receipt):
        return {"type": "status", "external_id": said.external_id, "status": of_outcome(said.outcome)}
    return None
