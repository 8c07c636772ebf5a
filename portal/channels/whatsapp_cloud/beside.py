"""What may stand beside any kind of message: that it was forwarded, the advertisement or the product it comes from."""

from collections.abc import Mapping
from typing import Any

from portal.channels.values import block, text

Data = Mapping[str, Any]

LONGEST_ADDRESS = 2000
_ADVERTISEMENT = {
    "url": "source_url",
    "type": "source_type",
    "id": "source_id",
    "headline": "headline",
    "body": "body",
    "click": "ctwa_clid",
}
# Addresses of Meta's servers, which end after some weeks: they are shown, and not relied on.
_MEDIA = {"image": "image_url", "video": "video_url", "thumbnail": "thumbnail_url"}


def around(message: Data) -> dict[str, Any]:
    """`forwarded`, `referral` and `product`, each only where there is something to say."""
    context = block(message.get("context"))
    forwarded = context.get("forwarded") is True or context.get("frequently_forwarded") is True
    found = {
        "forwarded": forwarded,
        "referral": _referral(block(message.get("referral"))),
        "product": _product(block(context.get("referred_product"))),
    }
    return {name: value for name, value in found.items() if value}


def _referral(said: Data) -> dict[str, str]:
    """Meta, "Text messages webhook reference": `media_type` says which of the addresses there are."""
    if not said:
        return {}
    told = {name: text(said.get(there)) for name, there in _ADVERTISEMENT.items()}
    greeting = text(block(said.get("welcome_message")).get("text"))
    shown = {name: _link(said.get(there)) for name, there in _MEDIA.items()}
    more = {"media": text(said.get("media_type")), "greeting": greeting, **shown}
    return told | {name: value for name, value in more.items() if value}


def _product(said: Data) -> dict[str, str]:
    """Somebody asked on a product's own page in the catalogue."""
    found = {"catalog": text(said.get("catalog_id")), "sku": text(said.get("product_retailer_id"))}
    return found if any(found.values()) else {}


def _link(value: object) -> str:
    found = text(value).strip()
    return found if found.startswith(("https://", "http://")) and len(found) <= LONGEST_ADDRESS else ""
