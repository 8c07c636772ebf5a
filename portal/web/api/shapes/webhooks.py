"""Webhooks out, as the API gives and takes them."""

from typing import Annotated

from msgspec import Meta, Struct

from portal.callbacks.outbox import EVENTS
from portal.web.api.shapes import LocationId, Moment, Wanted

Url = Annotated[str, Meta(min_length=1, max_length=2000, description="https://…, where the internet reaches it.")]
Events = Annotated[
    list[Annotated[str, Meta(max_length=40)]],
    Meta(max_length=len(EVENTS), description="None stands for all of: " + ", ".join(EVENTS)),
]


class WebhooksWanted(Wanted):
    """Which webhooks. Without a location: all that this key made or could have made."""


class NewWebhook(Struct, forbid_unknown_fields=True):
    """An address that is to be told. `all_locations`: of everything in the agency; else of one location."""

    url: Url
    events: Events = []
    location: LocationId = ""
    all_locations: bool = False


class Webhook(Struct):
    """An address that is told. Only its scheme and host are shown."""

    id: str
    host: str
    events: list[str]
    location: LocationId | None
    test: bool
    paused_at: Moment | None
    pause_reason: str
    created_by: str
    created_at: Moment


class Secret(Struct):
    """What the posts of a webhook are signed with."""

    secret: str


class Pause(Struct, forbid_unknown_fields=True):
    """Whether a webhook is told for now. What happens while it is paused is not told later."""

    paused: bool


class DeliveriesWanted(Struct, forbid_unknown_fields=True):
    """Which deliveries: of one state."""

    state: Annotated[str, Meta(pattern="^(waiting|delivered|given_up)?$")] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(max_length=64)] = ""


class Delivery(Struct, kw_only=True):
    """One thing that a webhook was told, or is to be. `next_at` is the next try, null when there is none."""

    id: str
    webhook: str
    type: str
    message: str | None
    state: str
    attempts: int
    last_code: int | None
    note: str
    next_at: Moment | None
    created_at: Moment
    ended_at: Moment | None


class Attempt(Struct):
    """One try: the HTTP status, null when there was no answer, and how the answer begins or what went wrong."""

    number: int
    at: Moment
    milliseconds: int
    code: int | None
    detail: str


class DeliveryInFull(Delivery, kw_only=True):
    """A delivery with what is posted and every try."""

    body: str
    tries: list[Attempt]
