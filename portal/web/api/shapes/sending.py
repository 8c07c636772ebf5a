"""What may be sent: texts, files, templates, and everything that can be tapped."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from portal.messaging import composing
from portal.web.api.shapes import LocationId, Moment, RowId

LONGEST_TTL = 7 * 86400
Text = Annotated[str, Meta(max_length=composing.LONGEST)]
Url = Annotated[str, Meta(min_length=1, max_length=2000, description="An address: https://…")]
Short = Annotated[str, Meta(max_length=200)]
Media = Annotated[list[Url], Meta(max_length=composing.MOST_ATTACHMENTS)]
Ttl = Annotated[int, Meta(ge=60, le=LONGEST_TTL, description="Seconds; what has not gone out by then expires.")]
Number = Annotated[str, Meta(max_length=200, description="A number, as people write it: it is normalised.")]


class Above(Struct, forbid_unknown_fields=True):
    """A picture, video or document above a text."""

    kind: Annotated[str, Meta(pattern="^(image|video|document)$")]
    url: Url


class Button(Struct, forbid_unknown_fields=True):
    """A button: `reply` to answer with, or `url` with the address in `value`."""

    text: Short
    id: Short = ""
    type: Annotated[str, Meta(pattern="^(reply|url|call|copy)$")] = "reply"
    value: Annotated[str, Meta(max_length=2000)] = ""


class Buttons(Struct, forbid_unknown_fields=True, tag_field="kind", tag="buttons"):
    """Buttons below the text."""

    buttons: Annotated[list[Button], Meta(min_length=1, max_length=3)]
    header: Short = ""
    footer: Short = ""
    media: Above | None = None


class Row(Struct, forbid_unknown_fields=True):
    """One row of a list."""

    text: Short
    id: Short = ""
    description: Short = ""


class Section(Struct, forbid_unknown_fields=True):
    """Rows under a title."""

    rows: Annotated[list[Row], Meta(min_length=1, max_length=10)]
    title: Short = ""


class ListMenu(Struct, forbid_unknown_fields=True, tag_field="kind", tag="list"):
    """A list that opens by the word in `title`."""

    title: Short
    sections: Annotated[list[Section], Meta(min_length=1, max_length=10)]
    footer: Short = ""


class Poll(Struct, forbid_unknown_fields=True, tag_field="kind", tag="poll"):
    """A question with answers to choose from."""

    question: Annotated[str, Meta(max_length=255)]
    options: Annotated[list[Short], Meta(min_length=2, max_length=12)]
    multiple: bool = False


class Place(Struct, forbid_unknown_fields=True, tag_field="kind", tag="location"):
    """A place on the map, in degrees."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    name: Short = ""
    address: Short = ""


class Person(Struct, forbid_unknown_fields=True):
    """Somebody's name and numbers."""

    name: Short
    phones: Annotated[list[Short], Meta(min_length=1, max_length=10)]
    organisation: Short = ""


class Card(Struct, forbid_unknown_fields=True, tag_field="kind", tag="contact"):
    """Contacts to be saved."""

    contacts: Annotated[list[Person], Meta(min_length=1, max_length=10)]


class Flow(Struct, forbid_unknown_fields=True, tag_field="kind", tag="flow"):
    """A form (a Flow of Meta's), opened by the word in `button`."""

    flow: Short
    button: Short
    named: bool = False
    screen: Short = ""
    data: dict[str, Any] = {}
    header: Short = ""
    footer: Short = ""
    media: Above | None = None


class AskLocation(Struct, forbid_unknown_fields=True, tag_field="kind", tag="location_request"):
    """A button below the text that sends where the customer is."""


class Reaction(Struct, forbid_unknown_fields=True, tag_field="kind", tag="reaction"):
    """A reaction to the message in `reply_to`: the emoji is the `text`, an empty one takes it back."""


Interactive = Buttons | ListMenu | Poll | Place | Card | Flow | AskLocation | Reaction


class Template(Struct, forbid_unknown_fields=True):
    """A template that the sender's provider has approved. Variables are named as the sender's templates name them."""

    name: Annotated[str, Meta(min_length=1, max_length=512)]
    language: Annotated[str, Meta(max_length=32)] = ""
    variables: dict[str, Annotated[str, Meta(max_length=2000)]] = {}
    header_url: Annotated[str, Meta(max_length=2000)] = ""


class Sending(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is sent, to whomever: a text with or without files, a template, or something interactive.

    Without `sender` the location's routing chooses. `callback_url` is told of each message's statuses.
    """

    location: LocationId = ""
    text: Text = ""
    media: Media = []
    template: Template | None = None
    interactive: Interactive | None = None
    sender: RowId | None = None
    send_at: Moment | None = None
    ttl: Ttl | None = None
    callback_url: Annotated[str, Meta(max_length=2000)] = ""
    plain_letters: bool = False


class SendMessage(Sending, kw_only=True):
    """A message to one recipient: to a number, to a contact, or to the conversation of the message in `reply_to`."""

    to: Number = ""
    contact: RowId | None = None
    reply_to: Annotated[str, Meta(max_length=36)] = ""


class SendBulk(Sending, kw_only=True):
    """The same message to many numbers. Each is judged by itself; a number that stands twice is written to once."""

    to: Annotated[list[Number], Meta(min_length=1, max_length=composing.MOST_RECIPIENTS)]
