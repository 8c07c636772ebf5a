"""`/webhooks/sms/<channel>/<sender key>/<action>`: the providers' inbound messages and receipts."""

import re
from dataclasses import replace

from flask import Response, request

from portal.channels import registry
from portal.channels.base import Channel, WebhookRequest
from portal.errors import InvalidInput, NotFound
from portal.journal.entry import Entry, without_secrets
from portal.services import Services
from portal.web.context import services
from portal.web.webhooks import bp
from portal.web.webhooks.intake import accepted, evidence, heard_now, proof
from portal.web.webhooks.known import CANNOT_SAY, SenderKeys, by_key

ACTIONS = ("receive", "status")
_KEY = re.compile(r"[\w-]{8,64}", re.ASCII)

sender_keys = SenderKeys(by_key)


@bp.route("/sms/<string:kind>/<string:key>/<string:action>", methods=["GET", "POST"])
def receive_sms(kind: str, key: str, action: str) -> Response:
    """Verify, keep, and answer in the provider's own words."""
    channel = _channel(kind, action)
    if _KEY.fullmatch(key) is None:
        raise NotFound("There is no such webhook.")
    heard = heard_now(action)
    return accepted(*take(channel, key, heard).answer(heard))


def take(channel: Channel, key: str, heard: WebhookRequest) -> Channel:
    """Verifies a request to the sender with this key, and keeps it. Raises `NotFound`, `Unauthentic`, `Overloaded`."""
    parts, kind = services(), channel.kind
    if _KEY.fullmatch(key) is None:
        raise NotFound("There is no such webhook.")
    verified = _verify(parts, channel, key, heard)
    if request.method == "HEAD":
        heard = replace(heard, query="")  # whoever only tries a link writes no text
    parts.journal.append(
        Entry(
            kind,
            f"{kind}:{key[:64]}:{channel.lane(heard)}"[:200],
            heard.body,
            verified=verified,
            action=heard.action,
            sender_key=key,
            headers=proof(parts, heard, verified=verified),
            query=without_secrets(heard.query) if verified else heard.query,
        )
    )
    return channel


def _channel(kind: str, action: str) -> Channel:
    if action not in ACTIONS:
        raise NotFound("There is no such webhook.")
    try:
        return registry.get(kind)
    except InvalidInput:
        raise NotFound("There is no such webhook.") from None


def _verify(parts: Services, channel: Channel, key: str, heard: WebhookRequest) -> bool:
    """True when the request has proved itself; False when nobody can say now, and its event is judged at replay."""
    try:
        known = sender_keys.get(parts, key)
    except CANNOT_SAY:
        return False
    if known is None or known.channel != channel.kind:
        raise NotFound("There is no such webhook.")
    if sender_keys.proves_itself(parts, channel, key, known, heard):
        return True
    entry = Entry(channel.kind, channel.kind, heard.body, verified=False, action=heard.action, sender_key=key)
    raise evidence.refuse(parts, entry, "The request does not prove that the provider sent it.")
