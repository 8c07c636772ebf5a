"""What a Globe Labs sender is set up with, and how the Philippines write their numbers."""

from portal.channels.base import CredentialField
from portal.channels.callbacks import e164
from portal.channels.setup import Guide

COUNTRY = "+63"

FIELDS: tuple[CredentialField, ...] = (
    CredentialField("app_id", "App ID", help="Of the app, in the developer portal."),
    CredentialField("app_secret", "App secret", secret=True, help="Beside the App ID."),
    CredentialField("passphrase", "Passphrase", secret=True, help="Of the app: Globe gives it out on request."),
    CredentialField(
        "shortcode",
        "Short code",
        help="All its digits (2158…), or the last four, as Globe has told you.",
        pattern=r"[0-9]{4,12}",
    ),
)

GUIDE = Guide(
    summary="SMS in the Philippines over a Globe short code, both ways.",
    steps=(
        "Sign in at developer.globelabs.com.ph and open the app: App ID, App secret and short code stand there.",
        "Ask Globe for the app's passphrase, if you have none yet.",
    ),
    after="At Globe Labs, in the app's settings: this address as Notify URI and as Redirect URI.",
)


def number(address: str) -> str:
    """`tel:+639171234567`, `9171234567` and `09171234567` as E.164; anything else as it is, without `tel:`."""
    bare = address.strip().removeprefix("tel:")
    local = bare.removeprefix("0")
    if local.isascii() and local.isdigit() and len(local) == 10 and local[0] == "9":
        return COUNTRY + local
    return e164(bare)
