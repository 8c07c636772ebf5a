"""Cutting a message into parts: one provider call each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.channels.base import Channel, Family
from portal.channels.capabilities import limits_of
from portal.channels.content import Content, Kind
from portal.messaging import segments

_KINDS = {
    "image": ("jpg", "jpeg", "png", "gif", "heic"),
    "sticker": ("webp",),
    "video": ("mp4", "mpeg", "mov", "3gp", "webm"),
    "audio": ("mp3", "wav", "ogg", "opus", "m4a", "amr", "aac"),
}
_WITH_TEXT = frozenset({Kind.BUTTONS, Kind.LIST, Kind.FLOW, Kind.LOCATION_REQUEST, Kind.REACTION})


@dataclass(frozen=True, slots=True)
class Piece:
    """One part to be: its text, its attachments, what kind it is priced as and how many SMS segments it takes.

    `details` has the shape that `channels.content.Kind` gives for the kind.
    """

    body: str
    attachments: tuple[str, ...]
    kind: str
    segments: int
    details: Mapping[str, Any] = field(default_factory=dict)


def cut(
    channel: Channel, family: str, body: str, attachments: Sequence[str], content: Content | None = None
) -> list[Piece]:
    """SMS channels carry attachments as links in the text; the others send text and each attachment by itself.

    A text that the channel takes as a caption goes with the first attachment: one call less. Buttons, lists and forms
    stand below their text, a reaction is its text, and that of a template is what the template says, not to be sent
    besides; every other content is a call of its own, after the text. `family` is the sender's own: a channel may have
    senders of several.
    """
    if content is not None:
        own = content.kind in _WITH_TEXT
        alone = own or content.kind is Kind.TEMPLATE or not body
        before = [] if alone else [Piece(body, (), "text", segment_count(family, body))]
        return [*before, Piece(body if own else "", (), content.kind.value, 1, content.details)]
    if not channel.separate_attachments:
        text = with_links(body, attachments)
        return [Piece(body, tuple(attachments), "text", segment_count(family, text))]
    if body and attachments and _captioned(channel, body, attachments[0]):
        first = Piece(body, (attachments[0],), kind_of(attachments[0]), 1)
        return [first, *(Piece("", (address,), kind_of(address), 1) for address in attachments[1:])]
    pieces = [Piece(body, (), "text", segment_count(family, body))] if body else []
    return pieces + [Piece("", (address,), kind_of(address), 1) for address in attachments]


def _captioned(channel: Channel, body: str, address: str) -> bool:
    """WhatsApp shows no text beside a voice message or a sticker."""
    return len(body) <= limits_of(channel).caption and kind_of(address) not in ("audio", "sticker")


def with_links(body: str, attachments: Sequence[str]) -> str:
    """The text as an SMS carries it: the attachments' addresses below it, one a line."""
    return "\n".join([*([body] if body else []), *attachments])


def segment_count(family: str, text: str) -> int:
    """How many SMS segments the text takes; 1 in other families."""
    return max(segments.count(text), 1) if family == Family.SMS else 1


def kind_of(address: str) -> str:
    """image, sticker, video, audio or document, by the address's ending."""
    ending = address.split("?", 1)[0].rsplit(".", 1)[-1].lower()
    return next((kind for kind, endings in _KINDS.items() if ending in endings), "document")
