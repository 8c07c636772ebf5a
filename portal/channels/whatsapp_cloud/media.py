"""Files that came in: a webhook names them by an id, good for seven days; the file is behind an address of minutes."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from portal.channels import files as names
from portal.channels.base import Account, ChannelError
from portal.channels.content import File, Kind
from portal.channels.values import identifier, number, text
from portal.channels.whatsapp_cloud.fields import base, number_id
from portal.channels.whatsapp_cloud.wire import ask, bearer
from portal.http import HttpClient

KINDS: Mapping[str, Kind] = {
    "image": Kind.IMAGE,
    "video": Kind.VIDEO,
    "audio": Kind.AUDIO,
    "document": Kind.DOCUMENT,
    "sticker": Kind.STICKER,
}
SCHEME = "media"
# Where Meta keeps files. To any other server the token is not shown.
META = ("facebook.com", "fbsbx.com", "fbcdn.net", "whatsapp.net", "whatsapp.com")
# The code of an id that is none any more, or is not for this number.
NOT_THERE = "100"
LONGEST_ADDRESS = 4000
LONGEST_MIME = 120
NO_FILE = "Meta gave neither an id nor an address for the file."


def file(kind: Kind, own: Mapping[str, Any]) -> File:
    """`media:<id>?url=<the webhook's own address>`: the id is asked about, the address is for when it has no answer."""
    media_id, url = identifier(own.get("id")), text(own.get("url"))
    url = url if url.startswith(("https://", "http://")) and len(url) <= LONGEST_ADDRESS else ""
    mime = text(own.get("mime_type"))[:LONGEST_MIME]
    name = names.incoming_name(text(own.get("filename")), "", mime, "voice" if own.get("voice") is True else kind.value)
    size = number(own.get("file_size"))
    told = int(size) if size and size > 0 else None
    if not media_id and not url:
        return File("", name, mime, told, NO_FILE)
    known = urlencode({"url": url}) if url else ""
    return File(f"{SCHEME}:{quote(media_id, safe='')}" + (f"?{known}" if known else ""), name, mime, told)


def media_request(http: HttpClient, account: Account, url: str) -> tuple[str, Mapping[str, str]]:
    """Where the file is for the next minutes, and the token for its download. Raises `ChannelError`.

    An id that Meta does not know any more is tried by the address that came with the webhook.
    """
    parts = urlsplit(url)
    if parts.scheme != SCHEME:
        return url, _shown_to(account, url)
    known = parse_qs(parts.query).get("url", [""])[0]
    try:
        found = _address(http, account, parts.path) if parts.path else ""
    except ChannelError as error:
        if error.code != NOT_THERE:
            raise
        found = ""
    found = found or known
    if not found:
        raise ChannelError("Meta has no address for this file any more.", code="no_media")
    return found, _shown_to(account, found)


def _address(http: HttpClient, account: Account, media_id: str) -> str:
    """`phone_number_id` has Meta answer only when the file was sent to that number."""
    said = ask(http, account, media_id, params={"phone_number_id": number_id(account.credentials)})
    return text(said.get("url"))


def _shown_to(account: Account, url: str) -> Mapping[str, str]:
    """The token, for Meta's servers and whatever stands in for them."""
    try:
        there, api = urlsplit(url), urlsplit(base(account))
        host = (there.hostname or "").lower()
    except ValueError:
        return {}
    own = (there.scheme, there.netloc) == (api.scheme, api.netloc)
    metas = there.scheme == "https" and any(host == name or host.endswith(f".{name}") for name in META)
    return bearer(account) if own or metas else {}
