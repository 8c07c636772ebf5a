"""What a message is made of, whoever sent it: its kind, its files, what it refers to, and the shape of each kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class AddressKind(StrEnum):
    """What an address is. PHONE: E.164. SENDER_ID: a name or a short code, which cannot be answered.

    LID: WhatsApp's own id of a person whose number it does not tell, its digits. GROUP: a WhatsApp group's chat id.
    BSUID: Meta's id of a person towards one business portfolio (`PH.1…`); it changes when their number does.
    """

    PHONE = "phone"
    SENDER_ID = "sender_id"
    LID = "lid"
    GROUP = "group"
    BSUID = "bsuid"


class Kind(StrEnum):
    """What a message is. The kinds that need more than a text have it in `details`, in these shapes:

    LOCATION: `latitude`, `longitude` (degrees), `name`, `address`, `url`
    CONTACT: `contacts`, a list of `{name, phones, organisation}`
    POLL: `question`, `options` (texts), `multiple`; VOTE: `question`, `options`, a list of `{text, voters}`
    BUTTONS: `header`, `footer`, `buttons`, a list of `{id, text, type, value}` (type: reply, url, call, copy)
    LIST: `title` (what opens it), `footer`, `sections`, a list of `{title, rows}`, a row `{id, text, description}`;
        one that is sent may have `button` besides, which opens it then, below `title`
    TAP (on a button or a list's row): `id`, `text`, `description`
    TEMPLATE: as BUTTONS; one that is sent has `name`, `language`, `category` and `components`, as Meta takes them
    INVITE (to a group): `name`, `code`; CALL: `state` (CallState), `video`
    LINK (a text with a preview): `title`, `description`, `url`
    ORDER: `catalog`, `items`, a list of `{sku, quantity, price, currency}`
    FORM (a Flow that was filled in): `name`, `answers`, a mapping of field to value
    SYSTEM: `type` (`number_changed`: `number` is the new one, E.164; `id_changed`; both may have `bsuid`, the new one);
        the text is the provider's own sentence

    Of any kind: `forwarded`, True; `referral`, the advertisement it answers, `{url, type, id, headline, body, click}`;
        `opt_out`: STOP, START or HELP, as which the provider has recognised it.

    REACTION: the text is the emoji, "" when it was taken back. EDIT: the text is the new one. UNREADABLE: the provider
    could not read it, `code` says why. UNSUPPORTED: a kind nobody has described yet, its name in `details["type"]`.
    """

    TEXT = "text"
    LINK = "link"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACT = "contact"
    POLL = "poll"
    VOTE = "vote"
    BUTTONS = "buttons"
    LIST = "list"
    TAP = "tap"
    TEMPLATE = "template"
    INVITE = "invite"
    REACTION = "reaction"
    EDIT = "edit"
    DELETION = "deletion"
    CALL = "call"
    ORDER = "order"
    FORM = "form"
    SYSTEM = "system"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"


class CallState(StrEnum):
    """How far a call has come. RINGING is its beginning, everything else its end."""

    RINGING = "ringing"
    ANSWERED = "answered"
    MISSED = "missed"
    DECLINED = "declined"


class Relation(StrEnum):
    """What a message has to do with an earlier one. ANSWER: a tap on its button, or a vote in its poll."""

    REPLY = "reply"
    REACTION = "reaction"
    EDIT = "edit"
    DELETION = "deletion"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class About:
    """The earlier message that one refers to. `text` is what the provider says it was, "" when it does not say."""

    relation: Relation
    external_id: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a message. `url` is where it is now, "" when it cannot be had; `fault` then says why, in a sentence.

    `name` has an ending where one is known, `mime` is what was claimed (no proof), `size` is in bytes.
    """

    url: str
    name: str = ""
    mime: str = ""
    size: int | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One SMS of a long text that its provider hands on cut: the `number`th of `total`, all with one `reference`."""

    reference: str
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class Peer:
    """An address with its kind and the name that goes with it, "" where none is known."""

    kind: AddressKind
    value: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What an outgoing part is when it is more than a text or a file: `details` has the shape that `Kind` gives."""

    kind: Kind
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call takes: characters of a text and of a file's caption, and bytes of a file. 0: no limit is known."""

    text: int = 0
    caption: int = 0
    file_bytes: int = 0
    files: Sequence[str] = ()  # MIME types or `image/*`; empty: all
