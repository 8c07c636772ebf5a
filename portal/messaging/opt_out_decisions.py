"""What a person decides about opt-outs: adding one, lifting one, each with a reason, and a sub-account's words."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.base import Family
from portal.channels.content import AddressKind
from portal.errors import InvalidInput
from portal.messaging import numbers, opt_out_words, optouts
from portal.messaging.storable import storable
from portal.models import Address, Location, OptOut, Origin

LONGEST_REASON = 500


def add(session: Session, location: Location, family: str, written: str, by: str, reason: str) -> OptOut:
    """Adds an opt-out for a number as a person writes it. Raises `InvalidInput`, also when a person did before."""
    said = _reason(reason)
    if family not in tuple(Family):
        raise InvalidInput(f"Choose one of {', '.join(Family)}.")
    address = address_of(session, location, written)
    evidence = optouts.Evidence(Origin.PERSON, by=by, detail=said)
    row = optouts.add(session, location.id, family, address, f"{by} added it: {said}", evidence)
    if row is None:
        raise InvalidInput(f"{address} has been opted out by a person before: see the list.")
    return row


def lift(session: Session, row: OptOut, by: str, reason: str) -> int:
    """Lifts all that stands for the person in this family, not this row alone: else they would still hear nothing.

    Raises `InvalidInput` without a reason, or when it was lifted before.
    """
    said = _reason(reason)
    if row.lifted_at is not None:
        raise InvalidInput("It was lifted before.")
    return optouts.lift(session, row.location_id, row.family, row.address, by, row.contact_id, reason=said)


def set_words(location: Location, stop: str, start: str) -> None:
    """Gives a sub-account its own words; the usual ones are kept as such. Raises `InvalidInput`."""
    own_stop, own_start = opt_out_words.checked(storable(stop), storable(start))
    location.stop_words = None if own_stop == "\n".join(opt_out_words.STOP_WORDS) else own_stop
    location.start_words = None if own_start == "\n".join(opt_out_words.START_WORDS) else own_start


def address_of(session: Session, location: Location, written: str) -> str:
    """The address that a person means: a number, or a WhatsApp id that the sub-account knows. Raises `InvalidInput`."""
    text = storable(written).strip().removeprefix("'")
    number = numbers.normalise(text, location.country or None, mobile_only=False)
    if isinstance(number, numbers.Number):
        return number.e164
    ids = Address.kind.in_((AddressKind.LID, AddressKind.BSUID))
    known = Address.location_id == location.id, ids, Address.value == text[:160]
    found = session.scalar(select(Address.value).where(*known))
    if found is None:
        raise InvalidInput(number.sentence)
    return found


def _reason(reason: str) -> str:
    said = " ".join(storable(reason).split())
    if not said:
        raise InvalidInput("Say why: the reason is kept as evidence.")
    if len(said) > LONGEST_REASON:
        raise InvalidInput(f"The reason is longer than {LONGEST_REASON} characters.")
    return said
