"""Reading the audit log: pages of it, as far as somebody may read it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from portal.models import AuditEntry
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page
from portal.web.pages.queries.scope import Scope

KINDS = ("user", "sender", "sub-account", "message", "opt-out", "webhook", "alert", "agency", "command")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a page shows: by a part of who it was, the kind and id of what it was done to, and between days."""

    who: str = ""
    kind: str = ""
    subject_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


def page(session: Session, scope: Scope, wanted: Wanted) -> Page[AuditEntry]:
    """Entries, newest first. A rare filter looks at so many entries, then offers to keep looking."""
    ids = _narrow(select(AuditEntry.id), scope).order_by(AuditEntry.id.desc())
    if wanted.before is not None:
        ids = ids.where(AuditEntry.id < wanted.before)
    if wanted.kind:
        ids = ids.where(AuditEntry.kind == wanted.kind)
    if wanted.subject_id:
        ids = ids.where(AuditEntry.subject_id == wanted.subject_id)
    among = ids.limit(LOOKED_AT).subquery()
    found = select(AuditEntry).join(among, among.c.id == AuditEntry.id).where(*_conditions(wanted))
    rows = session.scalars(found.order_by(AuditEntry.id.desc()).limit(PAGE + 1)).all()
    if len(rows) > PAGE:
        return Page(rows[:PAGE], rows[PAGE - 1].id)
    last = session.scalar(ids.offset(LOOKED_AT - 1).limit(1))
    return Page(rows, last, gave_up=last is not None)


def _narrow(wanted: Select[Any], scope: Scope) -> Select[Any]:
    """What belongs to no location concerns the agency as a whole, or the operator."""
    if scope.agency_id is not None:
        wanted = wanted.where(AuditEntry.agency_id == scope.agency_id)
    return wanted if scope.location_ids is None else wanted.where(AuditEntry.location_id.in_(scope.location_ids))


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    narrow: list[ColumnElement[bool]] = []
    if wanted.who:
        narrow.append(AuditEntry.who.icontains(wanted.who, autoescape=True))
    if wanted.since is not None:
        narrow.append(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        narrow.append(AuditEntry.at < wanted.until)
    return narrow
