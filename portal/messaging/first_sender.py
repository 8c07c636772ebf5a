"""Senders out of the settings, as the systems that this one replaces had them: WhatsApp Cloud's first, Cast's account.

The first WhatsApp Cloud sender is added by itself where there is no doubt whose it is: in the only sub-account, once.
Whoever removes it does not get it back.
"""

import logging
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.config import Settings
from portal.crypto import Vault
from portal.database import Database
from portal.errors import InvalidInput
from portal.messaging import senders
from portal.models import Location, Sender
from portal.models.tenants import HERE

log = logging.getLogger(__name__)

KIND, CAST = "whatsapp_cloud", "cast"
NEEDED = ("phone_number_id", "access_token")
NAME = "WhatsApp"


def completed(settings: Settings, channel: str, given: Mapping[str, str]) -> dict[str, str]:
    """The credentials of a new sender, those that are left out taken from the settings."""
    own = {KIND: settings.whatsapp_first, CAST: settings.cast_first}.get(channel, {})
    return {**own, **given}


def address(settings: Settings, channel: str) -> str:
    """The API address that the settings have for a new sender of this channel, "" for the provider's own."""
    return settings.cast_api_url if channel == CAST else ""


def is_set(settings: Settings) -> bool:
    """Do the settings name a whole sender?"""
    return all(settings.whatsapp_first.get(name) for name in NEEDED)


def waits_for(session: Session) -> list[str]:
    """The installed sub-accounts that the sender could be of; none once there has been one of its kind."""
    if session.scalar(select(Sender.id).where(Sender.channel == KIND).limit(1)) is not None:
        return []
    installed = select(Location.ghl_id).where(Location.install_state.in_(HERE)).order_by(Location.id)
    return list(session.scalars(installed.limit(3)))


def add_missing(database: Database, vault: Vault, settings: Settings) -> bool:
    """Adds it to the only sub-account. Any number of processes may try at once: its number is one live sender's."""
    if not is_set(settings):
        return False
    with database.read() as session:
        if len(waits_for(session)) != 1:
            return False
    wanted = senders.NewSender(KIND, NAME, dict(settings.whatsapp_first), operator=True)
    try:
        with database.write() as session:
            if len(places := waits_for(session)) != 1:
                return False
            location = session.scalars(select(Location).where(Location.ghl_id == places[0]).with_for_update()).one()
            if waits_for(session) != places:
                return False  # another process was quicker, or another sub-account has come
            added = senders.add(session, vault, location, wanted)
    except InvalidInput as error:
        log.warning("first sender not added", extra={"reason": error.message})
        return False
    log.info("first sender added", extra={"sender_id": added.id})
    return True
