"""Many messages at once: choose them in the list, see what would be done and what not, say so, watch it being done."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal import htmx
from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.messaging import deeds
from portal.messaging.deeds import Verdict
from portal.messaging.statuses import FINAL
from portal.models import Deed, DeedKind, DeedState, Status
from portal.web.context import services
from portal.web.pages import routes
from portal.web.pages.messages import asked_for
from portal.web.pages.queries import deeds as reading
from portal.web.pages.queries import messages
from portal.web.viewer import viewer

log = logging.getLogger(__name__)

NOT_YOURS = "There is no such selection of messages, or it is not yours to see."
# What a deed of a whole filter is meant for; other messages are not even looked at.
_MEANT: Mapping[DeedKind, Sequence[Status]] = {
    DeedKind.RESEND: tuple(FINAL),
    DeedKind.CANCEL: (Status.QUEUED, Status.HELD),
    DeedKind.HOLD: (Status.QUEUED, Status.HELD),
    DeedKind.RELEASE: (Status.HELD,),
}
_DONE: Mapping[DeedKind, str] = {
    DeedKind.RESEND: "sent again in bulk",
    DeedKind.CANCEL: "cancelled in bulk",
    DeedKind.HOLD: "held back in bulk",
    DeedKind.RELEASE: "let go in bulk",
}


@routes.post("/messages/deeds", Permission.REPLY)
def choose_messages() -> ResponseReturnValue:
    """Keeps a selection, named one by one or by the list's filters, and leads to what would be done to it."""
    kind = request.form.get("kind", "")
    if kind and kind not in list(DeedKind):
        raise NotFound("There is no such thing to do to messages.")

    def keep(session: Session) -> str:
        ids, more = _chosen(session, DeedKind(kind or DeedKind.RESEND))
        return deeds.choose(session, DeedKind(kind or DeedKind.RESEND), ids, viewer(), more=more).uuid

    try:
        made = services().database.patiently(keep)
    except InvalidInput as error:
        flash(error.message, "error")
        return redirect(url_for(".message_list"), 303)
    return redirect(url_for(".message_deed", deed_id=made), 303)


@routes.get("/messages/deeds/<uuid:deed_id>", Permission.VIEW)
def message_deed(deed_id: UUID) -> ResponseReturnValue:
    """What would be done to each message, or what was."""
    with services().database.read() as session:
        deed = _mine(session, deed_id)
        if deed.state == DeedState.DRAFT:
            verdicts = deeds.judge(session, deed.kind, deeds.messages_of(session, deed.id))
            context = _preview(verdicts) | {"seen": deeds.seen(deed.kind, verdicts)}
        else:
            context = {"counts": reading.counted(session, deed.id), "lines": reading.lines(session, deed.id)}
    context["deed"] = deed
    if htmx.wants_fragment():
        return htmx.render_live("pages/deed.html", "standing", **context)
    return htmx.render("pages/deed.html", "standing", **context)


@routes.post("/messages/deeds/<uuid:deed_id>", Permission.REPLY)
def confirm_deed(deed_id: UUID) -> ResponseReturnValue:
    """Has it done. A form that comes twice changes nothing the second time."""
    overrule, reason = "overrule" in request.form, request.form.get("reason", "")

    def say(session: Session) -> bool:
        deed = _mine(session, deed_id)
        begun = deeds.confirm(session, deed, viewer(), reason, overrule=overrule, saw=request.form.get("seen", ""))
        if begun:
            _note(session, deed, {"messages": deed.messages, "overrule": overrule, "reason": reason.strip()})
        return begun

    try:
        begun = services().database.patiently(say)
    except InvalidInput as error:
        flash(error.message, "error")
    else:
        if begun:
            log.info("many messages decided", extra={"user": viewer().id, "decided": str(deed_id)})
        flash("It is being done." if begun else "That was said before: it is done once.", "ok")
    return redirect(url_for(".message_deed", deed_id=deed_id), 303)


def _chosen(session: Session, kind: DeedKind) -> tuple[list[int], bool]:
    mine, form = viewer().scope, request.form
    if "all" in form:
        wanted = asked_for(session, mine, form)
        resent = kind is DeedKind.RESEND
        return messages.matching(session, mine, wanted, _MEANT[kind], deeds.MOST, not_resent=resent)
    named = form.getlist("message")
    if len(named) > deeds.MOST:
        raise InvalidInput(f"Choose {deeds.MOST} messages at most.")
    return messages.named(session, mine, named), False


def _preview(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The messages by what would become of them, and how often each refusal."""
    doubtful = [each for each in verdicts if each.doubt]
    refused = [each for each in verdicts if each.refusal]
    return {
        "free": [each for each in verdicts if not each.doubt and not each.refusal],
        "doubtful": doubtful,
        "refused": refused,
        "refusals": Counter(each.refusal for each in refused).most_common(),
        "doubts": Counter(each.doubt for each in doubtful).most_common(),
        "listed": reading.LISTED,
    }


def _mine(session: Session, deed_id: UUID) -> Deed:
    found = reading.one(session, viewer().scope, str(deed_id))
    if found is None:
        raise NotFound(NOT_YOURS)
    return found


def _note(session: Session, deed: Deed, after: Mapping[str, object]) -> None:
    mine = viewer()
    about = audit.Subject("messages", deed.uuid, "", mine.location_id, mine.scope.agency_id)
    audit.note(session, mine, _DONE[DeedKind(deed.kind)], about, after=after)
