"""What a Clickatell sender is set up with."""

from portal.channels.base import CredentialField
from portal.channels.setup import Guide

# An alert is raised below so many units of the account's currency, unless the sender says otherwise.
LOW_BALANCE = 10

FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "api_key", "API key", secret=True, help="That of the integration, on its page in the Clickatell portal."
    ),
    CredentialField(
        "from",
        "From",
        required=False,
        help="The two-way number of the integration, digits alone; empty where the integration is one-way.",
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
    summary="SMS in most countries, by an integration of Clickatell's One API.",
    steps=("In the Clickatell portal, make or open an integration with the One API, and copy its API key.",),
    after=(
        "At Clickatell, in the integration: this address as Reply callback, and the same ending in /status as Message "
        "status callback."
    ),
    shown=("from",),
)
