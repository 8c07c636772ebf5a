"""Opt-outs: one word that is the whole message stops a family of channels for an address, another one starts it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.models import Location, Message, OptOut

# CANCEL is left out: it also cancels appointments. A location may edit its list.
STOP_WORDS = ("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "END", "QUIT", "OPTOUT", "OPT OUT", "ARRET", "ARRÊT")
START_WORDS = ("START", "UNSTOP", "YES START", "SUBSCRIBE", "OPTIN", "OPT IN")
WROTE = "the contact wrote"


def stop_words(location: Location) -> tuple[str, ...]:
    """The location's own list, one word or phrase a line, or the usual one."""
    if location.stop_words is None:
        return STOP_WORDS
    return tuple(word.strip().upper() for word in location.stop_words.splitlines() if word.strip())


def notice(session: Session, location: Location, family: str, address: str, text: str) -> None:
    """Records an opt-out, or lifts it, when the whole message is such a word."""
    said = " ".join(text.split()).strip(" .!\"'").upper()
    if said in stop_words(location):
        add(session, location.id, family, address, f"{WROTE} {said}")
    elif said in START_WORDS:
        session.execute(
            update(OptOut)
            .where(
                OptOut.location_id == location.id,
                OptOut.family == family,
                OptOut.address == address,
                OptOut.lifted_at.is_(None),
            )
            .values(lifted_at=clock.now(), lifted_by=f"{WROTE} {said}")
        )


def learn(session: Session, message: Message, provider: str, code: str) -> None:
    """A provider has refused a message because its recipient wants silence: the next one is not even tried."""
    source = f"{provider} said {code} to message {message.uuid}"
    add(session, message.location_id, message.family, message.address, source)


def add(session: Session, location_id: int, family: str, address: str, source: str) -> None:
    """Records an opt-out, once."""
    if not opted_out(session, location_id, family, address):
        session.add(
            OptOut(location_id=location_id, family=family, address=address, source=source[:200], created_at=clock.now())
        )


def import_listed(
    session: Session, location_id: int, family: str, listed: Sequence[tuple[str, datetime | None]], provider: str
) -> int:
    """Writes down who is on a provider's list, as (address, since when); returns how many were new.

    Importing a list again changes nothing. Who has come back after leaving is not silenced again by the old entry.
    """
    addresses = {address for address, _ in listed}
    asked = OptOut.location_id == location_id, OptOut.family == family, OptOut.address.in_(addresses)
    known: dict[str, list[OptOut]] = {}
    for row in session.scalars(select(OptOut).where(*asked)):
        known.setdefault(row.address, []).append(row)
    new = 0
    for address, at in listed:
        rows = known.setdefault(address, [])
        if any(row.lifted_at is None or at is None or row.lifted_at >= at for row in rows):
            continue
        source = f"on the list of {provider}" + (f" since {at:%Y-%m-%d %H:%M} UTC" if at else "")
        row = OptOut(
            location_id=location_id, family=family, address=address, source=source[:200], created_at=clock.now()
        )
        session.add(row)
        rows.append(row)
        new += 1
    return new


def why(session: Session, location_id: int, family: str, address: str) -> str:
    """The sentence for a message that an opt-out stops, with its evidence; "" when nothing stops it."""
    asked = {"location": location_id, "family": family, "address": address}
    source = session.connection().scalar(_OPTED_OUT, asked)
    if source is None:
        return ""
    if source.startswith(WROTE):
        return "The contact has opted out: nothing is sent until they write START."
    return f"The contact has opted out: {source}."


def opted_out(session: Session, location_id: int, family: str, address: str) -> bool:
    """Has this address asked for silence?"""
    asked = {"location": location_id, "family": family, "address": address}
    return session.connection().scalar(_OPTED_OUT, asked) is not None


_OPTED_OUT = select(OptOut.source).where(
    OptOut.location_id == bindparam("location"),
    OptOut.family == bindparam("family"),
    OptOut.address == bindparam("address"),
    OptOut.lifted_at.is_(None),
)
