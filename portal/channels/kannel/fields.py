"""What a sender at a Kannel or a Jasmin is set up with, and what its settings mean."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from portal.channels.base import Account, CredentialField
from portal.channels.setup import Guide

KANNEL, JASMIN = "kannel", "jasmin"
WITH_PLUS, DIGITS = "plus", "digits"
# What a gateway takes before it cuts a text off without a word (Jasmin: long_content_max_parts).
MOST_PARTS = {KANNEL: 10, JASMIN: 5}
PATHS = {KANNEL: "/cgi-bin/sendsms", JASMIN: "/send"}
BALANCE = "/balance"
LOW_BALANCE = 10

FIELDS: tuple[CredentialField, ...] = (
    CredentialField("username", "User name", help="Of the sendsms-user in kannel.conf, or of the user in Jasmin."),
    CredentialField("password", "Password", secret=True, help="Of that user."),
    CredentialField(
        "from",
        "From",
        help="The number, short code or name that customers see: at most 20 characters.",
        pattern=r"[^\x00-\x1f\x7f]{1,20}",
    ),
    CredentialField(
        "dialect",
        "Gateway",
        required=False,
        help="kannel for Kannel and what speaks like it, jasmin for Jasmin's HTTP interface.",
        choices=(KANNEL, JASMIN),
    ),
    CredentialField(
        "numbers",
        "Numbers",
        required=False,
        help="plus: +639171234567; digits: 639171234567, for carriers that take no plus.",
        choices=(WITH_PLUS, DIGITS),
    ),
    CredentialField(
        "max_parts",
        "Most parts",
        required=False,
        help="Longer texts are refused here, because the gateway cuts them: 10, or 5 for Jasmin, when left out.",
        pattern=r"[1-9][0-9]?",
    ),
    CredentialField(
        "smsc",
        "Carrier link",
        required=False,
        help="Kannel: the smsc-id that it has to go through. Jasmin: tags for its routes. Letters, digits, , . _ -.",
        pattern=r"[\w.,-]{1,100}",
    ),
    CredentialField(
        "validity",
        "Valid for (minutes)",
        required=False,
        help="How long the carrier tries, in whole minutes; the carrier decides when it is left out.",
        pattern=r"[1-9][0-9]{0,4}",
    ),
    CredentialField(
        "low_balance",
        "Alert below so much money",
        required=False,
        help=f"Jasmin alone: a whole number, {LOW_BALANCE} when left out, 0 for no alert.",
        pattern=r"[0-9]{1,9}",
    ),
)

GUIDE = Guide(
    summary="A gateway of your own, Kannel or Jasmin, with its own connection to a carrier.",
    steps=("Kannel: a sendsms-user in kannel.conf. Jasmin: a user for its HTTP interface.",),
    after=(
        "Kannel: an sms-service with this address as get-url. Jasmin: an HTTP client connector with it as url, and a "
        "route for what comes in."
    ),
    shown=("dialect",),
    address="Where the gateway listens, like http://gateway.example.com:13013.",
    needs_address=True,
)


def dialect(credentials: Mapping[str, str]) -> str:
    """`KANNEL` or `JASMIN`."""
    return JASMIN if credentials.get("dialect") == JASMIN else KANNEL


def address(account: Account, path: str) -> str:
    """Where the gateway takes this path, also when the API address was entered with the path that sends."""
    base = account.api_url.rstrip("/")
    own = PATHS[dialect(account.credentials)]
    return (base.removesuffix(own) if urlsplit(base).path.endswith(own) else base) + path


def most_parts(credentials: Mapping[str, str]) -> int:
    """How many parts the gateway takes."""
    found = credentials.get("max_parts", "")
    return int(found) if found.isascii() and found.isdigit() else MOST_PARTS[dialect(credentials)]


def number(credentials: Mapping[str, str], to: str) -> str:
    """The recipient as the gateway wants it."""
    return to.removeprefix("+") if credentials.get("numbers") == DIGITS else to
