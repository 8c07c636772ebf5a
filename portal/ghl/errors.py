"""What HighLevel's refusals mean. The status alone does not tell: a 401 may be a scope, a header, or a message that
HighLevel itself has not stored yet, and only one of them is cured by a new token.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from portal.errors import PortalError
from portal.ghl.fields import identifier, mapping, number, text
from portal.http import Response
from portal.logs import redact

EXCERPT = 200
LONGEST = 2000
# The documented window of the rate limit: 100 requests in 10 seconds.
WINDOW_SECONDS = 10.0
DAY_SECONDS = 86_400


class Kind(StrEnum):
    """What a failed call asks of its caller.

    SERVER and UNKNOWN may have taken effect: look it up before a POST is repeated.
    """

    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    RATE_LIMITED = "rate_limited"
    TOO_EARLY = "too_early"
    TOKEN_REJECTED = "token_rejected"
    LOCATION_INACTIVE = "location_inactive"
    GRANT_DEAD = "grant_dead"
    NO_SCOPE = "no_scope"
    NO_ACCESS = "no_access"
    NOT_FOUND = "not_found"
    NO_FUNDS = "no_funds"
    INVALID = "invalid"
    SERVER = "server"


SENTENCES = {
    Kind.NOT_SENT: "HighLevel could not be reached, so nothing was sent to it.",
    Kind.UNKNOWN: "HighLevel did not answer in full, so it is not known whether it took the request.",
    Kind.RATE_LIMITED: "HighLevel asks for a pause: the sub-account's request limit is used up.",
    Kind.TOO_EARLY: "HighLevel has not stored the message yet: its status can be set in a few seconds.",
    Kind.TOKEN_REJECTED: "HighLevel no longer takes the access token: it has to be refreshed.",
    Kind.LOCATION_INACTIVE: "The sub-account is paused in HighLevel: it works again once it is active there.",
    Kind.GRANT_DEAD: "HighLevel no longer takes the installation's grant: install the app again.",
    Kind.NO_SCOPE: "The app lacks a permission (scope) for this: connect it again, so that it is given.",
    Kind.NO_ACCESS: "HighLevel refuses access: check the app's scopes and where it is installed.",
    Kind.NOT_FOUND: "HighLevel does not know what was asked for: it may have been deleted there.",
    Kind.NO_FUNDS: "The sub-account's wallet in HighLevel has no funds for this: it has to be topped up there.",
    Kind.INVALID: "HighLevel did not accept the request.",
    Kind.SERVER: "HighLevel has trouble of its own.",
}

# HighLevel's own words, the first match decides, before the status is looked at.
WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        # 401 until 2025-06-24, 403 since; the first 5-10 s after a delivery (highlevel-api-docs issue 4).
        (r"no conversation provider found", Kind.TOO_EARLY),
        # The same refresh token works again when the sub-account does.
        (r"location is not active", Kind.LOCATION_INACTIVE),
        (r"invalid[ _]grant|refresh token is invalid|invalid refresh token|authorization code", Kind.GRANT_DEAD),
        # No new token cures this, only a new consent: a refresh gives the old scopes again.
        (r"not authorized for this scope", Kind.NO_SCOPE),
        (r"user type mismatch|auth ?class type is not allowed", Kind.NO_ACCESS),
        (r"(does not|do not|don't) have access|invalid[ _]client|client credentials", Kind.NO_ACCESS),
        (r"version header|api version", Kind.INVALID),
        # Not documented. Whoever charges asks `has-funds` besides.
        (r"insufficient (wallet|fund|balance|credit)|not (have )?(enough|sufficient) (fund|balance)", Kind.NO_FUNDS),
        (r"\b(message|contact|conversation|location)\b.{0,60}\bnot found", Kind.NOT_FOUND),
        (r"\bno (message|contact|conversation|location) found", Kind.NOT_FOUND),
    )
)

STATUSES = {
    401: Kind.TOKEN_REJECTED,
    402: Kind.NO_FUNDS,
    403: Kind.NO_ACCESS,
    404: Kind.NOT_FOUND,
    408: Kind.SERVER,
    429: Kind.RATE_LIMITED,
}

_QUERY = re.compile(r"\?[^\s\"']*")
# Tokens, codes and the client secret are long runs; HighLevel's ids have 20 to 24 characters.
_OPAQUE = re.compile(r"[\w.~+/=-]{32,}")


class GhlError(PortalError):
    """A call to HighLevel that did not succeed.

    `status` is 0 without an answer; `code` and `detail` are HighLevel's own words, without secrets; `hint` is ours, a
    sentence; `retry_after` is in seconds; `contact_id` names the contact that stood in the way of a new one.
    """

    http_status = 502

    def __init__(
        self,
        kind: Kind,
        *,
        status: int = 0,
        code: str = "",
        detail: str = "",
        hint: str = "",
        retry_after: float | None = None,
        contact_id: str = "",
    ) -> None:
        super().__init__(" ".join(filter(None, (SENTENCES[kind], hint, detail and f"It said: {detail}"))))
        self.kind = kind
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.contact_id = contact_id


def classify(response: Response, secrets: Iterable[str] = ()) -> GhlError:
    """The error that an answer outside 2xx means. `secrets` of the request are hidden should the answer repeat them."""
    body = _body(response)
    said = (_said(body) or response.body[:LONGEST].decode("utf-8", "replace"))[:LONGEST]
    kind = _kind(response.status, said)
    return GhlError(
        kind,
        status=response.status,
        code=excerpt(text(body.get("code")) or text(body.get("error")), secrets),
        detail=excerpt(said, secrets),
        retry_after=_retry_after(response.headers) if kind is Kind.RATE_LIMITED else None,
        contact_id=identifier(mapping(body.get("meta")).get("contactId")),
    )


def excerpt(words: str, secrets: Iterable[str] = ()) -> str:
    """At most 200 characters on one line, without query strings and without anything that looks like a secret."""
    for secret in filter(None, secrets):
        words = words.replace(secret, "[hidden]")
    words = _OPAQUE.sub("[hidden]", redact(_QUERY.sub("", words)))
    return " ".join(words.replace("\x00", "").split())[:EXCERPT]


def _body(response: Response) -> Mapping[str, Any]:
    try:
        return mapping(msgspec.json.decode(response.body))
    except (ValueError, RecursionError):
        return {}


def _said(body: Mapping[str, Any]) -> str:
    """The sentences of an error body: `message` is a text or a list, OAuth answers `error_description`."""
    message = body.get("message")
    parts = message if isinstance(message, list) else [message]
    return "; ".join(filter(None, map(text, [*parts, body.get("error_description"), body.get("error")])))


def _kind(status: int, said: str) -> Kind:
    if status >= 500 or status < 400:
        return Kind.SERVER
    if status == 429:
        return Kind.RATE_LIMITED
    for pattern, kind in WORDS:
        if pattern.search(said):
            return kind
    return STATUSES.get(status, Kind.INVALID)


def _retry_after(headers: Mapping[str, str]) -> float:
    """HighLevel documents no Retry-After: without one, the length of the rate limit's window."""
    seconds = number(headers.get("retry-after"))
    if seconds is not None:
        return float(min(seconds, DAY_SECONDS))
    interval = number(headers.get("x-ratelimit-interval-milliseconds"))
    return interval / 1000 if interval else WINDOW_SECONDS
