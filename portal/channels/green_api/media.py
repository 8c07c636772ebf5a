"""Messages with a file: images, videos, audio, documents, stickers."""

from collections.abc import Mapping
from typing import Any

from portal.channels.content import File, Kind
from portal.channels.files import incoming_name
from portal.channels.green_api.codes import NO_FILE
from portal.channels.green_api.content import Read
from portal.channels.green_api.markers import marker
from portal.channels.values import block, number, text

MEDIA: Mapping[str, Kind] = {
    "imageMessage": Kind.IMAGE,
    "videoMessage": Kind.VIDEO,
    "audioMessage": Kind.AUDIO,
    "documentMessage": Kind.DOCUMENT,
    "stickerMessage": Kind.STICKER,
}
LONGEST_ADDRESS = 4000
LONGEST_MIME = 120


def media(data: Mapping[str, Any]) -> Read:
    """The file, with the caption as the text. A file that cannot be had says why."""
    kind, own = MEDIA[text(data.get("typeMessage"))], block(data.get("fileMessageData"))
    code, fault, url = _address(text(own.get("downloadUrl")))
    mime = text(own.get("mimeType"))[:LONGEST_MIME]
    name = incoming_name(text(own.get("fileName")), url, mime, kind.value)
    size = number(own.get("fileSize"))
    file = File(url, name, mime, int(size) if size and size > 0 else None, fault)
    animated = {"animated": True} if own.get("isAnimated") is True else {}
    return Read(kind, text(own.get("caption")), (file,), animated, code=code)


def _address(said: str) -> tuple[str, str, str]:
    """Marker, sentence and address: what there is no address for has a sentence."""
    code, sentence = marker(said)
    if code:
        return code, sentence, ""
    if not said.startswith(("https://", "http://")) or len(said) > LONGEST_ADDRESS:
        return "", NO_FILE, ""
    return "", "", said
