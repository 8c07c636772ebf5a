"""Cutting a message into parts: one provider call each."""

from collections.abc import Sequence
from dataclasses import dataclass

from portal.channels.base import Channel, Family
from portal.messaging import segments

_KINDS = {
    "image": ("jpg", "jpeg", "png", "gif", "webp", "heic"),
    "video": ("mp4", "mpeg", "mov", "3gp", "webm"),
    "audio": ("mp3", "wav", "ogg", "opus", "m4a", "amr", "aac"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """One part to be: its text, its attachments, what kind it is priced as and how many SMS segments it takes."""

    body: str
    attachments: tuple[str, ...]
    kind: str
    segments: int


def cut(channel: Channel, family: str, body: str, attachments: Sequence[str]) -> list[Piece]:
    """SMS channels carry attachments as links in the text; the others send text and each attachment by itself.

    `family` is the sender's own: a channel may have senders of several.
    """
    if not channel.separate_attachments:
        text = with_links(body, attachments)
        return [Piece(body, tuple(attachments), "text", segment_count(family, text))]
    pieces = [Piece(body, (), "text", segment_count(family, body))] if body else []
    return pieces + [Piece("", (address,), kind_of(address), 1) for address in attachments]


def with_links(body: str, attachments: Sequence[str]) -> str:
    """The text as an SMS carries it: the attachments' addresses below it, one a line."""
    return "\n".join([*([body] if body else []), *attachments])


def segment_count(family: str, text: str) -> int:
    """How many SMS segments the text takes; 1 in other families."""
    return max(segments.count(text), 1) if family == Family.SMS else 1


def kind_of(address: str) -> str:
    """image, video, audio or document, by the address's ending."""
    ending = address.split("?", 1)[0].rsplit(".", 1)[-1].lower()
    return next((kind for kind, endings in _KINDS.items() if ending in endings), "document")
