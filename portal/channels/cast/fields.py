"""What a Cast sender is set up with, and what its settings mean."""

from collections.abc import Mapping

from portal.channels.base import CredentialField
from portal.channels.setup import Guide

SMS, OTP, SIM, VIBER = PRODUCTS = ("sms", "otp", "sim", "viber")
PRODUCT_NAMES = {SMS: "SMS", OTP: "one-time passwords", SIM: "over SIM cards", VIBER: "Viber"}
E164, LOCAL = "e164", "local"
TEST_KEY = "cast_test_"
# An alert is raised below so many credits, unless the sender says otherwise.
LOW_BALANCE = 100
COUNTRY, TRUNK = "+63", "0"

FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "api_key", "API key", secret=True, help="Starts with cast_ (a key that starts with cast_test_ sends nothing)."
    ),
    CredentialField(
        "sender_id",
        "Sender id",
        required=False,
        help="The name people see, at most 20 characters, as approved by Cast; without one Cast takes the first.",
        pattern=r"[\x20-\x7e]{1,20}",
    ),
    CredentialField(
        "product",
        "Product",
        required=False,
        help="sms, or otp (one-time passwords), sim (SIM gateway), viber: Cast must have enabled it for the account.",
        choices=PRODUCTS,
    ),
    CredentialField(
        "number_format",
        "Number format",
        required=False,
        help="e164 (+63917…), or local (0917…) for an account that takes nothing else.",
        choices=(E164, LOCAL),
    ),
    CredentialField(
        "low_balance",
        "Alert below so many credits",
        required=False,
        help=f"A whole number; {LOW_BALANCE} when left out, 0 for no alert.",
        pattern=r"[0-9]{1,9}",
    ),
    CredentialField(
        "sender_code",
        "Viber sender code",
        required=False,
        help="The account's default sender when left out, at most 60 characters.",
        pattern=r"[\x20-\x7e]{1,60}",
    ),
    CredentialField(
        "label",
        "Viber label",
        required=False,
        help="What Viber shows instead of the sender's own label, at most 60 characters.",
        pattern=r".{1,60}",
    ),
    CredentialField(
        "ttl",
        "Viber time to live",
        required=False,
        help="Seconds, at least 60; a day when left out.",
        pattern=r"[6-9][0-9]|[1-9][0-9]{2,6}",
    ),
)

GUIDE = Guide(
    summary="SMS in the Philippines, with a sender name of your own; Viber and one-time passwords too.",
    steps=("Sign in to Cast and open API keys.", "Make a key, and copy it: it starts with cast_."),
    shown=("sender_id", "product"),
)


def product(credentials: Mapping[str, str]) -> str:
    """Which of Cast's products a sender uses."""
    return credentials.get("product") or SMS


def dialled(number: str, credentials: Mapping[str, str]) -> str:
    """The number as this sender's account takes it; a foreign one stays as it is. `number` is E.164."""
    if credentials.get("number_format") == LOCAL and number.startswith(COUNTRY) and product(credentials) != VIBER:
        return TRUNK + number.removeprefix(COUNTRY)
    return number
