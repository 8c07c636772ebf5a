"""`/admin/events`, the black box: every webhook as it came in, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts.permissions import Permission
from portal.channels import registry
from portal.errors import NotFound
from portal.journal.entry import SEALED
from portal.logs import redact
from portal.messaging.app_webhooks import may_be_replayed
from portal.models import Event, EventState
from portal.web.admin import routes
from portal.web.admin.queries import events
from portal.web.context import services
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

SHOWN = 20_000
# Webhooks that one press of a button replays.
MOST_REPLAYED = 1000


@dataclass(frozen=True, slots=True)
class Body:
    """A body as text, without what looks like a secret; `more` is how many bytes are not shown."""

    text: str
    length: int
    more: int


@routes.get("/events", Permission.VIEW)
def event_list() -> ResponseReturnValue:
    """A page of webhooks; its address holds the filter."""
    state = request.args.get("state", "")
    if state not in ("", *EventState):
        raise NotFound("There is no such list of webhooks.")
    wanted = events.Wanted(state, cursor(request.args.get("before", "")), source_of(request.args))
    with services().database.read() as session:
        found = events.page(session, viewer().scope, wanted)
    more: dict[str, Any] = {"states": list(EventState), "sources": sources(), "most": MOST_REPLAYED}
    return htmx.render("admin/events.html", "results", page=found, wanted=wanted, **more)


@routes.get("/events/<int:event_id>", Permission.VIEW)
def event(event_id: int) -> ResponseReturnValue:
    """One webhook: verdict, headers, body."""
    with services().database.read() as session:
        row = events.one(session, viewer().scope, event_id)
        brought = events.made(session, viewer().scope, row) if row is not None else ()
    if row is None:
        raise NotFound("There is no such webhook, or it is not yours to see.")
    return htmx.render(
        "admin/event.html",
        "content",
        event=row,
        brought=brought,
        body=readable(row.body) if row.body is not None else None,
        query=redact(row.query)[:SHOWN],
        headers={name: redact(value) for name, value in row.headers.items() if name != SEALED},
        verdict=verdict(row),
        replayable=row.state == EventState.PARKED or may_be_replayed(row),
    )


def sources() -> list[str]:
    """Who sends webhooks: HighLevel, and every channel."""
    return ["ghl", *sorted(channel.kind for channel in registry.all())]


def source_of(args: Mapping[str, str]) -> str:
    """The source that an address or a form asks for. Raises `NotFound` for one that there is not."""
    source = args.get("source", "")
    if source and source not in sources():
        raise NotFound("There is no such list of webhooks.")
    return source


def readable(raw: bytes) -> Body:
    """The beginning of a body as text, whatever the bytes."""
    text = raw[:SHOWN].decode("utf-8", "backslashreplace")
    return Body(redact(text), len(raw), max(len(raw) - SHOWN, 0))


def verdict(event: Event) -> str:
    """Did it prove who sent it?"""
    if event.verified:
        return "It proved who sent it."
    if event.state == EventState.PENDING:
        return "It came while the database was away: whether it is genuine is found out when it is applied."
    return "It did not prove who sent it."
