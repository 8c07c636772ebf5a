"""HighLevel, seen from here: does it answer, and does its clock agree with ours?"""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from portal import clock
from portal.doctor.findings import Finding, fault, ok, warn
from portal.errors import PortalError
from portal.services import Services

ANSWER_SECONDS = 8.0
# Certificates, tokens and time-to-live are judged by this machine's clock.
SKEW_WARN, SKEW_FAULT = 5.0, 120.0


def highlevel(services: Services) -> Iterator[Finding]:
    """Any answer will do: it proves name, route, TLS and a server behind them."""
    name, url = "HighLevel", services.settings.ghl_api_url
    private = services.settings.sandbox or services.settings.allow_private_hosts
    try:
        answer = services.http.request("GET", f"{url}/", private_hosts=private, deadline=ANSWER_SECONDS)
    except PortalError as error:
        remedy = "Check GHL_API_URL, this machine's name server, its way out and its certificates."
        yield fault(name, f"{url} does not answer: {error.message}", remedy)
        return
    yield ok(name, f"{url} answers ({answer.status})")
    try:
        there = parsedate_to_datetime(answer.headers.get("date", ""))
        skew = abs((clock.now() - there).total_seconds())
    except (ValueError, TypeError):
        return
    yield judged_skew("clock, HighLevel's", skew)


def judged_skew(name: str, seconds: float) -> Finding:
    """A finding about a difference between two clocks."""
    says, remedy = f"{seconds:.0f} s apart from this machine's", "Have both set by NTP."
    if seconds >= SKEW_FAULT:
        return fault(name, says, remedy)
    return warn(name, says, remedy) if seconds >= SKEW_WARN else ok(name, says)
