"""`sig` of Vonage's webhooks ("Signing messages"): a digest over all other fields, by one of five methods.

Whoever repeats a request that was signed once changes nothing: its ids are known by then. So an old `timestamp` is no
fault, and Vonage's own repetitions over 24 hours, or what waited for a database, are taken.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from portal.channels.base import Account, ChannelError, WebhookRequest
from portal.channels.callbacks import KEY, told
from portal.channels.values import text
from portal.channels.vonage.fields import ANY, NONE, method

SIG = "sig"
# The default of accounts: no HMAC, the secret stands behind the fields.
MD5_HASH = "md5hash"
METHODS = (MD5_HASH, "md5", "sha1", "sha256", "sha512")


def is_signed(account: Account, request: WebhookRequest) -> bool:
    """Was the request made by whoever knows the signature secret? Always, where the sender says `none`."""
    wanted, secret = method(account.credentials), account.credentials.get("signature_secret", "")
    if wanted == NONE:
        return True
    try:
        said = told(request)
    except ChannelError:
        return False
    shown = text(said.get(SIG)).lower()
    if not secret or not shown:
        return False
    methods = METHODS if wanted == ANY else (wanted,)
    return any(
        hmac.compare_digest(signature(each, secret, fields).encode(), shown.encode("utf-8", "replace"))
        for fields in _signed(said)
        for each in methods
    )


def signature(name: str, secret: str, said: Mapping[str, Any]) -> str:
    """Lower-case hex over `&name=value` of the sorted fields, whose `&` and `=` are written `_`."""
    words = "".join(f"&{name}={_plain(said[name])}" for name in sorted(said) if name != SIG)
    if name == MD5_HASH:
        return hashlib.md5(_bytes(words + secret), usedforsecurity=False).hexdigest()
    if name not in METHODS:
        return ""
    return hmac.new(_bytes(secret), _bytes(words), name).hexdigest()


def _signed(said: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Vonage signs its own fields; nothing says whether a field of our address counts as one."""
    yield {name: value for name, value in said.items() if name != KEY}
    if KEY in said:
        yield said


def _plain(value: object) -> str:
    return text(value).replace("&", "_").replace("=", "_")


def _bytes(words: str) -> bytes:
    return words.encode("utf-8", "replace")
