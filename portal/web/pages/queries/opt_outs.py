"""Reading opt-outs: pages of them, by number, and one with all that it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from portal.messaging import numbers
from portal.models import Contact, ContactDnd, Location, Message, OptOut, Origin
from portal.web.pages.queries.pages import LOOKED_AT, PAGE, Page
from portal.web.pages.queries.scope import Scope

STANDING, LIFTED = "standing", "lifted"
STATES = (STANDING, LIFTED)
ORIGINS = tuple(origin for origin in Origin if origin)
# A number without + is read as one of each country that the sub-accounts in scope are in.
MOST_COUNTRIES = 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which opt-outs a page shows: of one location, a number as somebody writes it, a state, an origin."""

    location: Location | None = None
    text: str = ""
    state: str = ""
    origin: str = ""
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One opt-out with its location, its contact, and the ids of the messages that made and lifted it."""

    row: OptOut
    location: Location
    contact: Contact | None
    message: str
    lift_message: str


def page(session: Session, scope: Scope, wanted: Wanted) -> Page[Line]:
    """Opt-outs, newest first. `wanted.location` must be in scope."""
    ids = select(OptOut.id).order_by(OptOut.id.desc())
    if wanted.before is not None:
        ids = ids.where(OptOut.id < wanted.before)
    if wanted.text:
        # Few, and found by an index: the bound below would hide old ones.
        ids = ids.where(OptOut.address.in_(_candidates(session, scope, wanted)))
    looked_at = ids if wanted.text else ids.limit(LOOKED_AT)
    among = looked_at.subquery()
    found = select(OptOut.id).join(among, among.c.id == OptOut.id).join(Location, Location.id == OptOut.location_id)
    narrow = scope.narrow(found.where(*conditions(wanted))).order_by(OptOut.id.desc()).limit(PAGE + 1)
    rows = session.scalars(narrow).all()
    lines = _load(session, rows[:PAGE])
    if len(rows) > PAGE:
        return Page(lines, rows[PAGE - 1])
    last = None if wanted.text else session.scalar(ids.offset(LOOKED_AT - 1).limit(1))
    return Page(lines, last, gave_up=last is not None)


def one(session: Session, scope: Scope, opt_out_id: int) -> Line | None:
    """One opt-out, when it is in scope."""
    wanted = select(OptOut.id).join(Location, Location.id == OptOut.location_id).where(OptOut.id == opt_out_id)
    return next(iter(_load(session, session.scalars(scope.narrow(wanted)).all())), None)


def others(session: Session, line: Line) -> Sequence[OptOut]:
    """What else is on record for the same address, newest first."""
    same = OptOut.location_id == line.row.location_id, OptOut.address == line.row.address, OptOut.id != line.row.id
    return session.scalars(select(OptOut).where(*same).order_by(OptOut.id.desc()).limit(20)).all()


def in_highlevel(session: Session, line: Line) -> ContactDnd | None:
    """What is known of the contact's DND there."""
    same = ContactDnd.contact_id == line.row.contact_id, ContactDnd.family == line.row.family
    return session.scalar(select(ContactDnd).where(*same))


def location(session: Session, scope: Scope, location_id: int) -> Location | None:
    """The location, when it is in scope."""
    found: Location | None = session.scalar(scope.narrow(select(Location).where(Location.id == location_id)))
    return found


def conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    """The filters but the number, for a query of which `OptOut` is part."""
    narrow: list[ColumnElement[bool]] = []
    if wanted.location is not None:
        narrow.append(OptOut.location_id == wanted.location.id)
    if wanted.state:
        narrow.append(OptOut.lifted_at.is_(None) if wanted.state == STANDING else OptOut.lifted_at.is_not(None))
    if wanted.origin:
        narrow.append(OptOut.origin == wanted.origin)
    return narrow


def narrowed(session: Session, scope: Scope, wanted: Wanted) -> Any:
    """The same filters for an export, which runs on when this session has ended."""
    narrow = conditions(wanted)
    if wanted.text:
        narrow.append(OptOut.address.in_(_candidates(session, scope, wanted)))

    def apply(query: Select[Any]) -> Select[Any]:
        return scope.narrow(query).where(*narrow)

    return apply


def _candidates(session: Session, scope: Scope, wanted: Wanted) -> list[str]:
    """The addresses that a text may stand for: itself, and the number that it is in each country."""
    if wanted.location is not None:
        countries = [wanted.location.country]
    else:
        asked = scope.narrow(select(Location.country).distinct()).limit(MOST_COUNTRIES)
        countries = list(session.scalars(asked))
    found = [numbers.normalise(wanted.text, country or None, mobile_only=False) for country in countries or [""]]
    return [wanted.text, *{each.e164 for each in found if isinstance(each, numbers.Number)}]


def _load(session: Session, ids: Sequence[int]) -> list[Line]:
    rows = session.execute(
        select(OptOut, Location, Contact)
        .join(Location, Location.id == OptOut.location_id)
        .outerjoin(Contact, Contact.id == OptOut.contact_id)
        .where(OptOut.id.in_(ids))
        .order_by(OptOut.id.desc())
    ).all()
    named = {id_ for row, *_ in rows for id_ in (row.message_id, row.lifted_message_id) if id_ is not None}
    uuids = {row.id: row.uuid for row in session.execute(select(Message.id, Message.uuid).where(Message.id.in_(named)))}
    return [
        Line(row, place, contact, uuids.get(row.message_id, ""), uuids.get(row.lifted_message_id, ""))
        for row, place, contact in rows
    ]
