"""`/conversations/<id>`: one conversation beside the list, what is written there, and what people mark on it."""

import logging
from collections.abc import Callable
from typing import Any

from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import clock, htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.messaging import conversation_marks
from portal.models import Conversation, Location
from portal.models.base import new_uuid
from portal.web.context import services
from portal.web.pages import bubbles, conversation_filters, exports, reply_form, routes
from portal.web.pages.conversations import beside
from portal.web.pages.queries import talk
from portal.web.pages.queries.keyset import Key
from portal.web.pages.queries.talk import Stretch
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such conversation, or it is not yours to see."


@routes.get("/conversations/<int:conversation_id>", Permission.VIEW)
def conversation(conversation_id: int) -> ResponseReturnValue:
    """The conversation. htmx takes it alone; as a page it stands beside the list that it was chosen from."""
    return page(conversation_id)


@routes.get("/conversations/<int:conversation_id>/log", Permission.VIEW)
def conversation_log(conversation_id: int) -> ResponseReturnValue:
    """What the page asks for again and again: all from the message that it begins with."""
    first, via = Key.read(request.args.get("first", "")), _via()
    with services().database.read() as session:
        found, place = mine(session, conversation_id)
        read = talk.since if first is not None else None
        stretch = read(session, found.id, via, first) if read and first else talk.newest(session, found.id, via)
    return htmx.render_live("pages/conversations.html", "log", **_log(found, place, stretch, via) | {"polled": True})


@routes.get("/conversations/<int:conversation_id>/older", Permission.VIEW)
def conversation_older(conversation_id: int) -> ResponseReturnValue:
    """What came before, to stand above what is there."""
    if not htmx.wants_fragment():
        return page(conversation_id)
    before, via = Key.read(request.args.get("talk", "")), _via()
    with services().database.read() as session:
        found, place = mine(session, conversation_id)
        stretch = talk.newest(session, found.id, via, before)
    return htmx.render("pages/conversation_older.html", "older", **_log(found, place, stretch, via))


@routes.get("/conversations/<int:conversation_id>/export.json", Permission.VIEW)
def conversation_file(conversation_id: int) -> ResponseReturnValue:
    """The whole conversation as a file that comes piece by piece."""
    with services().database.read() as session:
        found, place = mine(session, conversation_id)
        pieces = exports.conversation_json(services().database, session, found, place)
        head = next(pieces)
    log.info("conversation exported", extra={"user": viewer().id, "conversation": found.id})
    name = f"conversation-{found.id}-{clock.now():%Y-%m-%d}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    body = (piece.encode() for each in ((head,), pieces) for piece in each)
    return Response(body, content_type="application/json", headers=headers)


@routes.post("/conversations/<int:conversation_id>/read", Permission.REPLY)
def mark_read(conversation_id: int) -> ResponseReturnValue:
    """What the page has shown was read."""
    seen = Key.read(request.form.get("seen", "")) or Key(0)
    return _mark(conversation_id, lambda session: conversation_marks.mark_read(session, conversation_id, seen.position))


@routes.post("/conversations/<int:conversation_id>/unread", Permission.REPLY)
def mark_unread(conversation_id: int) -> ResponseReturnValue:
    """Somebody should look at it again."""
    return _mark(conversation_id, lambda session: conversation_marks.mark_unread(session, conversation_id))


@routes.post("/conversations/<int:conversation_id>/notes", Permission.REPLY)
def add_note(conversation_id: int) -> ResponseReturnValue:
    """Writes a note for those who look at the conversation here."""
    body, key = request.form.get("note", ""), request.form.get("key", "") or new_uuid()

    def add(session: Session) -> None:
        _, place = mine(session, conversation_id)
        conversation_marks.add_note(session, conversation_id, viewer().name, viewer().id, body, key)
        audit.note(session, viewer(), "wrote a note in", place, after={"conversation": conversation_id})

    return _mark(conversation_id, add)


@routes.post("/conversations/<int:conversation_id>/notes/<int:note_id>/remove", Permission.REPLY)
def remove_note(conversation_id: int, note_id: int) -> ResponseReturnValue:
    """Takes a note away: one's own, or anybody's for those who manage the account."""
    who = None if viewer().may(Permission.MANAGE) else viewer().id

    def remove(session: Session) -> None:
        _, place = mine(session, conversation_id)
        conversation_marks.remove_note(session, conversation_id, note_id, who)
        audit.note(session, viewer(), "removed a note in", place, before={"conversation": conversation_id})

    return _mark(conversation_id, remove)


def page(conversation_id: int, form: dict[str, Any] | None = None, status: int = 200) -> Response:
    """The conversation with what was typed, and what is wrong with that."""
    mine_, via = viewer().scope, _via()
    with services().database.read() as session:
        found, place = mine(session, conversation_id)
        before = Key.read(request.args.get("talk", ""))
        stretch = talk.newest(session, found.id, via, before)
        context: dict[str, Any] = _log(found, place, stretch, via)
        context |= {
            "live": before is None,
            "senders": talk.senders(session, found.id),
            "addresses": talk.addresses(session, found.contact_id),
            "open": found.id,
            **reply_form.context(session, found, place, via, form or {}),
        }
        if htmx.wants_fragment() and status == 200:
            wanted = conversation_filters.read(session, mine_, request.args)
            context |= {"chosen": conversation_filters.chosen(wanted), "wanted": wanted}
            return htmx.render("pages/conversations.html", "talk", status, **context)
        context |= beside(session, mine_)
    return htmx.render("pages/conversations.html", "content", status, **context)


def mine(session: Session, conversation_id: int) -> tuple[Conversation, Location]:
    """The conversation with its sub-account. Raises `NotFound` for another's."""
    found = talk.one(session, viewer().scope, conversation_id)
    if found is None:
        raise NotFound(NOT_YOURS)
    return found


def back(conversation_id: int) -> ResponseReturnValue:
    """To the conversation, with the filters of the list beside it."""
    kept: dict[str, Any] = {name: request.args.get(name) for name in (*conversation_filters.NAMES, "via")}
    return redirect(url_for(".conversation", conversation_id=conversation_id, **kept), 303)


def _mark(conversation_id: int, work: Callable[[Session], None]) -> ResponseReturnValue:
    def marked(session: Session) -> None:
        mine(session, conversation_id)
        work(session)

    try:
        services().database.patiently(marked)
    except InvalidInput as error:
        return page(conversation_id, {"note_fault": error.message, "note": request.form.get("note", "")}, 422)
    return back(conversation_id)


def _log(found: Conversation, place: Location, stretch: Stretch, via: int | None) -> dict[str, Any]:
    items = bubbles.read(services().settings.secret_key, stretch, place.timezone)
    return {
        "talk": found,
        "place": place,
        "items": items,
        "stretch": stretch,
        "via": via,
        "live": True,
        "polled": False,
        "seen": _seen(stretch),
        "newest": items[-1] if items else None,
    }


def _via() -> int | None:
    """The sender whose messages alone are shown; None for all."""
    raw = request.args.get("via", "")
    if not raw:
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        raise NotFound(NOT_YOURS)
    return int(raw)


def _seen(stretch: Stretch) -> str:
    """The newest message of a page, as its form sends it back."""
    last = stretch.messages[-1] if stretch.messages else None
    return str(Key(last.position, last.id)) if last is not None else ""


def told(text: str) -> None:
    """Says it on the next page."""
    flash(text, "ok")
