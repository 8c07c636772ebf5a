"""The people of an agency: who may sign in, as what, for which locations, and who decides that.

Nobody gives more than they have, nobody touches somebody above them, and an agency always keeps an owner of all of it.
Operators come from the command line alone.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from portal.accounts import links
from portal.accounts.permissions import PERMISSIONS, Permission
from portal.accounts.sessions import end_all
from portal.accounts.users import clean_email, create_user, write_user
from portal.errors import Forbidden, InvalidInput, NotFound
from portal.models import Agency, Location, Role, User, UserLocation

RANK: Mapping[Role, int] = MappingProxyType(
    {Role.OWNER: 3, Role.ADMIN: 2, Role.AGENT: 1, Role.VIEWER: 0, Role.CLIENT: 0}
)

ABOVE = "You cannot give more than you have yourself, or change somebody above you."
LAST_OWNER = "The agency has no other owner of all sub-accounts: make somebody else one first."


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody is to be: the role, and the locations, None for all that the agency has and will have."""

    role: Role
    location_ids: frozenset[int] | None

    @classmethod
    def of(cls, user: User) -> "Standing":
        """What the user is now."""
        return cls(user.role, user.location_ids)

    def within(self, other: "Standing") -> bool:
        """Is it no more than the other, in rank and in reach?"""
        if RANK[self.role] > RANK[other.role]:
            return False
        return other.location_ids is None or (self.location_ids is not None and self.location_ids <= other.location_ids)


def may_manage(by: User, user: User) -> bool:
    """May `by`, who may manage people at all, change this user?"""
    if user.agency_id is None:
        return False
    return by.agency_id is None or (by.agency_id == user.agency_id and Standing.of(user).within(Standing.of(by)))


def invite(session: Session, by: User, agency_id: int, email: str, standing: Standing) -> User:
    """A user who still has to choose a password, by a link of `links`. Raises `InvalidInput`, `Forbidden`."""
    if by.agency_id not in (None, agency_id):
        raise NotFound("There is no such agency, or it is not yours to see.")
    _lock(session, by, agency_id)
    _check(session, by, agency_id, standing)
    # A password that nobody knows: only the link leads in.
    user = create_user(session, email, secrets.token_urlsafe(32), agency_id)
    user.invited, user.must_change_password = True, False
    _set(session, user, standing)
    return user


def bring(session: Session, agency_id: int, email: str, standing: Standing, stored: str, *, invited: bool) -> User:
    """Somebody out of another system, whom the operator brings over, with the hash of their password.

    `invited`: nobody knows that password, so a link has to let them in. Raises `InvalidInput`, `NotFound`.
    """
    session.scalars(select(Agency).where(Agency.id == agency_id).with_for_update()).one()
    _check(session, None, agency_id, standing)
    user = write_user(session, clean_email(email), stored, agency_id)
    user.invited, user.must_change_password = invited, False
    _set(session, user, standing)
    return user


def change(session: Session, by: User, user: User, standing: Standing) -> None:
    """Gives the user another role or other locations; sessions that go on follow at once.

    With more than before, the links that are open for the user are void.
    """
    agency_id = _begin(session, by, user)
    _check(session, by, agency_id, standing)
    if not standing.within(Standing.of(user)):
        # Whoever made a link for the user may have it still: it would let them in as more than they are themselves.
        links.void(session, user)
    if _leads(user) and standing != Standing(Role.OWNER, None):
        _keep_an_owner(session, user)
    _set(session, user, standing)


def turn_off(session: Session, by: User, user: User) -> None:
    """The user may not sign in any more; sessions and links end, also those that the user made for others."""
    _begin(session, by, user)
    if by.id == user.id:
        raise InvalidInput("You cannot turn yourself off: ask somebody else who manages users.")
    if _leads(user):
        _keep_an_owner(session, user)
    user.active = False
    end_all(session, user)
    links.void(session, user)
    links.void_made_by(session, user)


def turn_on(session: Session, by: User, user: User) -> None:
    """The user may sign in again."""
    _begin(session, by, user)
    user.active = True


def demand(by: User, user: User) -> None:
    """Raises `Forbidden` unless `by` may change this user."""
    if not may_manage(by, user):
        raise Forbidden(ABOVE)


def _begin(session: Session, by: User, user: User) -> int:
    """The agency, locked: two who turn each other off at once would leave it without an owner."""
    demand(by, user)
    agency_id = user.agency_id or 0
    _lock(session, by, agency_id)
    session.refresh(user)
    demand(by, user)
    return agency_id


def _lock(session: Session, by: User, agency_id: int) -> None:
    """Whoever waited here may have lost what they had meanwhile. Raises `Forbidden`."""
    session.scalars(select(Agency).where(Agency.id == agency_id).with_for_update()).one()
    session.refresh(by)
    if not by.active or not (by.agency_id is None or Permission.PEOPLE in PERMISSIONS[by.role]):
        raise Forbidden(ABOVE)


def _check(session: Session, by: User | None, agency_id: int, standing: Standing) -> None:
    ids = standing.location_ids
    if standing.role == Role.CLIENT and (ids is None or len(ids) != 1):
        raise InvalidInput("A client has exactly one sub-account: choose it.")
    if ids is not None and not ids:
        raise InvalidInput("Choose at least one sub-account, or all of them.")
    if ids is not None and _known(session, agency_id, ids) != len(ids):
        raise NotFound("There is no such sub-account, or it is not yours to see.")
    if by is not None and by.agency_id is not None and not standing.within(Standing.of(by)):
        raise Forbidden(ABOVE)


def _known(session: Session, agency_id: int, ids: Collection[int]) -> int:
    mine = Location.agency_id == agency_id, Location.id.in_(ids)
    return session.scalar(select(func.count()).select_from(Location).where(*mine)) or 0


def _set(session: Session, user: User, standing: Standing) -> None:
    user.role, user.all_locations = standing.role, standing.location_ids is None
    session.execute(delete(UserLocation).where(UserLocation.user_id == user.id))
    session.add_all([UserLocation(user_id=user.id, location_id=id_) for id_ in sorted(standing.location_ids or ())])
    session.flush()
    session.refresh(user)


def _leads(user: User) -> bool:
    return user.active and not user.invited and Standing.of(user) == Standing(Role.OWNER, None)


def _keep_an_owner(session: Session, user: User) -> None:
    others = User.agency_id == user.agency_id, User.id != user.id, User.role == Role.OWNER, User.all_locations
    if not session.scalar(select(func.count()).select_from(User).where(*others, User.active, User.invited.is_(False))):
        raise InvalidInput(LAST_OWNER)
