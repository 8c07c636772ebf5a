"""Disconnecting by a person: nothing is sent from that moment on, HighLevel is told, and the tokens are forgotten."""

import logging

from sqlalchemy.orm import Session

from portal import clock
from portal.alerts.notices import NOT_TOLD, close_alert, raise_alert
from portal.database import Database
from portal.errors import InvalidInput
from portal.ghl.errors import GhlError, Kind
from portal.ghl.oauth import OAuthClient
from portal.installations import moves
from portal.installations.lifecycle import grant_of, locked_location
from portal.installations.tokens import NoToken, Tokens
from portal.models import GrantKind, GrantState, InstallEvent, InstallState, Location
from portal.models.tenants import HERE
from portal.queue.gates import ghl_gate
from portal.queue.jobs import GHL, enqueue, job

log = logging.getLogger(__name__)

REASON = "Disconnected by a user of the app."


def may_disconnect(location: Location) -> bool:
    """Is there anything to end?"""
    return location.install_state in HERE or (
        location.install_state == InstallState.NOT_INSTALLED
        and location.install_event not in ("", InstallEvent.DISCONNECT)
    )


def disconnect(session: Session, ghl_id: str, who: str) -> Location:
    """Ends the installation at once on our side, and has HighLevel told. Raises `InvalidInput` when there is none."""
    location = locked_location(session, ghl_id)
    if not may_disconnect(location):
        raise InvalidInput("The app is not connected with this sub-account: there is nothing to disconnect.")
    at = max(filter(None, (clock.now(), location.install_event_at)))
    note = f"Disconnected by {who}."
    moves.leave(session, location, InstallEvent.DISCONNECT, at, InstallState.NOT_INSTALLED, note)
    gate = ghl_gate(location.id)
    enqueue(session, [job(GHL, "leave_location", location.id, f"leave:{location.id}", gate=gate, priority=0)])
    log.info("location disconnected", extra={"location_id": location.id, "by": who})
    return location


class Leaver:
    """Tells HighLevel of a disconnection, then forgets the location's tokens."""

    def __init__(self, database: Database, oauth: OAuthClient, tokens: Tokens, app_id: str) -> None:
        self._database = database
        self._oauth = oauth
        self._tokens = tokens
        self._app_id = app_id

    def tell(self, location_id: int) -> None:
        """Raises `NoToken` or `GhlError` when HighLevel could not be told."""
        location = self._leaving(location_id)
        if location is None:
            return
        try:
            self._call(location.ghl_id)
        except NoToken as error:
            if error.retry_at is not None:
                raise
            self._forget(location_id, told=False, reason=error.message)
        except GhlError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            self._forget(location_id, told=True)
        else:
            self._forget(location_id, told=True)

    def give_up(self, location_id: int, reason: str) -> None:
        """Forgets the tokens all the same, and asks a person to uninstall the app in HighLevel."""
        self._forget(location_id, told=False, reason=reason)

    def _call(self, ghl_id: str) -> None:
        token = self._tokens.for_location(ghl_id)
        try:
            self._oauth.uninstall(token, self._app_id, ghl_id, REASON)
        except GhlError as error:
            if error.kind is not Kind.TOKEN_REJECTED:
                raise
            fresh = self._tokens.for_location(ghl_id, rejected=token)
            self._oauth.uninstall(fresh, self._app_id, ghl_id, REASON)

    def _leaving(self, location_id: int) -> Location | None:
        """The location, unless it was connected again meanwhile."""
        with self._database.read() as session:
            location = session.get_one(Location, location_id)
        return location if location.install_event == InstallEvent.DISCONNECT else None

    def _forget(self, location_id: int, *, told: bool, reason: str = "") -> None:
        with self._database.write() as session:
            location = locked_location(session, session.get_one(Location, location_id).ghl_id)
            grant = grant_of(session, GrantKind.LOCATION, location.ghl_id)
            at = location.uninstalled_at
            newer = grant is not None and grant.consented_at is not None and at is not None and grant.consented_at > at
            if newer or location.install_state in HERE:
                return  # connected again while HighLevel was being told of the end
            if grant is not None and grant.state != GrantState.UNINSTALLED:
                moves.forget_tokens(session, GrantKind.LOCATION, location.ghl_id)
            if told:
                close_alert(session, NOT_TOLD, location.ghl_id)
                return
            text = (
                f"{moves.name_of(location)} is disconnected here, but HighLevel could not be told: uninstall the app "
                f"there too. {reason}"
            )
            raise_alert(session, NOT_TOLD, location.ghl_id, text, location.id)
