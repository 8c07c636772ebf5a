"""What a Vonage sender is set up with, and what its settings mean."""

from collections.abc import Mapping

from portal.channels.base import CredentialField
from portal.channels.setup import Guide

# An alert is raised below so many euros, unless the sender says otherwise.
LOW_BALANCE = 10
ANY, NONE = "any", "none"

FIELDS: tuple[CredentialField, ...] = (
    CredentialField("api_key", "API key", secret=True, help="On the first page of the Vonage dashboard."),
    CredentialField("api_secret", "API secret", secret=True, help="Beside the API key."),
    CredentialField(
        "signature_secret",
        "Signature secret",
        secret=True,
        required=False,
        help="In the dashboard's API settings; webhooks are signed with it once Vonage's support has switched that on.",
    ),
    CredentialField(
        "from",
        "From",
        help="A number of the account (digits alone), or a name of at most 11 letters and digits.",
        pattern=r"\+?[0-9]{3,15}|(?=.*[A-Za-z])[A-Za-z0-9 &+._-]{1,11}",
    ),
    CredentialField(
        "signature",
        "Signature of webhooks",
        required=False,
        help="The method that the dashboard shows; any takes each of them; none where Vonage does not sign.",
        choices=(ANY, "md5hash", "md5", "sha1", "sha256", "sha512", NONE),
    ),
    CredentialField(
        "low_balance",
        "Alert below so many euros",
        required=False,
        help=f"A whole number; {LOW_BALANCE} when left out, 0 for no alert.",
        pattern=r"[0-9]{1,9}",
    ),
)

GUIDE = Guide(
    summary="SMS in most countries, from a number or a name.",
    steps=(
        "Sign in to the Vonage dashboard: API key and API secret stand on its first page.",
        "Under API settings the SMS API must be chosen, not the Messages API; the signature secret stands there too.",
        "Where Vonage does not sign webhooks for you, choose none as their signature.",
    ),
    after="At Vonage, under Numbers, the number, Inbound webhook URL: enter this address.",
    shown=("signature_secret", "signature"),
)


def method(credentials: Mapping[str, str]) -> str:
    """How webhooks are signed: a name of `signature.METHODS`, `any` or `none`."""
    return credentials.get("signature") or ANY


def lacks_secret(credentials: Mapping[str, str]) -> bool:
    """Could no webhook prove itself with these settings?"""
    return method(credentials) != NONE and not credentials.get("signature_secret")
