"""Files at the stand-in: uploads, what customers send, and addresses that live for some minutes and want the token."""

import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from portal.sandbox.green_api import pictures
from portal.sandbox.whatsapp_cloud.errors import GraphError
from portal.sandbox.whatsapp_cloud.numbers import Body, Media
from portal.sandbox.world import Ids

DAY = 24 * 3600.0
UPLOAD_DAYS, INBOUND_DAYS = 30, 7
MEGABYTE = 1024 * 1024
# Type: how many bytes it may have. By Meta's list of supported media.
TAKEN = {
    **dict.fromkeys(("image/jpeg", "image/png"), 5 * MEGABYTE),
    "image/webp": 500 * 1024,
    **dict.fromkeys(("video/mp4", "video/3gp", "video/3gpp"), 16 * MEGABYTE),
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg"), 16 * MEGABYTE),
    **dict.fromkeys(
        (
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        100 * MEGABYTE,
    ),
}
# What a customer sends: the type it claims, and the ending of a document's name.
CLAIMED = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/mpeg",
    "voice": "audio/ogg; codecs=opus",
    "document": "application/pdf",
    "sticker": "image/webp",
}
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)
WEBP = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
OGG = b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\x00\x08mdat"
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00" + bytes(400)


@dataclass
class Files:
    """Every file. An address lives `url_seconds` (five minutes in truth, as far as anybody knows)."""

    ids: Ids
    clock: Callable[[], float]
    url_seconds: float = 300.0
    keep: int = 2000
    known: OrderedDict[str, Media] = field(default_factory=OrderedDict)

    def upload(self, account_id: str, content: bytes, mime: str, name: str) -> Media:
        """Keeps an uploaded file. Raises `GraphError` for a type or a size that is not taken."""
        most = TAKEN.get(mime.split(";", 1)[0].strip().lower())
        if most is None:
            raise GraphError(
                100, message=f"(#100) Param file must be a file with one of the following types: {_types()}"
            )
        if not 0 < len(content) <= most:
            raise GraphError(131053, f"File size {len(content)} is not between 1 and {most} bytes")
        return self._keep(account_id, content, mime, name, UPLOAD_DAYS)

    def received(self, account_id: str, kind: str, name: str = "") -> Media:
        """A file that a customer sends."""
        word = self.ids.new("media")
        content = {"document": PDF, "sticker": WEBP, "voice": OGG, "video": MP4, "audio": MP3}.get(kind)
        mime = CLAIMED[kind] if content is not None else "image/png"
        return self._keep(account_id, content or pictures.picture(word), mime, name, INBOUND_DAYS)

    def get(self, media_id: str) -> Media | None:
        """The file with this id, as long as the id is known."""
        found = self.known.get(media_id)
        return found if found is not None and self.clock() < found.until else None

    def opened(self, media_id: str, given: str) -> Media | None:
        """The file behind an address, as long as the address lives."""
        found = self.get(media_id)
        good = found is not None and found.hash == given and self.clock() < found.url_until
        return found if good else None

    def address(self, base: str, one: Media) -> str:
        """A fresh address of the file; the one before it is dead."""
        one.url_until = self.clock() + self.url_seconds
        one.hash = hashlib.sha256(f"{one.id}/{one.url_until}".encode()).hexdigest()[:24]
        return f"{base}/whatsapp_business/attachments/?mid={one.id}&ext={int(one.url_until)}&hash={one.hash}"

    def described(self, base: str, one: Media) -> Body:
        """What `GET /{media id}` answers. The digest is in hexadecimal here, and in base64 in webhooks."""
        return {
            "messaging_product": "whatsapp",
            "url": self.address(base, one),
            "mime_type": one.mime,
            "sha256": hashlib.sha256(one.content).hexdigest(),
            "file_size": len(one.content),
            "id": one.id,
        }

    def in_webhook(self, base: str, one: Media) -> Body:
        """How a customer's message names its file."""
        digest = base64.b64encode(hashlib.sha256(one.content).digest()).decode()
        return {"id": one.id, "mime_type": one.mime, "sha256": digest, "url": self.address(base, one)}

    def _keep(self, account_id: str, content: bytes, mime: str, name: str, days: int) -> Media:
        number = int.from_bytes(hashlib.sha256(self.ids.new("media").encode()).digest()[:7])
        one = Media(str(10**15 + number % (9 * 10**15)), account_id, content, mime, self.clock() + days * DAY, name)
        self.known[one.id] = one
        while len(self.known) > self.keep:
            self.known.popitem(last=False)
        return one


def _types() -> str:
    return ", ".join(TAKEN)
