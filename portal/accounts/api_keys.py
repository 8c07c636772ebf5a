"""Keys to the JSON API: made once and shown once, recognised by a keyed digest, narrowed to what they may reach."""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.errors import InvalidInput, NotFound
from portal.models import Agency, ApiKey, ApiKeyLocation, Location

LIVE, TEST = "sk_live_", "sk_test_"
# What people see of a key: enough to tell two apart, of no use to a guesser (32 of 43 characters are missing).
SHOWN = 11
PER_MINUTE, MOST_PER_MINUTE = 600, 60_000
LONGEST_NAME = 100
MOST_LOCATIONS = 500


class Scope(StrEnum):
    """What a key may do. READ: look. SEND: send, cancel, add opt-outs. ADMIN: webhooks, replays, lifting opt-outs.

    BULKSMS: the routes of imqs/messaging. None contains another.
    """

    READ = "read"
    SEND = "send"
    ADMIN = "admin"
    BULKSMS = "bulksms"


@dataclass(frozen=True, slots=True)
class Reach:
    """Which locations a key reaches: those of `agency_id` (None: whoever has them), or the chosen ones of them."""

    key_id: int
    agency_id: int | None
    whole_agency: bool

    @classmethod
    def of(cls, key: ApiKey) -> "Reach":
        """The reach of a key. A key without an agency has chosen locations alone."""
        return cls(key.id, key.agency_id, key.whole_agency and key.agency_id is not None)

    def narrow(self, wanted: Any) -> Any:
        """The select, of which `Location` must be part, without the rows of others."""
        if self.agency_id is not None:
            # Also for chosen ones: a location that has moved to another agency is out of reach.
            wanted = wanted.where(Location.agency_id == self.agency_id)
        if self.whole_agency:
            return wanted
        chosen = ApiKeyLocation.key_id == self.key_id, ApiKeyLocation.location_id == Location.id
        return wanted.where(exists().where(*chosen))


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is to be. Of `company_id` and `locations` (HighLevel's ids) at least one; both: chosen ones of it."""

    name: str
    scopes: Collection[str]
    company_id: str = ""
    locations: Sequence[str] = ()
    test: bool = False
    lasts: timedelta | None = None
    per_minute: int = PER_MINUTE


def create(session: Session, secret: str, wanted: NewKey, by: str) -> tuple[ApiKey, str]:
    """Writes a key; returns its row and the key itself, which nobody can show again. `secret` is SECRET_KEY.

    Raises `InvalidInput`, and `NotFound` for an agency or location that does not exist, or for one of another agency.
    """
    _check(wanted)
    agency, places = _agency(session, wanted.company_id), _places(session, wanted.locations)
    owner = agency.id if agency is not None else _owner(places)
    if agency is not None and any(place.agency_id != agency.id for place in places):
        raise NotFound("One of these sub-accounts is not of this agency.")
    token = (TEST if wanted.test else LIVE) + secrets.token_urlsafe(32)
    key = ApiKey(
        name=wanted.name.strip(),
        prefix=token[: len(LIVE) + SHOWN],
        digest=digest(secret, token),
        scopes=sorted({Scope(each).value for each in wanted.scopes}),
        test=wanted.test,
        agency_id=owner,
        whole_agency=not places,
        per_minute=wanted.per_minute,
        created_by=by[:254],
        created_at=clock.now(),
        expires_at=clock.now() + wanted.lasts if wanted.lasts is not None else None,
    )
    session.add(key)
    session.flush()
    session.add_all(ApiKeyLocation(key_id=key.id, location_id=place.id) for place in places)
    session.flush()
    return key, token


def digest(secret: str, token: str) -> str:
    """What is stored of a key. Of 256 random bits nothing can be guessed, so no slow hash is needed."""
    return hmac.new(f"api key:{secret}".encode(), token.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def find(session: Session, secret: str, token: str) -> ApiKey | None:
    """The key, when it stands and its time is not over."""
    if not token.startswith((LIVE, TEST)) or len(token) > 100:
        return None
    found = session.scalar(select(ApiKey).where(ApiKey.digest == digest(secret, token), ApiKey.revoked_at.is_(None)))
    over = found is not None and found.expires_at is not None and found.expires_at <= clock.now()
    return None if over else found


def revoke(session: Session, key: ApiKey, by: str) -> bool:
    """Ends a key, from the next request on. False when it was revoked before."""
    standing = ApiKey.id == key.id, ApiKey.revoked_at.is_(None)
    ended = session.execute(update(ApiKey).where(*standing).values(revoked_at=clock.now(), revoked_by=by[:254]))
    return bool(ended.rowcount)  # type: ignore[attr-defined]


def listed(session: Session, agency_id: int | None = None, location_id: int | None = None) -> Sequence[ApiKey]:
    """Keys, the newest first: of an agency, or those that reach a location; with neither all of them."""
    wanted = select(ApiKey).order_by(ApiKey.id.desc())
    if agency_id is not None:
        wanted = wanted.where(ApiKey.agency_id == agency_id)
    if location_id is not None:
        named = exists().where(ApiKeyLocation.key_id == ApiKey.id, ApiKeyLocation.location_id == location_id)
        home = select(Location.agency_id).where(Location.id == location_id, Location.agency_id.is_not(None))
        wanted = wanted.where(or_(named, ApiKey.whole_agency & ApiKey.agency_id.in_(home)))
    return session.scalars(wanted).all()


def places(session: Session, key: ApiKey) -> Sequence[Location]:
    """The locations that were chosen for a key; none where it reaches a whole agency."""
    chosen = select(Location).join(ApiKeyLocation, ApiKeyLocation.location_id == Location.id)
    return session.scalars(chosen.where(ApiKeyLocation.key_id == key.id).order_by(Location.id)).all()


def _check(wanted: NewKey) -> None:
    if not 1 <= len(wanted.name.strip()) <= LONGEST_NAME:
        raise InvalidInput(f"A key needs a name of at most {LONGEST_NAME} characters.")
    unknown = [each for each in wanted.scopes if each not in tuple(Scope)]
    if unknown or not wanted.scopes:
        raise InvalidInput(f"A key needs at least one scope of {', '.join(Scope)}.")
    if not wanted.company_id and not wanted.locations:
        raise InvalidInput("A key reaches an agency or chosen sub-accounts: name one of them.")
    if len(wanted.locations) > MOST_LOCATIONS:
        raise InvalidInput(f"A key reaches at most {MOST_LOCATIONS} chosen sub-accounts, or a whole agency.")
    if not 1 <= wanted.per_minute <= MOST_PER_MINUTE:
        raise InvalidInput(f"A key may make 1 to {MOST_PER_MINUTE} requests a minute.")


def _agency(session: Session, company_id: str) -> Agency | None:
    if not company_id:
        return None
    found = session.scalar(select(Agency).where(Agency.company_id == company_id))
    if found is None:
        raise NotFound(f"There is no agency {company_id}.")
    return found


def _places(session: Session, ids: Sequence[str]) -> Sequence[Location]:
    found = session.scalars(select(Location).where(Location.ghl_id.in_(ids)).order_by(Location.id)).all()
    missing = set(ids) - {place.ghl_id for place in found}
    if missing:
        raise NotFound(f"There is no sub-account {min(missing)}.")
    return found


def _owner(chosen: Sequence[Location]) -> int | None:
    """The agency that all of them belong to. Keys over several would let one tenant reach another."""
    owners = {place.agency_id for place in chosen}
    if len(owners) > 1:
        raise InvalidInput("These sub-accounts belong to several agencies: make a key for each.")
    return owners.pop()
