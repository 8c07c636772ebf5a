"""What else the API gives and takes: conversations, contacts, senders, opt-outs, credits, events, numbers, texts."""

from typing import Annotated

from msgspec import Meta, Struct

from portal.messaging.opt_out_decisions import LONGEST_REASON
from portal.web.api.shapes import LocationId, Moment, Wanted

Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, description="Kept as evidence.")]


class ThisKey(Struct):
    """The key of this request. `callback_secret` signs what is posted to the `callback_url` of its requests."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    test: bool
    agency: str | None
    all_locations: bool
    per_minute: int
    created_at: Moment
    expires_at: Moment | None
    callback_secret: str | None


class Location(Struct):
    """A sub-account. Only one that is `installed` sends."""

    id: LocationId
    name: str
    country: str
    timezone: str
    state: str


class Conversation(Struct):
    """The one conversation with a contact, with its last message. `held_reason`: why what is written there waits."""

    id: int
    location: LocationId
    contact: int
    contact_name: str
    ghl_conversation_id: str | None
    sender: int | None
    address: str
    last_text: str
    last_direction: str
    last_message_at: Moment | None
    last_inbound_at: Moment | None
    unread: int
    held_reason: str


class Address(Struct):
    """One way to reach a contact: `phone` (E.164), `lid`, `bsuid`, `group` or `sender_id`."""

    kind: str
    value: str


class Contact(Struct):
    """A person or a group. `merged_into` is the contact that it proved to be."""

    id: int
    location: LocationId
    ghl_contact_id: str | None
    name: str
    tags: list[str]
    addresses: list[Address]
    conversation: int | None
    merged_into: int | None
    created_at: Moment


class ContactsWanted(Wanted):
    """Which contacts: all, or the one with this address, as +639171234567."""

    address: Annotated[str, Meta(max_length=160)] = ""


class Sender(Struct):
    """A configured line. `can_send`: nothing is known that keeps it from sending; else `why_not` says what does."""

    id: int
    location: LocationId
    name: str
    channel: str
    family: str
    address: str
    state: str
    line: str
    is_default: bool
    can_send: bool
    why_not: str
    kinds: list[str]


class SenderTemplate(Struct):
    """A template of a sender. `variables` are the names under which they are filled in."""

    name: str
    language: str
    category: str
    status: str
    can_be_sent: bool
    why_not: str
    body: str
    variables: list[str]


class OptOut(Struct):
    """Somebody who must not be written to by a family of channels. `lifted_at` is null as long as it stands."""

    id: int
    location: LocationId
    family: str
    address: str
    contact: int | None
    origin: str
    source: str
    by: str
    detail: str
    created_at: Moment
    lifted_at: Moment | None
    lifted_by: str


class OptOutsWanted(Wanted):
    """Which opt-outs: of one address, standing or lifted."""

    address: Annotated[str, Meta(max_length=160)] = ""
    state: Annotated[str, Meta(pattern="^(standing|lifted)?$")] = ""


class NewOptOut(Struct, forbid_unknown_fields=True):
    """An opt-out to be added, for a number as people write it."""

    address: Annotated[str, Meta(min_length=1, max_length=160)]
    reason: Reason
    family: Annotated[str, Meta(pattern="^(sms|whatsapp|viber)$")] = "sms"
    location: LocationId = ""


class Lift(Struct, forbid_unknown_fields=True):
    """Why an opt-out is lifted."""

    reason: Reason


class Lifted(Struct):
    """How many opt-outs were lifted: all that stood for the person in this family."""

    lifted: int


class LocationWanted(Struct, forbid_unknown_fields=True):
    """Of which location."""

    location: LocationId = ""


class Credits(Struct):
    """A location's credits. `unlimited`: it may go below zero."""

    location: LocationId
    unlimited: bool
    available: int
    held: int
    spent: int


class Entry(Struct):
    """One entry of the ledger: what it moved in each of the three, in whole credits."""

    id: int
    kind: str
    message: str | None
    available: int
    held: int
    spent: int
    note: str
    at: Moment


class Charge(Struct):
    """A charge to the location's wallet in HighLevel for one entry of the ledger.

    `amount` is what was taken, in US dollars, once that is known; `waits_for` why it is not made yet.
    """

    id: int
    message: str
    state: str
    units: int
    amount: float | None
    charge_id: str
    at: Moment
    charged_at: Moment | None
    refunded_at: Moment | None
    waits_for: str


class Event(Struct):
    """A webhook that came in, or a draft, and what became of it."""

    id: int
    uuid: str
    source: str
    action: str
    state: str
    note: str
    received_at: Moment
    applied_at: Moment | None


class EventsWanted(Wanted):
    """Which events: of one state (pending, applied, ignored, parked)."""

    state: Annotated[str, Meta(pattern="^(pending|applied|ignored|parked)?$")] = ""


class Numbers(Struct, forbid_unknown_fields=True):
    """Numbers as people write them. Without + one is read as of the first of `countries` that it fits."""

    numbers: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(min_length=1, max_length=10_000)]
    countries: Annotated[list[Annotated[str, Meta(pattern="^[A-Za-z]{2}$")]], Meta(max_length=50)] = []
    mobile_only: bool = True


class Normalised(Struct):
    """A number in E.164, its country and kind, or why it is none. `duplicate`: it stood in the list before."""

    text: str
    number: str
    country: str
    kind: str
    code: str
    reason: str
    duplicate: bool


class NormalisedAll(Struct):
    """Each text with what became of it, in their order."""

    results: list[Normalised]


class Text(Struct, forbid_unknown_fields=True):
    """A text as it would be sent."""

    text: Annotated[str, Meta(max_length=10_000)]


class Segments(Struct):
    """How a text becomes SMS parts: `units` are septets in gsm7, UTF-16 units in ucs2; `left` fit into the last one."""

    encoding: str
    units: int
    segments: int
    left: int
    parts: list[str]
