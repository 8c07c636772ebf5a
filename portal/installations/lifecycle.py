"""What HighLevel's app events mean for us: installed, uninstalled, renamed, another plan. Safe in any order and number.

A signature proves HighLevel, not that a location is the named agency's: what an event says of that is a claim, which
only a token that HighLevel gives out can prove.
"""

import re
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.database import insert
from portal.ghl.fields import identifier, text
from portal.ghl.payloads import AppEvent
from portal.installations import moves
from portal.models import (
    Agency,
    FailoverPolicy,
    Grant,
    GrantKind,
    GrantState,
    InstallEvent,
    InstallState,
    Location,
)
from portal.queue.jobs import enqueue

IGNORED = "ignored: "
OLDER = f"{IGNORED}older than the installation's last event"
# Years of a time stamp that is no slip, and how far HighLevel's clock may be ahead of ours.
BELIEVED = (2010, 2100)
AHEAD = timedelta(minutes=5)
# An INSTALL that comes with a consent is some seconds apart from it.
ONE_INSTALLATION = timedelta(minutes=2)
MOST_AGENCIES = 100
# The names of the IANA time zone database are so written.
ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
# An agency's list may be some seconds behind the event.
LIST_LAG = timedelta(seconds=15)


def apply(session: Session, event: AppEvent, received_at: datetime) -> str:
    """Applies one app event; returns what it did in words. Message events are kept and never cause a send."""
    at = moment_of(event, received_at)
    match event.type:
        case "INSTALL":
            return _install(session, event, at)
        case "UNINSTALL":
            return _uninstall(session, event, at)
        case "PLAN_CHANGE":
            return _change_plan(session, event, at)
        case "LocationUpdate":
            return _update(session, event, at)
    return f"{IGNORED}{event.type} is kept for the record"


def moment_of(event: AppEvent, received_at: datetime) -> datetime:
    """When it happened, as far as that can be believed: one from the future would outdo every later event."""
    said = event.timestamp
    if said is None or not BELIEVED[0] <= said.year <= BELIEVED[1] or said > received_at + AHEAD:
        return received_at
    return said


def ensure_location(session: Session, ghl_id: str) -> Location:
    """The location's row, made as not installed when it is new."""
    named = {"ghl_id": ghl_id}
    known: dict[str, int] = session.info.setdefault("locations", {})
    found = session.get(Location, known[ghl_id]) if ghl_id in known else session.scalar(_BY_GHL_ID, named)
    if found is None:
        values = {
            "ghl_id": ghl_id,
            "name": "",
            "country": "",
            "timezone": "UTC",
            "install_state": InstallState.NOT_INSTALLED,
            "failover": FailoverPolicy.HOLD,
            "ttl_seconds": 24 * 3600,
            "provider_id": "",
            "created_at": clock.now(),
        }
        session.execute(insert(session, Location).values(**values).on_conflict_do_nothing())
        found = session.scalars(_BY_GHL_ID, named).one()
    known[ghl_id] = found.id
    return found


_BY_GHL_ID = select(Location).where(Location.ghl_id == bindparam("ghl_id"))


def locked_location(session: Session, ghl_id: str) -> Location:
    """The location's row, read afresh under its lock, which lets messages that refer to it be written meanwhile."""
    wanted = select(Location).where(Location.id == ensure_location(session, ghl_id).id)
    fresh = wanted.with_for_update(key_share=True).execution_options(populate_existing=True)
    return session.scalars(fresh).one()


def ensure_agency(session: Session, company_id: str) -> Agency:
    """The agency's row, made when it is new, under its lock: what concerns one agency happens one after the other."""
    wanted = select(Agency).where(Agency.company_id == company_id).with_for_update(key_share=True)
    fresh = wanted.execution_options(populate_existing=True)
    agency = session.scalar(fresh)
    if agency is None:
        values = {"company_id": company_id, "name": "", "whitelabel_domain": "", "created_at": clock.now()}
        session.execute(insert(session, Agency).values(**values).on_conflict_do_nothing())
        agency = session.scalars(fresh).one()
    return agency


def grant_of(session: Session, kind: GrantKind, ghl_id: str) -> Grant | None:
    """The grant of a location or a company, in whatever state."""
    return session.scalar(select(Grant).where(Grant.kind == kind, Grant.ghl_id == ghl_id))


def note_plan(owner: Agency | Location, plan_id: str, at: datetime) -> bool:
    """Keeps the plan, unless a newer word on it is known; True when it is kept."""
    if not plan_id or (owner.plan_at is not None and at < owner.plan_at):
        return False
    owner.plan_id, owner.plan_at = plan_id, at
    return True


def _install(session: Session, event: AppEvent, at: datetime) -> str:
    agency = ensure_agency(session, event.company_id) if event.company_id else None
    if agency is not None:
        _note_agency(agency, event, at)
    if event.location_id:
        return _install_location(session, agency, locked_location(session, event.location_id), event, at)
    if agency is None:
        return f"{IGNORED}it names neither a location nor an agency"
    note_plan(agency, event.plan_id, at)
    if agency.uninstalled_at is not None and at <= agency.uninstalled_at:
        return OLDER
    grant = grant_of(session, GrantKind.COMPANY, agency.company_id)
    if grant is not None and grant.state == GrantState.ACTIVE:
        moves.list_locations(session, agency)
    return "agency noted"


def _install_location(
    session: Session, agency: Agency | None, location: Location, event: AppEvent, at: datetime
) -> str:
    if agency is not None and location.agency_id not in (None, agency.id):
        # HighLevel gives the agency a token for the location, or it does not: that decides, not the event.
        location.claimed_company = agency.company_id
        moves.mint(session, location, agency.id)
        return "another agency claims the location: HighLevel is asked whose it is"
    note_plan(location, event.plan_id, at)
    last = [each.uninstalled_at for each in (agency, location) if each is not None and each.uninstalled_at is not None]
    if any(at <= gone for gone in last) or (location.install_event_at and at < location.install_event_at):
        return OLDER
    moves.decide(location, InstallEvent.INSTALL, at)
    location.claimed_company = event.company_id or location.claimed_company
    if location.install_state == InstallState.UNINSTALLED:
        moves.set_state(location, InstallState.NOT_INSTALLED)
    grant = grant_of(session, GrantKind.LOCATION, location.ghl_id)
    if grant is None or grant.state != GrantState.ACTIVE or location.install_state == InstallState.NOT_INSTALLED:
        # An agency's bulk install gives no code for its locations: their tokens are minted from the agency's.
        location.install_note = moves.NO_PERMISSION
        if agency is None and location.agency_id is None:
            return _look_for_owner(session)
        moves.mint(session, location, agency.id if agency else location.agency_id)
        return "installation noted"
    if grant.consented_at is None or at > grant.consented_at + ONE_INSTALLATION:
        # It was uninstalled meanwhile, and we were not told: the token that is stored may be a dead one.
        enqueue(session, [moves.check(location)])
        return "installed anew: HighLevel is asked whether the stored token still holds"
    return "already connected"


def _look_for_owner(session: Session) -> str:
    """HighLevel may leave out the agency of a location that it installs by itself: its agency's list names it."""
    alive = Grant.kind == GrantKind.COMPANY, Grant.state == GrantState.ACTIVE
    mine = select(Agency).join(Grant, Grant.ghl_id == Agency.company_id).where(*alive).order_by(Agency.id)
    agencies = session.scalars(mine.limit(MOST_AGENCIES)).all()
    for agency in agencies:
        moves.list_locations(session, agency, LIST_LAG)
    return f"installation noted; {len(agencies)} agencies are asked whether it is theirs"


def _note_agency(agency: Agency, event: AppEvent, at: datetime) -> None:
    if agency.profile_at is None or at >= agency.profile_at:
        agency.profile_at = at
        agency.name = event.company_name[:200] or agency.name
        agency.whitelabel_domain = event.whitelabel_domain[:253] or agency.whitelabel_domain


def _uninstall(session: Session, event: AppEvent, at: datetime) -> str:
    if event.location_id:
        location = locked_location(session, event.location_id)
        if _foreign(location, event):
            enqueue(session, [moves.check(location)])
            return f"{IGNORED}the location is another agency's: HighLevel is asked whether the app is still there"
        return _uninstall_location(session, location, at)
    if not event.company_id:
        return f"{IGNORED}it names neither a location nor an agency"
    return _uninstall_agency(session, ensure_agency(session, event.company_id), at)


def _foreign(location: Location, event: AppEvent) -> bool:
    """Does the event name another agency than the one that is proven?"""
    return bool(event.company_id and location.agency and location.agency.company_id != event.company_id)


def _uninstall_agency(session: Session, agency: Agency, at: datetime) -> str:
    agency.uninstalled_at = max(filter(None, (agency.uninstalled_at, at)))
    # Of those that nobody has proven it can only end what has not begun.
    waiting = Location.agency_id.is_(None), Location.install_state == InstallState.NOT_INSTALLED
    claimed = and_(Location.claimed_company == agency.company_id, *waiting)
    mine = select(Location).where(or_(Location.agency_id == agency.id, claimed)).order_by(Location.id)
    fresh = mine.with_for_update(key_share=True).execution_options(populate_existing=True)
    left = [row for row in session.scalars(fresh).all() if _uninstall_location(session, row, at) != OLDER]
    grant = grant_of(session, GrantKind.COMPANY, agency.company_id)
    if grant is not None and grant.consented_at is not None and grant.consented_at > at:
        return f"the agency has consented anew since; {len(left)} locations were uninstalled"
    moves.forget_tokens(session, GrantKind.COMPANY, agency.company_id)
    return f"agency uninstalled with {len(left)} locations"


def _uninstall_location(session: Session, location: Location, at: datetime) -> str:
    if location.install_event_at and at < location.install_event_at:
        location.uninstalled_at = max(filter(None, (location.uninstalled_at, at)))
        grant = grant_of(session, GrantKind.LOCATION, location.ghl_id)
        if grant is not None and grant.consented_at is not None and grant.consented_at < at:
            enqueue(session, [moves.check(location)])  # its token is from before: it may have died then
        return OLDER
    gone = location.install_event in (InstallEvent.DISCONNECT, InstallEvent.UNINSTALL)
    note = location.install_note if gone else ""
    moves.leave(session, location, InstallEvent.UNINSTALL, at, InstallState.UNINSTALLED, note)
    moves.forget_tokens(session, GrantKind.LOCATION, location.ghl_id)
    return "location uninstalled"


def _change_plan(session: Session, event: AppEvent, at: datetime) -> str:
    plan = identifier(event.raw.get("newPlanId")) or event.plan_id
    owner: Agency | Location
    if event.location_id:
        owner = location = locked_location(session, event.location_id)
        if _foreign(location, event):
            return f"{IGNORED}the location is another agency's"
    elif event.company_id:
        owner = ensure_agency(session, event.company_id)
    else:
        return f"{IGNORED}it names neither a location nor an agency"
    if not plan:
        return f"{IGNORED}it names no plan"
    return "plan kept" if note_plan(owner, plan, at) else f"{IGNORED}older than the last word on the plan"


def _update(session: Session, event: AppEvent, at: datetime) -> str:
    if not event.location_id or session.scalar(select(Location.id).where(Location.ghl_id == event.location_id)) is None:
        return f"{IGNORED}the location is not known"
    location = locked_location(session, event.location_id)
    if location.profile_at is not None and at < location.profile_at:
        return f"{IGNORED}older than what is known of the location"
    note_profile(location, at, event.raw)
    return "location updated"


def note_profile(location: Location, at: datetime, said: Any) -> None:
    """Keeps name, time zone and country (two letters), each as far as it is told.

    A country that a person has chosen stays.
    """
    country = text(said.get("country")).strip().upper()
    location.profile_at = at
    location.name = text(said.get("name")).strip()[:200] or location.name
    zone = text(said.get("timezone")).strip()
    location.timezone = zone if ZONE.fullmatch(zone) else location.timezone
    if len(country) == 2 and country.isalpha() and country.isascii():
        location.country_told = country
        location.country = location.country if location.country_chosen else country
