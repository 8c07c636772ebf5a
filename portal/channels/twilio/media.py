"""Files that came in: behind addresses of Twilio's API, which may want the account's name and token."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from portal.channels import files as names
from portal.channels.base import Account
from portal.channels.content import File, Kind
from portal.channels.twilio.wire import authorization
from portal.channels.values import number, text

# To any other server the token is not shown.
TWILIO = "twilio.com"
MOST_FILES = 50
NO_FILE = "Twilio gave no address for the file."
_KINDS = {"image": Kind.IMAGE, "video": Kind.VIDEO, "audio": Kind.AUDIO}


def files(said: Mapping[str, str]) -> tuple[File, ...]:
    """The files of a message, `MediaUrl0` and so on."""
    count = int(number(said.get("NumMedia")) or 0)
    return tuple(_file(said, place) for place in range(min(max(count, 0), MOST_FILES)))


def kind(found: tuple[File, ...]) -> Kind:
    """What a message with these files is: what its first file is."""
    if not found:
        return Kind.TEXT
    return _KINDS.get(found[0].mime.partition("/")[0], Kind.DOCUMENT)


def media_request(account: Account, url: str) -> tuple[str, Mapping[str, str]]:
    """The address itself, and the account's name and token when it is Twilio's."""
    parts, own = urlsplit(url), urlsplit(account.api_url)
    host = parts.hostname or ""
    known = parts.scheme == "https" and (host == TWILIO or host.endswith(f".{TWILIO}"))
    known = known or (bool(host) and (parts.scheme, host) == (own.scheme, own.hostname))
    return url, authorization(account.credentials) if known else {}


def _file(said: Mapping[str, str], place: int) -> File:
    url, mime = text(said.get(f"MediaUrl{place}")), text(said.get(f"MediaContentType{place}"))[:120]
    url = url if url.startswith(("https://", "http://")) and len(url) <= 4000 else ""
    name = names.incoming_name("", "", mime, _KINDS.get(mime.partition("/")[0], Kind.DOCUMENT).value)
    return File(url, name, mime, None, "" if url else NO_FILE)
