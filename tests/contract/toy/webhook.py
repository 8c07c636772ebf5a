"""Toy's webhooks: a form, signed by HMAC-SHA256 of the body under the token."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from portal.channels.base import Account, ChannelError, ChannelEvent, Inbound, Receipt, WebhookRequest
from portal.channels.toy.codes import OUTCOMES


def verify(account: Account, request: WebhookRequest) -> bool:
    """Is it signed with the sender's token?"""
    token = account.credentials.get("token", "").encode()
    signed = hmac.new(token, request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signed.encode(), request.headers.get("x-toy-signature", "").encode())


def lane(request: WebhookRequest) -> str:
    """The customer's number."""
    return _fields(request).get("from", "")[:40]


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """One message or one receipt."""
    fields = _fields(request)
    if request.action == "status" and fields.get("status") in OUTCOMES and fields.get("id"):
        return [Receipt(fields["id"], OUTCOMES[fields["status"]], fields["status"])]
    if request.action == "receive" and fields.get("from") and "text" in fields:
        return [Inbound(fields["from"], fields["text"], fields.get("id", ""))]
    raise ChannelError("Toy's webhook cannot be read.")


def _fields(request: WebhookRequest) -> Mapping[str, str]:
    return dict(parse_qsl(request.body.decode("latin-1"), keep_blank_values=True))
