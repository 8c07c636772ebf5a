"""`POST /api/message/send` and `/api/message/send2`: a message in Meta's shape, and a template with two variables."""

from collections.abc import Callable

from flask import Response, jsonify
from sqlalchemy.orm import Session

from portal.accounts.permissions import Permission
from portal.channels.content import Content, Kind, Relation
from portal.errors import Forbidden, InvalidInput
from portal.messaging import at_the_call, composing, template_sending, template_texts
from portal.messaging.composing import Draft
from portal.models import Location, Sender
from portal.web.context import services
from portal.web.replaced.queries import whatapp_go as queries
from portal.web.replaced.whatapp_go import bp, orders
from portal.web.replaced.whatapp_go.bodies import body_of, text_of
from portal.web.replaced.whatapp_go.login import signed_in
from portal.web.replaced.whatapp_go.orders import Order, Said
from portal.web.viewer import NOT_ALLOWED, Viewer

Maker = Callable[[Session, Sender], Order]
PARAMETERS = ("param1", "param2")


@bp.post("/message/send")
def send() -> tuple[Response, int]:
    """Sends `{to, type, text: {body}, token}`, and the other types as Meta's Cloud API has them."""
    said = body_of()
    return _sent(said, lambda _session, _sender: orders.read(said))


@bp.post("/message/send2")
def send_template() -> tuple[Response, int]:
    """Sends `{to, template_name, language, param1, param2, token}`: the parameters fill its blanks in their order."""
    said = body_of()

    def made(session: Session, sender: Sender) -> Order:
        name, language = text_of(said, "template_name"), text_of(said, "language")
        form = template_sending.form_of(template_sending.find(session, sender, name, language))
        given = [text_of(said, each) for each in PARAMETERS if text_of(said, each)]
        if len(given) > len(form.blanks):
            raise InvalidInput(f"The template {name} has {len(form.blanks)} blanks, and there are {len(given)} values.")
        values = {blank.key: value for blank, value in zip(form.blanks, given, strict=False)}
        return Order("", (), template_texts.content(form, values))

    return _sent(said, made)


def _sent(said: Said, make: Maker) -> tuple[Response, int]:
    parts = services()
    user = signed_in(parts, text_of(said, "token"))
    viewer = Viewer.of(user)
    if not viewer.may(Permission.REPLY):
        raise Forbidden(NOT_ALLOWED)
    with parts.database.read() as session:
        location = queries.place(session, viewer.scope, text_of(said, "location"))
        sender = queries.sender(session, location)
        order = make(session, sender)
        draft = _draft(session, location, sender, order, text_of(said, "to"), viewer.name)
    prepared = composing.prepare(parts.database, location, draft)
    only = prepared.taken[0]
    if not only.message:
        raise InvalidInput(f"to: {only.reason}")

    def put(session: Session) -> tuple[str, str]:
        at_the_call.apply_now(session, parts.vault, prepared.entries[0])
        session.flush()
        return queries.standing(session, location, only.message)

    status, reason = parts.database.patiently(put)
    return jsonify(message=reason or "Message accepted", id=only.message, status=status), 200


def _draft(session: Session, location: Location, sender: Sender, order: Order, to: str, by: str) -> Draft:
    about = queries.uuid_of(session, location, sender, order.about) if order.about else ""
    reacts = order.content is not None and order.content.kind is Kind.REACTION
    content: Content | None = order.content
    # Meta takes a number's digits: without + in front they would be read as one at home.
    number = f"+{to}" if to.isdecimal() and not to.startswith("0") else to
    return Draft(
        [] if about else [number],
        order.text,
        by,
        order.files,
        sender.id,
        content=content,
        about=about,
        relation=Relation.REPLY if about and not reacts else None,
    )
