"""How a webhook out proves that it is ours: a moment and the body, under a secret that only the receiver has.

`Sendero-Signature: t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "<t>.<body>">`. The moment is signed too, so that a
receiver can turn away what is old: an attacker who has seen a request can repeat it, but not make it young.
"""

import hashlib
import hmac
import secrets

HEADER = "Sendero-Signature"
PREFIX = "whsec_"


def new_secret() -> str:
    """A secret for one subscription: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def derived_secret(portal_secret: str, key_uuid: str) -> str:
    """The secret that signs what is posted to the callback addresses of one API key's requests."""
    made = hmac.new(f"callback secret:{portal_secret}".encode(), key_uuid.encode(), hashlib.sha256).hexdigest()
    return PREFIX + made


def sign(secret: str, moment: int, body: bytes) -> str:
    """The header's value."""
    made = hmac.new(secret.encode(), b"%d.%s" % (moment, body), hashlib.sha256).hexdigest()
    return f"t={moment},v1={made}"
