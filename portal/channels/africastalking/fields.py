"""What an Africa's Talking sender is set up with, and what its settings mean."""

from collections.abc import Mapping

from portal.channels.base import CredentialField
from portal.channels.setup import Guide

# An alert is raised below so many units of the account's currency, unless the sender says otherwise.
LOW_BALANCE = 100
# The user of everybody's test account, which has a server of its own and reaches the simulator alone.
SANDBOX = "sandbox"
PUBLIC_URL = "https://api.africastalking.com"
SANDBOX_URL = "https://api.sandbox.africastalking.com"

FIELDS: tuple[CredentialField, ...] = (
    CredentialField("username", "Username", help="The app's username; sandbox for the test account."),
    CredentialField("api_key", "API key", secret=True, help="Of that app, under Settings > API Key."),
    CredentialField(
        "from",
        "From",
        required=False,
        help="A short code, a number, or a name of at most 11 characters; AFRICASTKNG when left out.",
        pattern=r"\+?[0-9]{3,15}|(?=.*[A-Za-z])[A-Za-z0-9 .&+_-]{1,11}",
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
    summary="SMS in Kenya, Nigeria, Uganda, Tanzania, Rwanda and more, with a short code or a name.",
    steps=("Sign in at account.africastalking.com, open the app, then Settings, API Key.",),
    after=(
        "At Africa's Talking, under SMS, SMS Callback URLs: this address for Incoming Messages and for Bulk SMS Opt "
        "Out, the same ending in /status for Delivery Reports."
    ),
    shown=("from",),
)


def is_sandbox(credentials: Mapping[str, str]) -> bool:
    """Is it the test account?"""
    return credentials.get("username", "").lower() == SANDBOX


def public_url(credentials: Mapping[str, str]) -> str:
    """Where the API is for this account."""
    return SANDBOX_URL if is_sandbox(credentials) else PUBLIC_URL


def account_name(credentials: Mapping[str, str]) -> str:
    """What tells accounts apart: the username, and the key besides where everybody has the same name."""
    name = credentials.get("username", "")
    return f"{name}\n{credentials.get('api_key', '')}" if is_sandbox(credentials) else name
