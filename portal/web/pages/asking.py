"""The slow part of a settings check: others are asked, each within seconds, and what they say is a line in words."""

import hmac
import secrets
from functools import cache
from urllib.parse import urlsplit

import msgspec

from portal import clock
from portal.channels import registry
from portal.channels.base import ChannelError
from portal.crypto import proof
from portal.errors import PortalError
from portal.ghl.client import GhlClient
from portal.http import HttpClient
from portal.messaging.accounts import is_private
from portal.models import Location, Sender
from portal.services import Services
from portal.web.pages.settings_checks import BAD, GOOD, WAIT, Line, answered

# Somebody looks at the page.
PATIENCE = 8.0


@cache
def http() -> HttpClient:
    """Calls that may take no longer than a person waits."""
    return HttpClient(longest=PATIENCE)


def highlevel(services: Services, place: Location) -> Line:
    """Does HighLevel answer, with this sub-account's own token?"""
    about = "HighLevel now"
    try:
        token = services.tokens.for_location(place.ghl_id)
        found = GhlClient(http(), services.settings.ghl_api_url).get_location(token, place.ghl_id)
    except PortalError as error:
        return Line(about, BAD, "refuses, or does not answer", error.message, clock.now(), "check")
    return answered(about, found.company_id)


def own_address(services: Services) -> Line:
    """Does the address that HighLevel and the providers call lead here? Only this portal can answer the question."""
    about, base = "The portal's address", services.settings.app_url
    nonce = secrets.token_hex(16)
    try:
        # The address is the operator's own setting, so it may be a private one.
        answer = http().request("GET", f"{base}/livez/{nonce}", private_hosts=True)
    except PortalError as error:
        text = f"{base} does not answer this portal itself. Others may reach it all the same. {error.message}"
        return Line(about, WAIT, "no answer", text, clock.now())
    own = proof(services.settings.secret_key, nonce).encode()
    if answer.status != 200 or not hmac.compare_digest(_said(answer.body).encode(), own):
        text = f"{base} answers ({answer.status}), but not as this portal: look where its name and its proxy lead."
        return Line(about, BAD, "leads elsewhere", text, clock.now())
    text = f"{base} leads to this very portal."
    if is_private(urlsplit(base).hostname or ""):
        return Line(about, WAIT, "inside only", f"{text} Nobody reaches it from outside.", clock.now())
    return Line(about, GOOD, "leads here", text, clock.now())


def provider(services: Services, sender: Sender) -> Line:
    """Does the provider take the sender's credentials?"""
    about, row = "Provider now", sender.id
    try:
        account = services.accounts.get(sender.id, fresh=True).account
        found = registry.get(sender.channel).probe(http(), account)
    except (ChannelError, PortalError) as error:
        return Line(about, WAIT, "does not answer", error.message, clock.now(), "sender", row)
    if found.ok:
        return Line(about, GOOD, "answers", found.detail, clock.now(), "none", row)
    return Line(about, BAD, "refuses", found.detail, clock.now(), "sender", row)


def _said(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body).get("proof", ""))
    except (msgspec.DecodeError, AttributeError):
        return ""
