"""Files of messages: which of Meta's types one goes as, and giving Meta a copy of what it cannot fetch itself.

What a type does not take goes as a document, which takes everything, so that nothing is lost (Meta, "Supported media").
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.channels import files as names
from portal.channels.base import Account, ChannelError, Outgoing, Scope
from portal.channels.content import File
from portal.channels.uploads import ANY_TYPE, multipart_file
from portal.channels.values import identifier
from portal.channels.whatsapp_cloud import fields
from portal.channels.whatsapp_cloud.unfit import at_most, unfit
from portal.channels.whatsapp_cloud.wire import ask, segment
from portal.http import HttpClient

MB = 1_000_000
# Types and bytes. A sticker that moves may have 500 kB, one that does not 100; only the smaller is safe unlooked at.
TYPES: Mapping[str, tuple[frozenset[str], int]] = {
    "image": (frozenset(("image/jpeg", "image/png")), 5 * MB),
    "video": (frozenset(("video/mp4", "video/3gpp")), 16 * MB),
    "audio": (frozenset(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg")), 16 * MB),
    "sticker": (frozenset(("image/webp",)), 100_000),
}
DOCUMENT = "document"
# For one try: 100 MB at a megabyte a second, with some to spare.
UPLOAD_SECONDS = 120.0
WITHOUT_CAPTION = frozenset(("audio", "sticker"))
_MIME = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+_-]{1,80}")


def typed(part: Outgoing) -> tuple[str, dict[str, Any]]:
    """The type and its object, with the file by its address. Raises `ChannelError` for what cannot be sent."""
    if len(part.files) > 1:
        raise unfit("WhatsApp Cloud sends one file at a time.", "files")
    file = part.files[0]
    if not file.url:
        raise unfit(file.fault or "The file has no address: attach it anew.", "file")
    if file.size is not None and file.size > fields.LARGEST_DOCUMENT:
        raise unfit("WhatsApp takes files of at most 100 MB: send a smaller one, or a link.", "too_large")
    at_most(part.text, fields.LONGEST_CAPTION, "A file's caption")
    kind = type_of(file, bool(part.text))
    inner = named(file)
    if part.text:
        inner["caption"] = part.text
    if kind == DOCUMENT:
        inner["filename"] = names.outgoing_name(file)
    return kind, inner


def type_of(file: File, captioned: bool) -> str:
    """image, video, audio, sticker, or document for all that those do not take. `captioned`: a text goes with it."""
    mime = _mime(file)
    for kind, (types, largest) in TYPES.items():
        if mime in types and (file.size or 0) <= largest and not (captioned and kind in WITHOUT_CAPTION):
            return kind
    return DOCUMENT


def named(file: File) -> dict[str, Any]:
    """How Meta is told of a file: the id of the copy that it has, or where to fetch it."""
    return {"id": file.handed} if file.handed else {"link": names.fetchable(file.url)}


def hand_over(http: HttpClient, account: Account, file: File, content: Path) -> str:
    """Meta's id of the file, good for 30 days. Raises `ChannelError`; nothing is sent by it."""
    mime, path = _mime(file) or ANY_TYPE, f"{segment(fields.number_id(account.credentials))}/media"
    try:
        with multipart_file({"messaging_product": "whatsapp", "type": mime}, content, _quotable(file), mime) as form:
            said = ask(http, account, path, form=form, deadline=UPLOAD_SECONDS)
    except OSError as error:
        raise ChannelError(f"The file cannot be read here ({error.strerror}).", code="file", retry=True) from None
    media_id = identifier(said.get("id"))
    if not media_id:
        text = "Meta's answer names no file: it is handed over anew."
        raise ChannelError(text, code="no_media_id", scope=Scope.SENDER, retry=True)
    return media_id


def _mime(file: File) -> str:
    """The bare type, "" for what is none."""
    bare = file.mime.split(";", 1)[0].strip().lower()
    return bare if _MIME.fullmatch(bare) else ""


def _quotable(file: File) -> str:
    """A name that may stand between quotation marks in a form."""
    return names.outgoing_name(file).replace('"', "_")
