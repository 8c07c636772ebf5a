"""Opt-outs: one word that is the whole message stops a family of channels for an address, another one starts it."""

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.models import Location, OptOut

# CANCEL is left out: it also cancels appointments. A location may edit its list.
STOP_WORDS = ("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "END", "QUIT", "OPTOUT", "OPT OUT", "ARRET", "ARRÊT")
START_WORDS = ("START", "UNSTOP", "YES START", "SUBSCRIBE", "OPTIN", "OPT IN")


def stop_words(location: Location) -> tuple[str, ...]:
    """The location's own list, one word or phrase a line, or the usual one."""
    if location.stop_words is None:
        return STOP_WORDS
    return tuple(word.strip().upper() for word in location.stop_words.splitlines() if word.strip())


def notice(session: Session, location: Location, family: str, address: str, text: str) -> None:
    """Records an opt-out, or lifts it, when the whole message is such a word."""
    said = " ".join(text.split()).strip(" .!\"'").upper()
    if said in stop_words(location):
        add(session, location.id, family, address, f"the contact wrote {said}")
    elif said in START_WORDS:
        session.execute(
            update(OptOut)
            .where(
                OptOut.location_id == location.id,
                OptOut.family == family,
                OptOut.address == address,
                OptOut.lifted_at.is_(None),
            )
            .values(lifted_at=clock.now(), lifted_by=f"the contact wrote {said}")
        )


def add(session: Session, location_id: int, family: str, address: str, source: str) -> None:
    """Records an opt-out, once."""
    if not opted_out(session, location_id, family, address):
        session.add(
            OptOut(location_id=location_id, family=family, address=address, source=source[:200], created_at=clock.now())
        )


def opted_out(session: Session, location_id: int, family: str, address: str) -> bool:
    """Has this address asked for silence?"""
    asked = {"location": location_id, "family": family, "address": address}
    return session.connection().scalar(_OPTED_OUT, asked) is not None


_OPTED_OUT = select(OptOut.id).where(
    OptOut.location_id == bindparam("location"),
    OptOut.family == bindparam("family"),
    OptOut.address == bindparam("address"),
    OptOut.lifted_at.is_(None),
)
