"""A channel without a provider: every message goes nowhere and is reported as a real one would be.

What happens is read off the recipient's last four digits, and off the clock:

====  ============================================================================================
0001  accepted, sent after 1 s, failed after 2 s
0002  refused at once, for good
0003  the first attempt is asked to come back in 2 s, the next is accepted (the attempt is the number
      after the idempotency key's last colon; without one, every call is a first attempt)
0004  the outcome is unknown: no id, no receipt
else  accepted, sent after 1 s, delivered after 2 s
====  ============================================================================================

The external id is `sim-<milliseconds since 1970>-<last four digits>-<nonce>`: it is all that `status` needs.
"""

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from portal.channels.base import (
    Accepted,
    Account,
    ChannelError,
    ChannelEvent,
    CredentialField,
    Family,
    Outcome,
    Outgoing,
    Probe,
    Receipt,
    Scope,
    WebhookRequest,
)
from portal.channels.setup import Guide
from portal.channels.simulator import webhook
from portal.clock import now
from portal.http import HttpClient

UNDELIVERED, REFUSED, THROTTLED, UNKNOWN = "0001", "0002", "0003", "0004"
SENT_AFTER, ENDS_AFTER = timedelta(seconds=1), timedelta(seconds=2)

_ID = re.compile(r"sim-([0-9]{13})-([0-9A-Za-z]{0,4})-[0-9a-f]{16}")


class Simulator:
    """Not idempotent, on purpose: an unknown outcome here waits for a person, as it does with most providers."""

    kind = "simulator"
    name = "Simulator"
    family = Family.SMS
    fields: tuple[CredentialField, ...] = ()
    guide = Guide(summary="Sends nothing: what becomes of a message depends on the number's last four digits.")
    idempotent = False
    polls = True
    separate_attachments = True
    confirms_delivery = True
    calls_back = True

    def send(self, http: HttpClient, account: Account, part: Outgoing) -> Accepted:
        """Sends nothing; answers by the recipient's last four digits."""
        tail = part.to[-4:]
        if tail == REFUSED:
            raise ChannelError("The simulator refuses numbers that end in 0002.", code="refused")
        if tail == THROTTLED and _attempt(part.idempotency_key) <= 1:
            raise ChannelError(
                "The simulator asks numbers that end in 0003 to come back in 2 seconds.",
                code="throttled",
                scope=Scope.SENDER,
                retry=True,
                retry_after=2.0,
            )
        if tail == UNKNOWN:
            raise ChannelError("The simulator does not tell what became of it.", code="unknown", unknown=True)
        milliseconds = int(now().timestamp() * 1000)
        return Accepted(f"sim-{milliseconds}-{re.sub(r'[^0-9A-Za-z]', '', tail)}-{secrets.token_hex(8)}", code="ok")

    def status(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """What has become of the message by now."""
        match = _ID.fullmatch(external_id)
        if match is None:
            raise ChannelError("The simulator did not give this id.", code="not_found")
        accepted_at = datetime.fromtimestamp(int(match[1]) / 1000, UTC)
        age = now() - accepted_at
        if age < SENT_AFTER:
            return None
        if age < ENDS_AFTER:
            return Receipt(external_id, Outcome.SENT, code="sent", at=accepted_at + SENT_AFTER)
        at = accepted_at + ENDS_AFTER
        if match[2] == UNDELIVERED:
            detail = "The simulator delivers nothing to numbers that end in 0001."
            return Receipt(external_id, Outcome.FAILED, code="undelivered", detail=detail, at=at)
        return Receipt(external_id, Outcome.DELIVERED, code="delivered", at=at)

    def probe(self, http: HttpClient, account: Account) -> Probe:
        """Always good."""
        return Probe(True, "The simulator is ready: it sends nothing and reports as if it had.")

    def verify(self, account: Account, request: WebhookRequest) -> bool:
        """True: the unguessable key in the address is all there is."""
        return True

    def lane(self, request: WebhookRequest) -> str:
        """The customer's address, as the request names it."""
        return webhook.lane(request)

    def parse(self, request: WebhookRequest) -> Sequence[ChannelEvent]:
        """Inbound messages (`receive`) or receipts (`status`)."""
        return webhook.parse(request)

    def answer(self, request: WebhookRequest) -> tuple[str, str]:
        """A plain OK."""
        return "OK", "text/plain"


def _attempt(idempotency_key: str) -> int:
    attempt = idempotency_key.rpartition(":")[2] if ":" in idempotency_key else ""
    return int(attempt) if attempt.isdecimal() else 1
