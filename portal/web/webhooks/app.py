"""`/webhooks/whatsapp`: a Meta app posts for all numbers to one address, many of them in one request.

Signed with the app's secret, so that nobody has to be looked up before it is on disk: `WHATSAPP_APP_SECRET` for the
portal's own app, the sender's for one that brings an app of its own (`/webhooks/whatsapp/<sender key>`). A request is
cut into what belongs to each number, so that no tenant's journal holds another's messages; who that is, is asked when
it is applied. Meta repeats what is not answered 200 for 7 days, and only what is unproved or broken off is not.
"""

import hmac
import re
from dataclasses import replace

from flask import Response, request

from portal.channels import registry
from portal.channels.base import Account, Channel, WebhookRequest
from portal.channels.capabilities import AppWebhook
from portal.errors import NotFound, Overloaded
from portal.journal.entry import Entry
from portal.messaging.app_webhooks import OWN_APP, SHARED, sent_to
from portal.services import Services
from portal.web.context import services
from portal.web.webhooks import bp
from portal.web.webhooks.intake import accepted, evidence, heard_now, kept_headers, proof
from portal.web.webhooks.known import CANNOT_SAY, Known, SenderKeys, ever_by_key

# Meta gathers what many numbers have heard into one request.
LARGEST = 4 * 1024 * 1024
LONGEST_CHALLENGE = 256
# More numbers than that are not cut apart here: the answer must not wait for it, and applying does it too.
MOST_SHARES = 50
PATH = "whatsapp"
_KEY = re.compile(r"[\w-]{8,64}", re.ASCII)

app_senders = SenderKeys(ever_by_key)


def _channel() -> tuple[Channel, AppWebhook]:
    for each in registry.all():
        if isinstance(each, AppWebhook) and each.webhook_path == PATH:
            return each, each
    raise NotFound("There is no such webhook.")


@bp.get("/whatsapp")
def confirm_app() -> Response:
    """Meta asks whether the address is ours, when somebody enters it there."""
    return _confirm(services().settings.whatsapp_webhook_token)


@bp.post("/whatsapp")
def receive_app() -> Response:
    """Verify, cut apart, keep, 200. Needs no database."""
    parts = services()
    channel, app = _channel()
    heard = heard_now(SHARED, LARGEST)
    secret = parts.settings.whatsapp_app_secret
    if not secret or not app.signed(secret, heard):
        raise _refuse(parts, channel, heard)
    parts.journal.append_all(_entries(channel, app, heard))
    return accepted(*channel.answer(heard))


@bp.get("/whatsapp/<string:key>")
def confirm_own_app(key: str) -> Response:
    """The same for a sender with an app of its own."""
    parts = services()
    _, app = _channel()
    try:
        known = _known(parts, key)
    except CANNOT_SAY:
        raise Overloaded("The portal cannot tell now. Try again in a minute.", retry_after=60) from None
    given = request.args.get("hub.verify_token", "")
    agreed = app_senders.agrees(parts, key, known, lambda account: _same(app.own_app(account.credentials)[1], given))
    return _confirm(given if agreed and not known.removed else "")


@bp.post("/whatsapp/<string:key>")
def receive_own_app(key: str) -> Response:
    """Verify with the sender's own secret, keep, 200. What nobody can verify now is judged when it is applied."""
    parts = services()
    channel, app = _channel()
    heard = heard_now(OWN_APP, LARGEST)
    try:
        known = _known(parts, key)
    except CANNOT_SAY:
        # Whole: what is cut apart cannot be verified any more. In its lane all the same, so that order holds.
        addressees = app.addressees(heard)
        lane = _lane(channel, addressees[0] if len(addressees) == 1 else key, heard)
        entry = Entry(channel.kind, lane, heard.body, verified=False, action=OWN_APP, sender_key=key, query=heard.query)
        parts.journal.append(replace(entry, headers=proof(parts, heard, verified=False)))
        return accepted(*channel.answer(heard))

    def signed(account: Account) -> bool:
        secret, _ = app.own_app(account.credentials)
        return bool(secret) and app.signed(secret, heard)

    if not app_senders.agrees(parts, key, known, signed):
        raise _refuse(parts, channel, heard, key)
    parts.journal.append_all(_entries(channel, app, heard, key))
    return accepted(*channel.answer(heard))


# The address that the Go program of the first users had, so that nothing has to be entered anew at Meta.
bp.record(
    lambda state: state.app.add_url_rule(
        "/api/whatsapp/webhook", "webhooks.confirm_app_as_before", confirm_app, methods=["GET"]
    )
)
bp.record(
    lambda state: state.app.add_url_rule(
        "/api/whatsapp/webhook", "webhooks.receive_app_as_before", receive_app, methods=["POST"]
    )
)


def _known(parts: Services, key: str) -> Known:
    """Raises `NotFound`, and one of `CANNOT_SAY` while nobody knows."""
    known = app_senders.get(parts, key) if _KEY.fullmatch(key) else None
    if known is None or known.channel != _channel()[0].kind:
        raise NotFound("There is no such webhook.")
    return known


def _confirm(token: str) -> Response:
    """https://developers.facebook.com/docs/graph-api/webhooks/getting-started, Verification Requests."""
    asked = request.args
    challenge = asked.get("hub.challenge", "")
    wanted = asked.get("hub.mode") == "subscribe" and 0 < len(challenge) <= LONGEST_CHALLENGE
    if wanted and _same(token, asked.get("hub.verify_token", "")):
        return Response(challenge, 200, content_type="text/plain; charset=utf-8")
    return Response("The verify token is not this portal's.", 403, content_type="text/plain; charset=utf-8")


def _same(token: str, given: str) -> bool:
    return bool(token) and hmac.compare_digest(token.encode(), given.encode("utf-8", "replace"))


def _entries(channel: Channel, app: AppWebhook, heard: WebhookRequest, key: str = "") -> list[Entry]:
    """One entry for everybody the request speaks of, with nothing else in it, and one for what names nobody."""
    headers, addressees = kept_headers(request), app.addressees(heard)
    if not 0 < len(addressees) <= MOST_SHARES:
        lane = f"{channel.kind}:{key}:"
        return [Entry(channel.kind, lane, heard.body, action=heard.action, sender_key=key, headers=headers)]
    found = []
    for addressee in addressees:
        share = app.share(heard, addressee)
        lane = _lane(channel, addressee, share)
        to = key or sent_to(addressee)
        found.append(Entry(channel.kind, lane, share.body, action=heard.action, sender_key=to, headers=headers))
    if len(addressees) > 1 and (rest := app.share(heard, "").body):
        found.append(Entry(channel.kind, f"{channel.kind}:{key}:", rest, action=heard.action, headers=headers))
    return found


def _lane(channel: Channel, place: str, heard: WebhookRequest) -> str:
    return f"{channel.kind}:{place.replace(':', '.')[:80]}:{channel.lane(heard)}"[:200]


def _refuse(parts: Services, channel: Channel, heard: WebhookRequest, key: str = "") -> Exception:
    entry = Entry(channel.kind, channel.kind, heard.body, verified=False, action=heard.action, sender_key=key)
    return evidence.refuse(parts, entry, "The signature does not prove that Meta sent this.")
