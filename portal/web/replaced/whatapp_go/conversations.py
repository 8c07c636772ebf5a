"""`GET /api/user/<id>/conversations`: what a user's sub-accounts have sent and received."""

from flask import Response, jsonify, request

from portal.accounts.permissions import Permission
from portal.errors import InvalidInput, NotFound
from portal.models import Direction, Message, User
from portal.web.context import services
from portal.web.pages.queries.scope import Scope
from portal.web.replaced.queries import whatapp_go as queries
from portal.web.replaced.queries.whatapp_go import Wanted
from portal.web.replaced.whatapp_go import bp
from portal.web.replaced.whatapp_go.login import signed_in
from portal.web.viewer import Viewer

OLDER = "X-Older"


@bp.get("/user/<int:user_id>/conversations")
def show(user_id: int) -> Response:
    """The newest 500; the header `X-Older` is the `before` of the next. Filters: `type`, and `filter=today`."""
    parts = services()
    me = signed_in(parts)
    if request.args.get("filter", "") not in ("", "today"):
        raise InvalidInput("The filter is today, or left out.")
    with parts.database.read() as session:
        whose = queries.user(session, Viewer.of(me).scope, user_id)
        if whose.id != me.id and not Viewer.of(me).may(Permission.PEOPLE):
            raise NotFound("There is no such user, or it is not yours to see.")
        scope = _both(me, whose)
        since = queries.today(session, scope) if request.args.get("filter") else None
        wanted = Wanted(request.args.get("type", "")[:24], since, request.args.get("before", type=int))
        rows = queries.conversations(session, scope, wanted)
        answer = jsonify([_line(whose.id, message, kind) for message, kind in rows])
    if len(rows) == queries.MOST:
        answer.headers[OLDER] = str(rows[-1][0].id)
    return answer


def _both(me: User, whose: User) -> Scope:
    """What the one may see of the other's sub-accounts."""
    mine, theirs = me.location_ids if me.agency_id is not None else None, whose.location_ids
    ids = theirs if mine is None else mine if theirs is None else mine & theirs
    return Scope(whose.agency_id, ids)


def _line(user_id: int, message: Message, kind: str) -> dict[str, object]:
    """The model's fields by their names in the Go program, and when it was."""
    line, ours = message.address, message.sender.address if message.sender is not None else ""
    out = message.direction == Direction.OUT
    ids = [message.external_id, *(part.external_id for part in message.parts), message.uuid]
    return {
        "UserID": user_id,
        "From": ours if out else line,
        "To": line if out else ours,
        "MessageID": next(filter(None, ids)),
        "Type": "interactive" if kind in queries.INTERACTIVE else kind,
        "Content": message.body or ", ".join(str(each) for each in message.attachments),
        "Direction": "outbound" if out else "inbound",
        "Status": message.status,
        "CreatedAt": message.created_at.isoformat().replace("+00:00", "Z"),
    }
