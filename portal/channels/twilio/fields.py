"""What a Twilio sender is set up with, and what its settings mean."""

from collections.abc import Mapping

from portal.channels.base import CredentialField
from portal.channels.setup import Guide

# An alert is raised below so many units of the account's currency, unless the sender says otherwise.
LOW_BALANCE = 10
NO, YES = "no", "yes"

FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "account_sid", "Account SID", help="AC and 32 letters and digits, in the console.", pattern=r"AC[0-9a-fA-F]{32}"
    ),
    CredentialField(
        "auth_token", "Auth token", secret=True, help="Beside the Account SID; Twilio signs its webhooks with it too."
    ),
    CredentialField(
        "from",
        "From",
        required=False,
        help="A number of the account (+1…), a short code, or a name of at most 11 letters and digits.",
        pattern=r"\+[1-9][0-9]{6,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}",
    ),
    CredentialField(
        "messaging_service_sid",
        "Messaging Service SID",
        required=False,
        help="MG and 32 letters and digits, instead of From: the service then chooses the number.",
        pattern=r"MG[0-9a-fA-F]{32}",
    ),
    CredentialField(
        "mms",
        "Files as MMS",
        required=False,
        help="yes for numbers that can send MMS (USA, Canada, Australia); files go as links otherwise.",
        choices=(NO, YES),
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
    summary="SMS, and MMS in North America, from a number, a name or a Messaging Service.",
    steps=(
        "Sign in to the Twilio console: Account SID and auth token stand on its first page.",
        "Under Phone Numbers, choose the number to send from; or a Messaging Service.",
    ),
    after=(
        "At Twilio, under Phone Numbers, the number, Messaging, A message comes in: enter this address as webhook, by "
        "HTTP POST. With a Messaging Service: under Integration, Send a webhook."
    ),
    shown=("from", "messaging_service_sid", "mms"),
)


def origin(credentials: Mapping[str, str]) -> Mapping[str, str]:
    """The fields that say who sends; empty when the sender names nobody. A service stands before a number."""
    if service := credentials.get("messaging_service_sid"):
        return {"MessagingServiceSid": service}
    return {"From": credentials["from"]} if credentials.get("from") else {}


def sends_mms(credentials: Mapping[str, str]) -> bool:
    """Do files go as MMS?"""
    return credentials.get("mms") == YES
