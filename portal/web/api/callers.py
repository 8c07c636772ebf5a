"""Who calls: the key of a request, what it may do, and what it reaches."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from flask import current_app, g, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import api_keys, throttle
from portal.accounts.api_keys import Reach, Scope
from portal.accounts.api_use import ApiUses
from portal.errors import NotFound, Overloaded, Unauthentic
from portal.models import ApiKey, Location
from portal.services import Services
from portal.web.api.blueprint import USES, Forbidden, InvalidField
from portal.web.context import services

log = logging.getLogger(__name__)

LONGEST_ID = 200
NO_KEY = "The key is wrong, has ended or is missing: send Authorization: Bearer with a key."


@dataclass(frozen=True, slots=True)
class Caller:
    """A key that was found good, with the parts of the process that its request works with."""

    key: ApiKey
    reach: Reach
    parts: Services

    @property
    def name(self) -> str:
        """How the history names who asked."""
        return f"API key {self.key.prefix}… ({self.key.name})"[:128]

    @property
    def test(self) -> bool:
        """Does it only rehearse?"""
        return self.key.test

    def location(self, session: Session, ghl_id: str) -> Location:
        """The location that HighLevel calls so, or, unnamed, the only one that the key reaches.

        Raises `NotFound` for one that it does not reach, `InvalidField` when it has to be named.
        """
        wanted = self.reach.narrow(select(Location)).order_by(Location.id)
        if ghl_id:
            named: Location | None = session.scalar(wanted.where(Location.ghl_id == ghl_id[:LONGEST_ID]))
            if named is None:
                raise NotFound("There is no such sub-account, or this key does not reach it.")
            return named
        found: Sequence[Location] = session.scalars(wanted.limit(2)).all()
        if len(found) > 1:
            raise InvalidField("location", "This key reaches several sub-accounts: name one in location.")
        if not found:
            raise NotFound("This key reaches no sub-account.")
        return found[0]


def identify(token: str = "") -> Caller:
    """The caller of this request, whose use of its minute is counted. `token`: the key, where it is shown otherwise
    than as a bearer token.

    Raises `Unauthentic` without a good key (`Overloaded` after many tries from one address), and `Overloaded` when the
    key's minute is used up.
    """
    parts = services()
    key = bearer(parts, token)
    standing = _uses().spend(parts.database, key)
    g.api_standing = standing
    if not standing.allowed:
        raise Overloaded(f"This key makes at most {standing.limit} requests a minute: wait.", standing.resets_in)
    return Caller(key, Reach.of(key), parts)


def bearer(parts: Services, token: str = "") -> ApiKey:
    """The key that the request names. Raises like `identify`; nothing is counted for a good one."""
    scheme, _, given = ("bearer", "", token) if token else request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Unauthentic(NO_KEY)  # nothing was tried
    with parts.database.read() as session:
        found = api_keys.find(session, parts.settings.secret_key, given.strip())
    if found is None:
        address = request.remote_addr or ""
        throttle.count_call(parts.database, address, "api")
        log.warning("API key refused", extra={"path": request.path, "address": address})
        raise Unauthentic(NO_KEY)
    return found


def may(key: ApiKey, scopes: tuple[Scope, ...]) -> None:
    """Raises `Forbidden` when the key has none of these scopes."""
    if not any(scope.value in key.scopes for scope in scopes):
        wanted = " or ".join(scope.value for scope in scopes)
        raise Forbidden(f"This key may not do this: it takes the scope {wanted}.")


def _uses() -> ApiUses:
    found: ApiUses = current_app.extensions[USES]
    return found
