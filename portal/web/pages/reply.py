"""Answers from the portal: the ordinary way of a message, kept on disk before the page says that it is on its way."""

import logging
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import htmx
from portal.accounts.permissions import Permission
from portal.channels.base import ChannelError
from portal.errors import InvalidInput, PortalError
from portal.media.folder import StoreError
from portal.messaging import composing, conversation_marks, replying, uploads
from portal.messaging.replying import Reply, Way
from portal.messaging.uploads import Given
from portal.models import Conversation, Location
from portal.web.context import services
from portal.web.pages import reply_form, routes
from portal.web.pages.conversation import back, mine, page, told
from portal.web.pages.queries import talk
from portal.web.pages.queries.keyset import Key
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

# What the form has besides its files.
FORM_BYTES = 1_000_000
SENT = "Your message is on its way."
NO_SENDER = "Choose the sender that it goes out through."
AGAIN = " Choose the files again: a browser does not keep them."


@routes.post("/conversations/<int:conversation_id>/reply", Permission.REPLY)
def reply(conversation_id: int) -> ResponseReturnValue:
    """Sends what was typed, once however often the form comes."""
    given: list[Any] = [each for each in request.files.getlist("files") if each.filename]
    with services().database.read() as session:
        found, place = mine(session, conversation_id)
        about = reply_form.of_form(session, viewer().scope, found, "about")
        answers = reply_form.of_form(session, viewer().scope, found, "answers")
        own = {str(each.id): each for each in talk.own_senders(session, place.id)}
        sender = own.get(request.form.get("sender", ""))
        target = answers or about
        way = replying.way(session, found, sender, target) if sender is not None else None
    said = reply_form.typed(found, about, answers)
    try:
        if way is None:
            raise InvalidInput(NO_SENDER)
        replying.check(way, said, len(given))
        _send(found, place, way, said, given)
    except (InvalidInput, ChannelError, StoreError) as error:
        return _refused(conversation_id, error, bool(given))
    seen = Key.read(request.form.get("seen", "")) or Key(0)
    services().database.patiently(lambda session: conversation_marks.mark_read(session, found.id, seen.position))
    log.info("reply sent", extra={"user": viewer().id, "conversation": found.id})
    told(SENT)
    return back(found.id)


@routes.post("/conversations/<int:conversation_id>/count", Permission.REPLY)
def reply_count(conversation_id: int) -> ResponseReturnValue:
    """What is being typed: its parts, its price, and whether it can go out. Nothing leaves."""
    text = request.form.get("text", "").replace("\r\n", "\n")[: composing.LONGEST + 1]
    with services().database.read() as session:
        found, place = mine(session, conversation_id)
        own = talk.own_senders(session, place.id)
        sender = reply_form.chosen(session, own, found, request.form.get("sender", ""))
        about = reply_form.of_form(session, viewer().scope, found, "answers")
        about = about or reply_form.of_form(session, viewer().scope, found, "about")
        context = reply_form.costs(session, found, sender, about, text, plain=bool(request.form.get("gsm7")))
    return htmx.render("pages/conversation_cost.html", "cost", **context)


def make_room(endpoint: str | None, _values: object) -> None:
    """For `url_value_preprocessor`, before anything reads the form: files may come with it, from who is signed in."""
    if endpoint == f"admin.{reply.__name__}" and current_user.is_authenticated:
        request.max_content_length = uploads.MOST_BYTES + FORM_BYTES


def make_room_in_frame() -> None:
    """For `before_request` of the custom page, once its guard knows who asks."""
    if request.endpoint == f"app.{reply.__name__}":
        request.max_content_length = uploads.MOST_BYTES + FORM_BYTES


def _send(found: Conversation, place: Location, way: Way, said: Reply, given: list[Given]) -> None:
    parts = services()
    if len(given) > composing.MOST_ATTACHMENTS:
        raise InvalidInput(f"A message takes at most {composing.MOST_ATTACHMENTS} attachments.")
    with uploads.arrived(parts.stores, given, way.limits) as files:
        key = replying.draft_key(found.id, said, way.sender.id, files)
        secret, store = parts.settings.secret_key, parts.stores.first.name
        kept = [uploads.named(secret, key, place, each.found, store) for place, each in enumerate(files)]
        draft = replying.draft(way, said, viewer().name, key, kept)
        composing.preview(parts.database, place, draft)  # before a file is kept that no message would have
        for upload, file in zip(kept, files, strict=True):
            uploads.keep(parts.stores, upload, file)
        refused = [each.reason for each in composing.compose(parts.database, parts.journal, place, draft) if each.code]
    if refused:
        raise InvalidInput(refused[0])


def _refused(conversation_id: int, error: PortalError, files: bool) -> ResponseReturnValue:
    names = ("text", "sender", "about", "answers", "key", "gsm7")
    form = {name: request.form.get(name, "") for name in names}
    return page(conversation_id, {**form, "fault": error.message + (AGAIN if files else "")}, 422)
