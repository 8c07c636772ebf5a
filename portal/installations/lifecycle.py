"""What HighLevel's app events mean for us: installed, uninstalled, renamed. Safe in any order and any number."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.database import insert
from portal.ghl.payloads import AppEvent
from portal.models import Agency, Contact, Grant, GrantKind, GrantState, InstallState, Location
from portal.queue.jobs import GHL, enqueue, job

IGNORED = "ignored: "
# Years of a time stamp that is no slip.
BELIEVED = (2010, 2100)


def apply(session: Session, event: AppEvent, received_at: datetime) -> str:
    """Applies one app event; returns what it did in words. Message events are kept and never cause a send."""
    match event.type:
        case "INSTALL":
            return _install(session, event, _moment(event, received_at))
        case "UNINSTALL":
            return _uninstall(session, event, _moment(event, received_at))
        case "LocationUpdate":
            return _rename(session, event)
        case "ContactUpdate" | "ContactTagUpdate":
            return _mirror_tags(session, event)
    return f"{IGNORED}{event.type} is kept for the record"


def _moment(event: AppEvent, received_at: datetime) -> datetime:
    """When it happened, as far as that can be believed."""
    said = event.timestamp
    return said if said is not None and BELIEVED[0] <= said.year <= BELIEVED[1] else received_at


def ensure_location(session: Session, ghl_id: str) -> Location:
    """The location's row, made as not installed when it is new."""
    wanted = select(Location).where(Location.ghl_id == ghl_id)
    known: dict[str, int] = session.info.setdefault("locations", {})
    found = session.get(Location, known[ghl_id]) if ghl_id in known else session.scalar(wanted)
    if found is None:
        values = {
            "ghl_id": ghl_id,
            "name": "",
            "country": "",
            "timezone": "UTC",
            "install_state": InstallState.NOT_INSTALLED,
            "failover": "hold",
            "ttl_seconds": 24 * 3600,
            "provider_id": "",
            "created_at": clock.now(),
        }
        session.execute(insert(session, Location).values(**values).on_conflict_do_nothing())
        found = session.scalars(wanted).one()
    known[ghl_id] = found.id
    return found


def ensure_agency(session: Session, company_id: str, name: str = "", domain: str = "") -> Agency:
    """The agency's row, with what is newly known of it."""
    values = {"company_id": company_id, "name": "", "whitelabel_domain": "", "created_at": clock.now()}
    session.execute(insert(session, Agency).values(**values).on_conflict_do_nothing())
    agency = session.scalars(select(Agency).where(Agency.company_id == company_id)).one()
    agency.name = name[:200] or agency.name
    agency.whitelabel_domain = domain[:253] or agency.whitelabel_domain
    return agency


def _install(session: Session, event: AppEvent, at: datetime) -> str:
    agency = None
    if event.company_id:
        agency = ensure_agency(session, event.company_id, event.company_name, event.whitelabel_domain)
    if not event.location_id:
        return "agency noted"
    location = ensure_location(session, event.location_id)
    if agency is not None:
        location.agency_id = agency.id
    if location.install_event_at and at < location.install_event_at:
        return f"{IGNORED}older than the installation's last event"
    location.install_event_at = at
    grant = session.scalar(select(Grant).where(Grant.kind == GrantKind.LOCATION, Grant.ghl_id == event.location_id))
    if grant is not None and grant.state == GrantState.ACTIVE:
        return "already connected"
    # An agency's bulk install gives no code for its locations: their tokens are minted from the agency's.
    enqueue(session, [job(GHL, "mint_token", location.id, f"mint:{location.id}")])
    return "installation noted"


def _uninstall(session: Session, event: AppEvent, at: datetime) -> str:
    if event.location_id:
        return _uninstall_location(session, ensure_location(session, event.location_id), at)
    if not event.company_id:
        return f"{IGNORED}it names neither a location nor an agency"
    agency = ensure_agency(session, event.company_id)
    locations = session.scalars(select(Location).where(Location.agency_id == agency.id).order_by(Location.id)).all()
    for location in locations:
        _uninstall_location(session, location, at)
    company = Grant.kind == GrantKind.COMPANY, Grant.ghl_id == event.company_id, Grant.refreshed_at <= at
    session.execute(update(Grant).where(*company).values(**_forgotten()))
    return f"agency uninstalled with {len(locations)} locations"


def _uninstall_location(session: Session, location: Location, at: datetime) -> str:
    if location.install_event_at and at < location.install_event_at:
        return f"{IGNORED}older than the installation's last event"
    location.install_event_at = at
    location.install_state = InstallState.UNINSTALLED
    session.execute(
        update(Grant).where(Grant.kind == GrantKind.LOCATION, Grant.ghl_id == location.ghl_id).values(**_forgotten())
    )
    return "location uninstalled"


def _forgotten() -> dict[str, str]:
    return {"state": GrantState.UNINSTALLED, "access_token": "", "refresh_token": ""}


def _rename(session: Session, event: AppEvent) -> str:
    location = session.scalar(select(Location).where(Location.ghl_id == event.location_id))
    if location is None:
        return f"{IGNORED}the location is not known"
    name = event.raw.get("name")
    if isinstance(name, str) and name.strip():
        location.name = name.strip()[:200]
    return "location updated"


def _mirror_tags(session: Session, event: AppEvent) -> str:
    tags = event.raw.get("tags")
    contact = session.scalar(
        select(Contact)
        .join(Location, Location.id == Contact.location_id)
        .where(Location.ghl_id == event.location_id, Contact.ghl_contact_id == event.contact_id)
    )
    if contact is None or not isinstance(tags, list):
        return f"{IGNORED}the contact is not known"
    contact.tags = [tag for tag in tags if isinstance(tag, str)][:100]
    return "tags mirrored"
