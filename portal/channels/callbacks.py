"""What SMS providers' calls to us have in common: the address we give out, and the ways to read a request.

A provider that takes the address of its reports with every message is given our own key of the call in it
(`?key=`): so a report settles a call whose answer was lost. Whoever knows the address knows the sender's unguessable
key anyway.
"""

from collections.abc import Mapping
from json import loads
from typing import Any
from urllib.parse import parse_qsl, quote
from zlib import crc32

from portal.channels.base import Account, ChannelError, Outgoing, WebhookRequest
from portal.channels.values import text

RECEIVE, STATUS = "receive", "status"
KEY = "key"
# So that each provider escapes it the same way, which signatures over addresses depend on. No key of ours has one.
_COLON = "_"
MOST_FIELDS = 1000
STATUS_LANES = 8


def status_url(account: Account, part: Outgoing | None = None, more: str = "") -> str:
    """Where a provider reports on a part, with our key of it; "" where it could not reach us.

    `more` is added to the query as it is: placeholders that the provider fills in (Kannel's `%d`).
    """
    if not account.webhook_url:
        return ""
    named = [f"{KEY}={quote(part.idempotency_key.replace(':', _COLON), safe='')}"] if part is not None else []
    query = "&".join(filter(None, [*named, more]))
    return f"{account.webhook_url}/{STATUS}" + (f"?{query}" if query else "")


def our_key(request: WebhookRequest) -> str:
    """The key that `status_url` gave out, "" where there is none."""
    return query(request).get(KEY, "").replace(_COLON, ":")[:200]


def query(request: WebhookRequest) -> dict[str, str]:
    """The fields of the address."""
    return _pairs(request.query)


def form(request: WebhookRequest) -> dict[str, str]:
    """The fields of an HTML form in the body; empty when it holds none."""
    return _pairs(request.body.decode("utf-8", "replace"))


def fields(request: WebhookRequest) -> dict[str, str]:
    """The fields of a request that may be a GET or a form: those of the body before those of the address."""
    return query(request) | form(request)


def said(request: WebhookRequest) -> Any:
    """The body's JSON. Raises `ChannelError` when it is none."""
    try:
        return loads(request.body)
    except (ValueError, RecursionError):
        raise ChannelError("The request is no JSON, or only half of it.") from None


def told(request: WebhookRequest) -> Mapping[str, Any]:
    """The one object of a request, where a provider may be set to JSON, a form or a GET; the body goes first."""
    if not request.body.lstrip().startswith(b"{"):
        return fields(request)
    found = said(request)
    return query(request) | (found if isinstance(found, dict) else {})


def status_lane(external_id: str) -> str:
    """The lane of a receipt: those of one message in their order, and none behind a customer's messages."""
    return f"s{crc32(external_id.encode('utf-8', 'replace')) % STATUS_LANES}" if external_id else ""


def e164(address: str) -> str:
    """A number as providers write it (`639…`, `+639…`, `tel:+639…`) as E.164; a name or a short code as it is."""
    found = text(address).strip().removeprefix("tel:")
    digits = found.removeprefix("+")
    return f"+{digits}" if digits.isascii() and digits.isdigit() and len(digits) >= 8 and digits[0] != "0" else found


def digits(number: str) -> str:
    """A number without its plus, for providers that take no other."""
    return number.removeprefix("+")


def _pairs(encoded: str) -> dict[str, str]:
    try:
        found = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {text(name): text(value) for name, value in found}
