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
    CONTACT: `contacts`, a list of `{name, phones, organisation}`; where they are told, also `role` (in it), `birthday`,
        and the lists `emails`, `urls`, `addresses` (each on one line)
    POLL: `question`, `options` (texts), `multiple`; VOTE: `question`, `options`, a list of `{text, voters}`
    BUTTONS: `header`, `footer`, `buttons`, a list of `{id, text, type, value}` (type: reply, url, call, copy); those
        that are sent may have `media` in the header's place, `{kind, url}` (kind: image, video, document)
    LIST: `title` (what opens it), `footer`, `sections`, a list of `{title, rows}`, a row `{id, text, description}`;
        one that is sent may have `button` besides, which opens it then, below `title`
    TAP (on a button or a list's row): `id`, `text`, `description`
    TEMPLATE: as BUTTONS; one that is sent has `name`, `language`, `category` and `components`, as Meta takes them
    INVITE (to a group): `name`, `code`; CALL: `state` (CallState), `video`
    LINK (a text with a preview): `title`, `description`, `url`
    ORDER: `catalog`, `items`, a list of `{sku, quantity, price, currency}`
    FORM (a Flow that was filled in): `name`, `answers`, a mapping of field to value
    FLOW (a form to fill in, below the text): `flow` (its id or name), `named` (True for a name), `button` (what opens
        it), `screen` (the first; "" where the Flow's own endpoint chooses), `data` (for that screen), `token`, `draft`,
        `header`, `footer` and `media` as BUTTONS
    LOCATION_REQUEST (a button below the text that sends where the customer is): nothing
    SYSTEM: `type` (`number_changed`: `number` is the new one, E.164; `id_changed`; both may have `bsuid`, the new one);
        the text is the provider's own sentence

    Of any kind: `forwarded`, True; `opt_out`: STOP, START or HELP, as which the provider has recognised it; `product`,
    what it asks about in a catalogue, `{catalog, sku}`; `referral`, the advertisement it answers,
    `{url, type, id, headline, body, click}`, where they are told also `media` (its kind), `image`, `video`, `thumbnail`
    (addresses) and `greeting`.

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
    FLOW = "flow"
    LOCATION_REQUEST = "location_request"
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

    `name` has an ending where one is known, `mime` is what was claimed (no proof), `size` is in bytes. `handed` is the
    provider's own id of a copy that it was given (`handing.TakesUploads`), "" where it is to fetch the file from `url`.
    """

    url: str
    name: str = ""
    mime: str = ""
    size: int | None = None
    fault: str = ""
    handed: str = ""


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
    """What one call takes: characters of a text, of a file's caption and of a button, and bytes of a file.

    0: no limit is known. `above`: the kinds of files that may stand above buttons.
    """

    text: int = 0
    caption: int = 0
    file_bytes: int = 0
    files: Sequence[str] = ()  # MIME types or `image/*`; empty: all
    button: int = 0
    above: Sequence[str] = ()
