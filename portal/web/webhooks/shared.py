"""`POST /webhooks/<path>`: channels whose senders share one address. The request itself names its sender.

GREEN-API repeats what is not answered 200 every 60 seconds for 24 hours, and nothing else of that line comes through
meanwhile: what belongs to a sender that was removed is therefore answered 200, and changes nothing.
"""

import logging
import re

from flask import Response
from sqlalchemy.orm import Session

from portal.channels import registry
from portal.channels.base import Channel, WebhookRequest
from portal.channels.capabilities import OneWebhook
from portal.errors import NotFound
from portal.journal.entry import Entry
from portal.messaging.shared_webhooks import NAMED, sender_named
from portal.models import Sender
from portal.services import Services
from portal.web.context import services
from portal.web.webhooks import bp
from portal.web.webhooks.intake import accepted, evidence, heard_now, proof
from portal.web.webhooks.known import CANNOT_SAY, Known, SenderKeys

log = logging.getLogger(__name__)

# A name may pass to another sender, when a line is removed in one sub-account and added in the next: what comes for it
# then must not be kept for the one before.
FRESH_SECONDS = 2.0
# Ids and numbers; what else a stranger may write there asks the database nothing.
_NAME = re.compile(r"[\w.+-]{1,60}", re.ASCII)


def _by_name(session: Session, key: str) -> Sender | None:
    kind, _, name = key.partition(":")
    return sender_named(session, kind, name)


named_senders = SenderKeys(_by_name)


@bp.post("/<string:path>")
def receive_shared(path: str) -> Response:
    """Find the sender, verify, keep, 200."""
    parts = services()
    channel = _channel(path)
    heard = heard_now("receive")
    name = channel.addressed(heard) if isinstance(channel, OneWebhook) else ""
    if _NAME.fullmatch(name) is None:
        raise _refuse(parts, channel, heard, "The request names no sender.")
    try:
        known = _known(parts, f"{channel.kind}:{name}")
    except CANNOT_SAY:
        _keep(parts, channel, heard, name, None)
        return accepted(*channel.answer(heard))
    if known is None:
        raise _refuse(parts, channel, heard, "No sender of this portal is called so.")
    if named_senders.proves_itself(parts, channel, f"{channel.kind}:{name}", known, heard):
        _keep(parts, channel, heard, name, known)
    elif known.removed:
        log.info("webhook of a removed sender", extra={"source": channel.kind, "sender_id": known.account.sender_id})
    else:
        raise _refuse(parts, channel, heard, "The request does not prove that the provider sent it.", known.key)
    return accepted(*channel.answer(heard))


def _channel(path: str) -> Channel:
    found = next((each for each in registry.all() if isinstance(each, OneWebhook) and each.webhook_path == path), None)
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def _known(parts: Services, key: str) -> Known | None:
    """Nothing is taken and forgotten on an old word: a line that was removed may be another sender's since."""
    known = named_senders.get(parts, key, keep=FRESH_SECONDS)
    if known is None or not known.removed or parts.spool.in_use():
        return known
    return named_senders.get(parts, key, keep=0.0)


def _keep(parts: Services, channel: Channel, heard: WebhookRequest, name: str, known: Known | None) -> None:
    """Its lane is by the name in the request: it is the same when nobody can say now whose name that is."""
    parts.journal.append(
        Entry(
            channel.kind,
            f"{channel.kind}:{name}:{channel.lane(heard)}"[:200],
            heard.body,
            verified=known is not None,
            action=heard.action,
            sender_key=known.key if known is not None else f"{NAMED}{name}",
            headers=proof(parts, heard, verified=known is not None),
            query=heard.query,
        )
    )


def _refuse(parts: Services, channel: Channel, heard: WebhookRequest, why: str, key: str = "") -> Exception:
    entry = Entry(channel.kind, channel.kind, heard.body, verified=False, action=heard.action, sender_key=key)
    return evidence.refuse(parts, entry, why)
