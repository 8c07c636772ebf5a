"""Grants: from HighLevel's consent page to tokens, and from an agency's token to its sub-accounts'.

Calls the date-versioned endpoints with forms: JSON is refused there, and the v3 names answer other shapes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from portal import clock
from portal.ghl.errors import GhlError, Kind
from portal.ghl.fields import identifier, mapping, number, text, texts
from portal.ghl.transport import DEADLINE, RESOURCES, OnRateLimit, Transport, segment
from portal.http import HttpClient

INSTALL_URL = "https://marketplace.gohighlevel.com/v2/oauth/chooselocation"
WHITE_LABEL_INSTALL_URL = "https://marketplace.leadconnectorhq.com/v2/oauth/chooselocation"

LOCATION, COMPANY = "Location", "Company"
DAY_SECONDS = 86_400
PAGE = 100
# HighLevel repeats a refresh's answer for 30 s: two calls of this length fit in.
REFRESH_SECONDS = 12.0

# What a location's token must hold, and what an agency's: conversations belong to locations only.
LOCATION_SCOPES = (
    "conversations/message.write",  # delivery webhook, inbound messages, statuses
    "conversations/message.readonly",
    "conversations.readonly",
    "conversations.write",
    "contacts.readonly",
    "contacts.write",
    "locations.readonly",
)
COMPANY_SCOPES = (
    "oauth.readonly",  # an agency's installed locations
    "oauth.write",  # their tokens, and uninstalling the app
)
SCOPES = LOCATION_SCOPES + COMPANY_SCOPES


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a token call gives. A Company grant has no `location_id`; ids that HighLevel left out are ""."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    scope: str = ""
    user_type: str = LOCATION
    location_id: str = ""
    company_id: str = ""
    user_id: str = ""
    plan_id: str = ""
    approved_locations: tuple[str, ...] = ()
    is_bulk: bool = False
    install_to_future: bool = False


@dataclass(frozen=True, slots=True)
class InstalledLocation:
    """A sub-account of an agency, and whether it has the app."""

    id: str
    name: str = ""
    address: str = ""
    version_id: str = ""
    is_installed: bool = True


class OAuthClient:
    """The app's own talk with HighLevel. All methods raise `GhlError`."""

    def __init__(
        self,
        http: HttpClient,
        base_url: str,
        client_id: str,
        client_secret: str,
        on_rate_limit: OnRateLimit | None = None,
    ) -> None:
        self._transport = Transport(http, base_url, on_rate_limit)
        self._app = {"client_id": client_id, "client_secret": client_secret}

    def exchange_code(self, code: str, redirect_uri: str, user_type: str = LOCATION) -> TokenGrant:
        """The grant for a consent. GRANT_DEAD when the code was used or is none."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "user_type": user_type}
        return self._token(form, user_type)

    def refresh(self, refresh_token: str, user_type: str) -> TokenGrant:
        """A new grant for a refresh token, which works once: store the new one before it is used.

        After UNKNOWN the same token may be tried again for 30 seconds. LOCATION_INACTIVE leaves it good; only
        GRANT_DEAD ends it.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "user_type": user_type}
        return self._token(form, user_type, REFRESH_SECONDS)

    def location_token(self, company_token: str, company_id: str, location_id: str) -> TokenGrant:
        """A sub-account's grant out of its agency's access token."""
        asked = clock.now()
        form = {"companyId": company_id, "locationId": location_id}
        answer = self._transport.call("POST", "/oauth/locationToken", version=RESOURCES, token=company_token, form=form)
        known = {"userType": LOCATION, "locationId": location_id, "companyId": company_id}
        granted = _grant({**known, **_given(answer)}, asked)
        if (granted.user_type, granted.location_id, granted.company_id) != (LOCATION, location_id, company_id):
            raise GhlError(Kind.INVALID, status=200, hint="It gave a token for another sub-account than was asked for.")
        return granted

    def uninstall(self, location_token: str, app_id: str, location_id: str, reason: str) -> None:
        """Takes the app out of one location. Never with an agency's token, which takes it out of all of them."""
        path = f"/marketplace/app/{segment(app_id)}/installations"
        body = {"locationId": location_id, "reason": reason}
        self._transport.call("DELETE", path, version=RESOURCES, token=location_token, json=body)

    def installed_locations(
        self, company_token: str, company_id: str, app_id: str, wait: Callable[[GhlError], bool] | None = None
    ) -> Iterator[InstalledLocation]:
        """Every sub-account of the agency with the app, fetched page by page.

        A long list uses up the request limit. `wait` is asked then: True goes on with the page that was refused.
        """
        seen: set[str] = set()
        while True:
            try:
                page = self._installed_page(company_token, company_id, app_id, len(seen))
            except GhlError as error:
                if error.kind is Kind.RATE_LIMITED and wait is not None and wait(error):
                    continue
                raise
            fresh = [place for place in page if place.id not in seen]
            if not fresh:
                return
            seen.update(place.id for place in fresh)
            yield from (place for place in fresh if place.id and place.is_installed)

    def _installed_page(self, token: str, company_id: str, app_id: str, skip: int) -> list[InstalledLocation]:
        query = {
            "companyId": company_id,
            "appId": app_id,
            "isInstalled": "true",
            "skip": str(skip),
            "limit": str(PAGE),
        }
        answer = self._transport.call("GET", "/oauth/installedLocations", version=RESOURCES, token=token, params=query)
        listed = answer.get("locations")
        return [_installed(mapping(entry)) for entry in listed] if isinstance(listed, list) else []

    def _token(self, form: Mapping[str, str], user_type: str, deadline: float = DEADLINE) -> TokenGrant:
        asked = clock.now()
        whole = {**self._app, **form}
        try:
            answer = self._transport.call("POST", "/oauth/token", version=RESOURCES, form=whole, deadline=deadline)
        except GhlError as error:
            raise _without_bearer(error) from None
        return _grant({"userType": user_type, **_given(answer)}, asked)


def install_url(
    client_id: str,
    redirect_uri: str,
    state: str,
    *,
    scopes: Sequence[str] = SCOPES,
    app_id: str = "",
    white_label: bool = False,
) -> str:
    """The consent page. A private app's page stays blank without `version_id`, which is the app's id."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "version_id": app_id or client_id.split("-", 1)[0],
    }
    page = WHITE_LABEL_INSTALL_URL if white_label else INSTALL_URL
    return f"{page}?{urlencode(query, quote_via=quote)}"


def _without_bearer(error: GhlError) -> GhlError:
    """No bearer token is shown at the token endpoint: a plain 401 there refuses the app itself, not the grant."""
    if error.kind is not Kind.TOKEN_REJECTED:
        return error
    hint = "Check GHL_CLIENT_ID and GHL_CLIENT_SECRET."
    return GhlError(Kind.NO_ACCESS, status=error.status, code=error.code, detail=error.detail, hint=hint)


def _given(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if value not in (None, "")}


def _grant(answer: Mapping[str, Any], asked: datetime) -> TokenGrant:
    """Counts the life of the token from before the request, so that it never looks longer than it is."""
    access_token = text(answer.get("access_token"))
    if not access_token:
        raise GhlError(Kind.UNKNOWN, status=200, hint="Its answer holds no access token.")
    seconds = min(number(answer.get("expires_in")) or DAY_SECONDS, 366 * DAY_SECONDS)
    return TokenGrant(
        access_token=access_token,
        refresh_token=text(answer.get("refresh_token")),
        expires_at=asked + timedelta(seconds=seconds),
        scope=text(answer.get("scope")),
        user_type=text(answer.get("userType")),
        location_id=identifier(answer.get("locationId")),
        company_id=identifier(answer.get("companyId")),
        user_id=identifier(answer.get("userId")),
        plan_id=identifier(answer.get("planId")),
        approved_locations=texts(answer.get("approvedLocations")),
        is_bulk=answer.get("isBulkInstallation") is True,
        install_to_future=answer.get("installToFutureLocations") is True,
    )


def _installed(fields: Mapping[str, Any]) -> InstalledLocation:
    return InstalledLocation(
        id=identifier(fields.get("_id")),
        name=text(fields.get("name")),
        address=text(fields.get("address")),
        version_id=identifier(fields.get("versionId")),
        is_installed=fields.get("isInstalled") is not False,
    )
