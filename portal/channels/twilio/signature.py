"""`X-Twilio-Signature`: HMAC-SHA1 with the auth token over the address that Twilio called, and the fields of the form.

The address is the one that Twilio was given, so it is made from ours and never from the request's Host header, which a
proxy may have changed. Twilio leaves a port out or writes it, whichever it was given: both are tried.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import parse_qs, parse_qsl, urlsplit

from portal.channels.base import Account, WebhookRequest

HEADER = "x-twilio-signature"
# courier's types of a Twilio channel, as its addresses begin: by number, by service, and what speaks like Twilio.
COURIERS = ("/c/t", "/c/tms", "/c/tw")
BODY_DIGEST = "bodySHA256"
_PORTS = {"https": 443, "http": 80}


def is_signed(account: Account, request: WebhookRequest) -> bool:
    """Was the request made by whoever knows the auth token, to this address, with this body?"""
    token, shown = account.credentials.get("auth_token", ""), request.headers.get(HEADER, "")
    if not token or not shown or not account.webhook_url:
        return False
    more = f"?{request.query}" if request.query else ""
    digest = parse_qs(request.query).get(BODY_DIGEST, [""])[0]
    if digest and not hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), _bytes(digest.lower())):
        return False
    pairs = [] if digest else _pairs(request.body)
    urls = (each for url in addresses(account, request.action) for each in spelled(url + more))
    return any(hmac.compare_digest(signature(token, each, pairs).encode(), _bytes(shown)) for each in urls)


def addresses(account: Account, action: str) -> tuple[str, ...]:
    """The sender's own address, then those that the same key has where courier was: Twilio may still call them."""
    base, _, key = account.webhook_url.rpartition("/")
    root = base.partition("/webhooks/")[0]
    there = (f"{root}{kind}/{key}/{action}{end}" for kind in COURIERS for end in ("", "/"))
    return f"{account.webhook_url}/{action}", *there


def signature(token: str, url: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Base64 of the HMAC over the address and, sorted, each field's name and value with nothing between them."""
    words = url + "".join(name + value for name, value in sorted(set(pairs)))
    return b64encode(hmac.new(_bytes(token), _bytes(words), hashlib.sha1).digest()).decode()


def spelled(url: str) -> tuple[str, ...]:
    """The address with its port and without."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return (url,)
    name = parts.netloc.rpartition("@")[2].rpartition(":")[0] if parts.port else parts.netloc
    return url, *(parts._replace(netloc=each).geturl() for each in (name, f"{name}:{port}") if each != parts.netloc)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return []


def _bytes(words: str) -> bytes:
    return words.encode("utf-8", "replace")
