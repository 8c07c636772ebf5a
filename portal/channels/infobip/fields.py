"""What an Infobip sender is set up with."""

from portal.channels.base import CredentialField
from portal.channels.setup import Guide

# An alert is raised below so many units of the account's currency, unless the sender says otherwise.
LOW_BALANCE = 10

FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "api_key",
        "API key",
        secret=True,
        help="In the portal under Developer Tools > API keys, with the scopes sms:manage, sms:logs:read, account:read.",
    ),
    CredentialField(
        "from",
        "From",
        help="A number of the account (digits alone), a short code, or a name of at most 11 letters and digits.",
        pattern=r"\+?[0-9]{3,15}|(?=.*[A-Za-z])[A-Za-z0-9 &+._-]{1,11}",
    ),
    CredentialField(
        "low_balance",
        "Alert below so much money",
        required=False,
        help=f"A whole number in the account's currency; {LOW_BALANCE} when left out, 0 for no alert.",
        pattern=r"[0-9]{1,9}",
    ),
)

GUIDE = Guide(
    summary="SMS in most countries, from a number, a short code or a name.",
    steps=(
        "Sign in to Infobip's portal: the account's own API address stands on its first page.",
        "Under Developer Tools, API keys, make a key with sms:manage, sms:logs:read and account:read.",
    ),
    after=(
        "At Infobip, under Channels and numbers, Numbers, the number, SMS, Forward to HTTP: this address, in the "
        "format MO_JSON_2."
    ),
    address="The account's own, like https://xxxxx.api.infobip.com, on the first page of Infobip's portal.",
)
