"""Meta asks a callback before it posts there: a GET that must come back with the challenge."""

import secrets
from urllib.parse import urlencode

from portal.sandbox.outgoing import get


class SubscriptionRefused(Exception):
    """The callback did not prove itself. Its text says what came instead."""


def subscribe(url: str, token: str) -> str:
    """The address, when it answers 200 with the bare challenge. Raises `SubscriptionRefused`."""
    challenge = str(secrets.randbelow(10**10))
    query = urlencode({"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": challenge})
    try:
        answer = get(f"{url}{'&' if '?' in url else '?'}{query}")
    except ValueError as error:
        raise SubscriptionRefused(str(error)) from None
    if answer.status != 200:
        raise SubscriptionRefused(f"HTTP Status Code = {answer.status}; {answer.error or 'the server refused'}")
    if answer.body.strip() != challenge:
        raise SubscriptionRefused("the challenge did not come back")
    return url
