"""Codes, access tokens and single-use refresh tokens, as HighLevel hands them out."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.sandbox.ghl.tokens import Owner, Pair, Refresh, Refused
from portal.sandbox.signing import SigningKey
from portal.sandbox.world import SCOPE, Ids, World

MOST_TOKENS = 20_000


@dataclass(slots=True)
class _Used:
    at: float
    successor: str


class Grants:
    """The grants of one sandbox.

    `expires_in` is the life of an access token in seconds. Within `grace_seconds` of its first use a refresh token
    gives its successor again (HighLevel's changelog, "Smarter Refresh Token Handling"); 0 switches the window off.
    Tokens are sealed with the sandbox's key, so that those of an earlier run are still known. `scope` is what a new
    consent grants; a renewed token has the scope of the old one, as after an update of the app.
    """

    def __init__(self, key: SigningKey, world: World, ids: Ids, clock: Callable[[], float]) -> None:
        self.expires_in = 86_399
        self.grace_seconds = 30.0
        self.scope = SCOPE
        self.refreshes: deque[Refresh] = deque(maxlen=MOST_TOKENS)
        self._key, self._world, self._ids, self._clock = key, world, ids, clock
        self._lock = threading.Lock()
        self._serial = 0
        self._expired_below = 0
        self._revoked_below: dict[str, int] = {}
        self._codes: OrderedDict[str, Owner] = OrderedDict()
        self._claims: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._used: OrderedDict[str, _Used] = OrderedDict()

    def mint_code(self, owner: Owner) -> str:
        """An authorization code for a location or a whole company, good for one exchange."""
        code = self._ids.new("code") + self._ids.new("code")
        with self._lock:
            self._codes[code] = owner
            _bound(self._codes)
        return code

    def exchange(self, code: str) -> Pair:
        """The first tokens of a code."""
        with self._lock:
            owner = self._codes.pop(code, None)
        if owner is None:
            raise Refused(401, "Authorization code not found")
        return self.mint(owner)

    def knows_code(self, code: str) -> bool:
        """Whether the code may still be exchanged."""
        return code in self._codes

    def mint(self, owner: Owner) -> Pair:
        """New tokens for the owner, however they came about."""
        with self._lock:
            return self._pair(owner, self._seal(owner, "refresh", 365 * 86_400, self.scope), self.scope)

    def refresh(self, token: str) -> Pair:
        """The tokens that follow this refresh token. Raises `Refused` and notes the outcome."""
        claims = self._read(token)
        with self._lock:
            owner, outcome, successor = self._judge(token, claims)
            self.refreshes.append(Refresh(self._clock(), owner.id, outcome))
            if outcome == "inactive":
                raise Refused(400, "Location is not active")
            if outcome in ("unknown", "reused"):
                raise Refused(400, "Invalid grant: refresh token is invalid")
            scope = str((claims or {}).get("scope", SCOPE))
            if outcome == "rotated":
                successor = self._seal(owner, "refresh", 365 * 86_400, scope)
                self._used[token] = _Used(self._clock(), successor)
                _bound(self._used)
            return self._pair(owner, successor, scope)

    def check(self, token: str) -> Owner:
        """Whom the access token speaks for. Raises `Refused` when it is unknown, expired or revoked."""
        claims = self._read(token)
        if claims is None or claims["use"] != "access" or self._revoked(claims):
            raise Refused(401, "Invalid JWT")
        this_life = claims["life"] == self._ids.seed
        if claims["exp"] <= self._clock() or (this_life and claims["n"] <= self._expired_below):
            raise Refused(401, "The token has expired.")
        return Owner(claims["company"], claims["location"])

    def may(self, token: str, scope: str) -> bool:
        """Whether the token was given this scope."""
        claims = self._read(token) or {}
        return scope in str(claims.get("scope", SCOPE)).split()

    def expire_access_tokens(self) -> None:
        """Every access token given so far has expired. Refresh tokens stay good."""
        with self._lock:
            self._expired_below = self._serial

    def revoke(self, owner_id: str) -> None:
        """The app was uninstalled there: all tokens of the location or company are dead."""
        with self._lock:
            self._revoked_below[owner_id] = self._serial

    def _judge(self, token: str, claims: dict[str, Any] | None) -> tuple[Owner, str, str]:
        if claims is None or claims["use"] != "refresh":
            return Owner(""), "unknown", ""
        owner = Owner(claims["company"], claims["location"])
        if self._revoked(claims) or claims["exp"] <= self._clock():
            return owner, "unknown", ""
        location = self._world.locations.get(owner.location_id)
        if location is not None and not location.active:
            return owner, "inactive", ""
        used = self._used.get(token)
        if used is None:
            return owner, "rotated", ""
        within = self.grace_seconds > 0 and self._clock() - used.at <= self.grace_seconds
        return owner, "grace" if within else "reused", used.successor

    def _pair(self, owner: Owner, refresh_token: str, scope: str) -> Pair:
        access_token = self._seal(owner, "access", self.expires_in, scope)
        return Pair(owner, access_token, refresh_token, self.expires_in, scope)

    def _seal(self, owner: Owner, use: str, seconds: float, scope: str) -> str:
        self._serial += 1
        claims = {
            "authClass": owner.kind,
            "authClassId": owner.id,
            "company": owner.company_id,
            "location": owner.location_id,
            "use": use,
            "scope": scope,
            "exp": self._clock() + seconds,
            "life": self._ids.seed,
            "n": self._serial,
        }
        token = self._key.seal(claims)
        self._claims[token] = claims
        _bound(self._claims)
        return token

    def _read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token, from memory or from the token itself when an earlier run made it."""
        with self._lock:
            known = self._claims.get(token)
        if known is not None:
            return known
        claims = self._key.unseal(token)
        if claims is not None:
            with self._lock:
                self._claims[token] = claims
        return claims

    def _revoked(self, claims: dict[str, Any]) -> bool:
        owners = (claims["company"], claims["location"])
        floor = max(self._revoked_below.get(owner, 0) for owner in owners)
        return floor > 0 and (claims["life"] != self._ids.seed or claims["n"] <= floor)


def _bound(store: OrderedDict[Any, Any]) -> None:
    while len(store) > MOST_TOKENS:
        store.popitem(last=False)
