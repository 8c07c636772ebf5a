"""What a WhatsApp Cloud sender is set up with, where Meta's Graph API lives, and what one call takes."""

import re
from collections.abc import Mapping

from portal.channels.base import Account, CredentialField
from portal.channels.content import Kind, Limits
from portal.channels.setup import Guide

GRAPH, VERSION = "https://graph.facebook.com", "v26.0"

# Meta's pages on text, media, interactive, contacts and reply messages.
LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
LARGEST_DOCUMENT = 100_000_000
LONGEST_BODY, LONGEST_LIST_BODY = 1024, 4096
LONGEST_HEADER = LONGEST_FOOTER = 60
LONGEST_FLOW_TOKEN = 200
MOST_BUTTONS, LONGEST_BUTTON, LONGEST_BUTTON_ID = 3, 20, 256
MOST_ROWS, LONGEST_ROW, LONGEST_ROW_TEXT, LONGEST_ROW_ID, LONGEST_SECTION = 10, 24, 72, 200, 24
MOST_CONTACTS = 257
LONGEST_KEY = 512

ABOVE = ("image", "video", "document")

LIMITS = Limits(
    text=LONGEST_TEXT, caption=LONGEST_CAPTION, file_bytes=LARGEST_DOCUMENT, button=LONGEST_BUTTON, above=ABOVE
)
KINDS = frozenset(
    (
        Kind.LOCATION,
        Kind.CONTACT,
        Kind.BUTTONS,
        Kind.LIST,
        Kind.FLOW,
        Kind.LOCATION_REQUEST,
        Kind.TEMPLATE,
        Kind.REACTION,
    )
)

_DIGITS = r"[0-9]{5,25}"
_VERSIONED = re.compile(r"/v[0-9]+\.[0-9]+$")

FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "phone_number_id",
        "Phone number ID",
        help="The ID beside the number under WhatsApp → API setup in Meta's app: digits, not the number itself.",
        pattern=_DIGITS,
    ),
    CredentialField(
        "access_token",
        "Access token",
        secret=True,
        help="Of a system user, without end, with whatsapp_business_messaging and whatsapp_business_management.",
        pattern=r"[!-~]{8,2000}",
    ),
    CredentialField(
        "waba_id",
        "WhatsApp Business account ID",
        required=False,
        help="Of the account that the number belongs to: digits. Left out, Meta is asked for it.",
        pattern=_DIGITS,
    ),
    CredentialField(
        "app_secret",
        "App secret",
        secret=True,
        required=False,
        help="Only for a sender with a Meta app of its own: from the app's basic settings, 16 characters or more.",
        pattern=r"[!-~]{16,200}",
    ),
    CredentialField(
        "verify_token",
        "Verify token",
        secret=True,
        required=False,
        help="Needed beside the app secret: any word of 8 to 200 letters and digits, which Meta shows us.",
        pattern=r"[0-9A-Za-z._~-]{8,200}",
    ),
    CredentialField(
        "mark_read",
        "Blue ticks",
        required=False,
        help="When the customer sees that their message was read: once somebody has replied, at once, or never.",
        choices=("replied", "received", "never"),
    ),
    CredentialField(
        "typing",
        "Typing",
        required=False,
        help="With blue ticks at once: also show the customer for 25 seconds that somebody is typing.",
        choices=("no", "yes"),
    ),
)

GUIDE = Guide(
    summary="WhatsApp's official API by Meta: templates, verified names, no phone to link.",
    steps=(
        "Open your app at developers.facebook.com, then WhatsApp, API setup: the phone number ID stands there.",
        "In the Business settings, make a system user with an admin's rights, and give it the app and the account.",
        "Make it a token without end, with whatsapp_business_messaging and whatsapp_business_management.",
    ),
    after=(
        "In Meta's app, under WhatsApp, Configuration: enter this address as callback URL with the verify token, and "
        "subscribe to the field messages. With the portal's own app that is done already."
    ),
    shown=("waba_id", "mark_read"),
)


def number_id(credentials: Mapping[str, str]) -> str:
    """What Meta calls the number by."""
    return credentials.get("phone_number_id", "")


def account_id(credentials: Mapping[str, str]) -> str:
    """The WhatsApp Business account (WABA) above the number, "" while it is not known."""
    return credentials.get("waba_id", "")


def token(credentials: Mapping[str, str]) -> str:
    """What every call shows."""
    return credentials.get("access_token", "")


def shows_typing(credentials: Mapping[str, str]) -> bool:
    """Is typing to be shown with the blue ticks? After an answer nobody types any more."""
    return credentials.get("typing") == "yes" and credentials.get("mark_read") == "received"


def own_app(credentials: Mapping[str, str]) -> tuple[str, str]:
    """App secret and verify token of a sender with an app of its own."""
    return credentials.get("app_secret", ""), credentials.get("verify_token", "")


def base(account: Account) -> str:
    """Where the Graph API is, with its version: an address that names none gets the one that was tried here."""
    url = (account.api_url or GRAPH).rstrip("/")
    return url if _VERSIONED.search(url) else f"{url}/{VERSION}"
