"""`/admin/audit`: who changed what, when and from where."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue

from portal import htmx
from portal.accounts.permissions import Permission
from portal.errors import NotFound
from portal.messaging.storable import storable
from portal.models import AuditEntry
from portal.web.admin import routes
from portal.web.admin.queries import audit
from portal.web.context import services
from portal.web.pages.queries.pages import cursor
from portal.web.viewer import viewer

LONGEST_TEXT = 100
NO_LIST = "There is no such list of entries."
# Where the thing itself is shown: endpoint, and the name of its id.
_PAGES = {
    "user": ("admin.user", "user_id"),
    "sender": ("admin.sender", "sender_id"),
    "sub-account": ("admin.installation", "location_id"),
    "message": ("admin.message", "message_id"),
    "opt-out": ("admin.opt_out", "opt_out_id"),
    "webhook": ("admin.event", "event_id"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry, the page of what it was done to ("" for none), and what changed: name, before, after (None: absent)."""

    row: AuditEntry
    path: str
    changes: list[tuple[str, str | None, str | None]]


@routes.get("/audit", Permission.PEOPLE)
def audit_list() -> ResponseReturnValue:
    """A page of entries; its address holds the filters."""
    wanted, chosen = _wanted()
    with services().database.read() as session:
        found = audit.page(session, viewer().scope, wanted)
    lines = [Shown(row, _path(row), _changes(row)) for row in found.rows]
    context: dict[str, Any] = {"page": found, "lines": lines, "wanted": wanted, "chosen": chosen, "kinds": audit.KINDS}
    return htmx.render("admin/audit.html", "results", **context)


def _wanted() -> tuple[audit.Wanted, dict[str, str]]:
    """The filters, and those that are set as an address carries them."""
    names = ("who", "kind", "id", "since", "until")
    given = {name: storable(request.args.get(name, "")).strip() for name in names}
    if given["kind"] not in ("", *audit.KINDS) or any(len(value) > LONGEST_TEXT for value in given.values()):
        raise NotFound(NO_LIST)
    since, until = _day(given["since"]), _day(given["until"])
    after = until + timedelta(days=1) if until is not None else None
    before = cursor(request.args.get("before", ""))
    wanted = audit.Wanted(given["who"], given["kind"], given["id"], since, after, before)
    return wanted, {name: value for name, value in given.items() if value}


def _day(raw: str) -> datetime | None:
    """The beginning of a day of an address, in UTC, as the log's times are."""
    if not raw:
        return None
    try:
        found = date.fromisoformat(raw)
    except ValueError:
        raise NotFound(NO_LIST) from None
    if not 2000 <= found.year < 3000:
        raise NotFound(NO_LIST)
    return datetime.combine(found, time(), UTC)


def _path(row: AuditEntry) -> str:
    endpoint, name = _PAGES.get(row.kind, ("", ""))
    values: dict[str, Any] = {name: row.subject_id}
    try:
        return url_for(endpoint, **values) if endpoint and row.subject_id else ""
    except ValueError:  # an id that this address does not take
        return ""


def _changes(row: AuditEntry) -> list[tuple[str, str | None, str | None]]:
    names = [*row.before, *(name for name in row.after if name not in row.before)]
    return [(name, _said(row.before, name), _said(row.after, name)) for name in names]


def _said(values: dict[str, Any], name: str) -> str | None:
    if name not in values:
        return None
    value = values[name]
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return {None: "none", True: "yes", False: "no", "": "empty"}.get(value, str(value))
