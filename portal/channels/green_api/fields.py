"""What a GREEN-API sender is set up with, where its API lives, and what one call takes."""

from collections.abc import Mapping

from portal.channels.base import Account, CredentialField
from portal.channels.content import Kind, Limits
from portal.channels.setup import Guide

# GREEN-API's pages on SendMessage, SendFileByUrl and SendPoll; the caption's length is WhatsApp's own.
LONGEST_TEXT = 20_000
LONGEST_CAPTION = 1024
LARGEST_FILE = 100_000_000
LONGEST_QUESTION = 255
LONGEST_OPTION = 100
FEWEST_OPTIONS, MOST_OPTIONS = 2, 12
MOST_BUTTONS = 3
LONGEST_BUTTON = 25
# No number on earth has more (E.164: 15), and a JSON number of any length is none to GREEN-API.
LONGEST_NUMBER = 20

LIMITS = Limits(text=LONGEST_TEXT, caption=LONGEST_CAPTION, file_bytes=LARGEST_FILE)
KINDS = frozenset((Kind.LOCATION, Kind.CONTACT, Kind.POLL, Kind.BUTTONS))

FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "id_instance",
        "Instance id",
        help="idInstance in the GREEN-API console: digits only.",
        pattern=r"[0-9]{4,19}",
    ),
    CredentialField(
        "api_token",
        "API token",
        secret=True,
        help="apiTokenInstance in the GREEN-API console: letters and digits.",
        pattern=r"[0-9A-Za-z_-]{8,128}",
    ),
    CredentialField(
        "media_url",
        "Media address",
        required=False,
        help="mediaUrl in the console, with https://; left out, it is made from the instance id.",
        pattern=r"https?://[!-~]{1,300}",
    ),
)

GUIDE = Guide(
    summary="Your own WhatsApp number, linked by scanning a code with the phone.",
    steps=(
        "Sign in at console.green-api.com and make an instance, or open one.",
        "Copy idInstance and apiTokenInstance from the top of the instance's page.",
    ),
    after="Nothing is to be entered at GREEN-API: the webhook is set by itself. The phone is linked in the next step.",
    address="apiUrl in the console, with https://; left out, it is made from the instance id.",
)


def instance(credentials: Mapping[str, str]) -> str:
    """The instance's id."""
    return credentials.get("id_instance", "")


def token(credentials: Mapping[str, str]) -> str:
    """The instance's token, which stands in the path of every call."""
    return credentials.get("api_token", "")


def api_host(account: Account) -> str:
    """Where the instance's API is: the console shows the host, which begins with the id's first four digits."""
    return (account.api_url or f"https://{instance(account.credentials)[:4]}.api.greenapi.com").rstrip("/")


def media_host(account: Account) -> str:
    """Where files are uploaded to. One API address of the operator's own serves both."""
    given = account.credentials.get("media_url", "") or account.api_url
    return (given or f"https://{instance(account.credentials)[:4]}.media.greenapi.com").rstrip("/")
