"""What the state of an installation may become, and what follows: tokens, held messages, webhooks at providers, alerts.

Lock order everywhere: agency, location, grant. Whoever moves a location holds its row.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.alerts import notices
from portal.alerts.notices import close_alert, raise_alert
from portal.channels import registry
from portal.credits import charging, terms
from portal.models import (
    Agency,
    Gate,
    Grant,
    GrantKind,
    GrantState,
    InstallEvent,
    InstallState,
    Job,
    Location,
    Sender,
    SenderState,
    Wallet,
)
from portal.queue.gates import ensure, ghl_gate
from portal.queue.jobs import GHL, SEND, drop, enqueue, job, request

# HighLevel allows 100 requests in 10 seconds for each app and location; some room is left for what we do not count.
GHL_PACE, GHL_BURST = 9.5, 90.0
# An agency's own calls are many at a time, when it installs: never more than its limit in any 10 seconds.
AGENCY_PACE, AGENCY_BURST = 9.0, 5.0
NO_PERMISSION = "HighLevel's permission has not come yet."
# What only an installed location can have.
_OF_INSTALLED = (
    notices.DEAD_TOKEN,
    notices.LOCATION_INACTIVE,
    notices.LOCATION_GONE,
    notices.UNLISTED,
    notices.SCOPES_MISSING,
    notices.WALLET_EMPTY,
    notices.CHARGES_WAIT,
)


def name_of(location: Location) -> str:
    """What people call the location."""
    return location.name or location.ghl_id


def set_state(location: Location, state: InstallState) -> None:
    """Gives the location a state, and remembers since when it has it."""
    if location.install_state != state:
        location.install_state, location.state_since = state, clock.now()


def decide(location: Location, event: InstallEvent, at: datetime) -> None:
    """Keeps the last event that decided whether the app is installed."""
    location.install_event, location.install_event_at = event, at


def connected(session: Session, location: Location, *, renewal: bool) -> None:
    """HighLevel has given the location a token. A mere renewal brings back what was paused, nothing that has left."""
    key = ghl_gate(location.id)
    ensure(session, key, GHL_PACE, GHL_BURST)
    session.execute(update(Gate).where(Gate.key == key).values(failures=0, blocked_until=None, reason=""))
    for kind in (notices.NOT_INSTALLED, notices.DEAD_TOKEN, notices.LOCATION_INACTIVE):
        close_alert(session, kind, location.ghl_id)
    if renewal and location.install_state != InstallState.INACTIVE:
        return
    close_alert(session, notices.LOCATION_GONE, location.ghl_id)
    location.install_note, location.claimed_company = "", ""
    # What was put off while there was no token need not wait any longer.
    session.execute(update(Job).where(Job.gate == key, Job.run_at > clock.now()).values(run_at=clock.now()))
    if location.install_state != InstallState.INSTALLED:
        set_state(location, InstallState.INSTALLED)
        session.flush()
        request(session, [job(GHL, "release_held", location.id, f"release:location:{location.id}", priority=0)])
        sync_webhooks(session, location.id)
    # Nobody else tells its time zone and country, nor what changed while the app was not there.
    enqueue(session, [check(location)])


def pause(session: Session, location: Location) -> None:
    """HighLevel has paused the sub-account: nothing is sent until it is active again."""
    if location.install_state != InstallState.INSTALLED:
        return
    set_state(location, InstallState.INACTIVE)
    text = f"{name_of(location)} is paused in HighLevel: activate it there, and what is held goes out by itself."
    raise_alert(session, notices.LOCATION_INACTIVE, location.ghl_id, text, location.id)


def leave(
    session: Session, location: Location, event: InstallEvent, at: datetime, state: InstallState, note: str = ""
) -> None:
    """The app is not in the location any more. Its senders keep their settings; the fence lets nothing out."""
    location.uninstalled_at = max(filter(None, (location.uninstalled_at, at)))
    decide(location, event, at)
    set_state(location, state)
    location.install_note, location.claimed_company, location.unlisted_at = note, "", None
    session.flush()
    drop(session, "mint_token", [location.id])
    for kind in _OF_INSTALLED:
        close_alert(session, kind, location.ghl_id)
    sync_webhooks(session, location.id)


def forget_tokens(session: Session, kind: GrantKind, ghl_id: str) -> None:
    """The permission has ended: nobody can use it any more, neither we nor who steals the database."""
    gone = {"state": GrantState.UNINSTALLED, "access_token": "", "refresh_token": "", "retry_at": None}
    session.execute(update(Grant).where(Grant.kind == kind, Grant.ghl_id == ghl_id).values(**gone))


def belongs_to(session: Session, location: Location, agency: Agency) -> None:
    """HighLevel's token proves whose the location is. In another agency's hands its senders wait for a person."""
    before, location.agency_id = location.agency_id, agency.id
    if before in (None, agency.id):
        return
    session.flush()
    charging.policy_changed(session, Wallet.location_id == location.id)
    terms.forget(session)
    reason = "The sub-account moved to another agency: make sure whose account this is, then resume it."
    active = Sender.location_id == location.id, Sender.state == SenderState.ACTIVE
    session.execute(update(Sender).where(*active).values(state=SenderState.PAUSED, state_reason=reason))
    text = (
        f"{name_of(location)} moved to the agency {agency.name or agency.company_id} in HighLevel. Its senders are "
        "paused, because they may use the former agency's accounts: check each, then resume it."
    )
    raise_alert(session, notices.LOCATION_MOVED, location.ghl_id, text, location.id)


def sync_webhooks(session: Session, location_id: int) -> None:
    """Has the providers told that our webhook is wanted, or not any more, for each sender of the location."""
    senders = select(Sender.id, Sender.channel).where(
        Sender.location_id == location_id, Sender.state != SenderState.REMOVED
    )
    for row in session.execute(senders):
        sync_webhook(session, row.id, row.channel)


def sync_webhook(session: Session, sender_id: int, channel: str) -> None:
    """The same for one sender, at once, whatever has failed before. Most channels register nothing: nothing to do."""
    if registry.registrar(channel) is not None:
        _hurry(session, ("sync_webhook",), sender_id)
        enqueue(session, [job(SEND, "sync_webhook", sender_id, f"webhook:{sender_id}")])


def check(location: Location) -> dict[str, object]:
    """The job that asks HighLevel whether the location and its permission are still there."""
    return job(GHL, "check_location", location.id, f"location:{location.id}", gate=ghl_gate(location.id))


def look_at(session: Session, location: Location) -> None:
    """Has an installation looked at: its permission, or that it gets one."""
    if location.install_state == InstallState.NOT_INSTALLED:
        mint(session, location, location.agency_id)
    else:
        enqueue(session, [check(location)])


def look_now(session: Session, location: Location) -> None:
    """The same because a person says that the cause is gone: it does not wait for its time, nor for a closed gate."""
    _retry_now(session, GrantKind.LOCATION, location.ghl_id)
    look_at(session, location)
    _hurry(session, ("check_location", "mint_token"), location.id)


def list_now(session: Session, agency: Agency) -> None:
    """The same for an agency's list."""
    _retry_now(session, GrantKind.COMPANY, agency.company_id)
    list_locations(session, agency)
    _hurry(session, ("install_locations",), agency.id)


def _retry_now(session: Session, kind: GrantKind, ghl_id: str) -> None:
    session.execute(update(Grant).where(Grant.kind == kind, Grant.ghl_id == ghl_id).values(retry_at=None))


def _hurry(session: Session, kinds: Sequence[str], subject: int) -> None:
    waiting = Job.kind.in_(kinds), Job.subject == subject, Job.lease_until.is_(None)
    session.execute(update(Job).where(*waiting).values(gate="", run_at=clock.now(), attempts=0))


def mint(session: Session, location: Location, agency_id: int | None) -> None:
    """Has the location's token got out of its agency's."""
    gate = _agency_gate(session, agency_id) if agency_id else ""
    enqueue(session, [job(GHL, "mint_token", location.id, f"mint:{location.id}", gate=gate)])


def list_locations(session: Session, agency: Agency, delay: timedelta = timedelta(0)) -> None:
    """Has the agency's installed locations looked up, and connected."""
    gate, run_at = _agency_gate(session, agency.id), clock.now() + delay
    enqueue(session, [job(GHL, "install_locations", agency.id, f"install:{agency.id}", gate=gate, run_at=run_at)])


def _agency_gate(session: Session, agency_id: int) -> str:
    """The gate of an agency's own calls to HighLevel, which has a request limit of its own."""
    key = f"agency:{agency_id}"
    ensure(session, key, AGENCY_PACE, AGENCY_BURST)
    return key
