"""Names of files: phones and providers take a file's kind from its name's ending, so one without gets one."""

import mimetypes
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from portal.channels.content import File

LONGEST_NAME = 120
UNKNOWN_ENDING = ".bin"

# What `mimetypes` does not know, or knows under a name that no phone uses.
ENDINGS: Mapping[str, str] = {
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/heic": ".heic",
    "audio/ogg": ".ogg",
    "audio/opus": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/amr": ".amr",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "text/vcard": ".vcf",
    "application/pdf": ".pdf",
}
_ENDING = re.compile(r"\.[0-9A-Za-z]{1,8}$")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\/:*?\"<>|]+")


def outgoing_name(file: File) -> str:
    """The file's own name, else the last part of its address, with an ending."""
    own, there = clean(file.name), in_address(file.url)
    name = own or there or "file"
    if _ENDING.search(name):
        return name
    ending = of_mime(file.mime) or (_ENDING.search(there) or [""])[0]
    return f"{name}{ending or UNKNOWN_ENDING}"


def incoming_name(said: str, url: str, mime: str, kind: str) -> str:
    """The name that came with the file, else the one in its address, else the kind with the ending of its type."""
    own, there = clean(said), in_address(url)
    ending = of_mime(mime)
    if own:
        return own if _ENDING.search(own) else f"{own}{ending}"
    return there if _ENDING.search(there) else f"{kind}{ending}"


def of_mime(mime: str) -> str:
    """The ending that goes with a type (`audio/ogg; codecs=opus`), "" for one that is not known."""
    bare = mime.split(";", 1)[0].strip().lower()
    return ENDINGS.get(bare) or mimetypes.guess_extension(bare) or ""


def in_address(url: str) -> str:
    """The last part of an address's path, "" when there is none."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return clean(unquote(path.rsplit("/", 1)[-1]))


def clean(name: str) -> str:
    """A name without folders and signs that a phone's file system refuses, of a bearable length, its ending kept."""
    bare = _UNFIT.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip(" .")
    if len(bare) <= LONGEST_NAME:
        return bare
    ending = (_ENDING.search(bare) or [""])[0]
    return bare[: LONGEST_NAME - len(ending)] + ending


def fetchable(url: str) -> str:
    """The address as providers take it: without spaces and other signs that they refuse."""
    return quote(url.strip(), safe="%:/?#[]@!$&'()*+,;=~-._")
