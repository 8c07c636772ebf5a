"""Who may frame the custom page: HighLevel, and the one white-label domain that the page is opened from.

The page is asked for before anybody is known. Which domain it is, the Referer says, or `?location=` in the address that
HighLevel fills in; both are only looked up among those that installations brought. All of them at once would tell
everybody who our agencies are.
"""

import re
import threading
import time
from urllib.parse import urlsplit

from flask import request
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.config import Settings
from portal.database import Database
from portal.models import Agency, Location
from portal.security import CSP

# No official list exists; these are HighLevel's own (reference §7).
HIGHLEVEL = (
    "https://app.gohighlevel.com",
    "https://*.gohighlevel.com",
    "https://app.leadconnectorhq.com",
    "https://*.leadconnectorhq.com",
)
KNOWN_FOR = 30.0
_HOST = re.compile(r"(?=.{4,253}$)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_NOBODY = "frame-ancestors 'none'"


class Frames:
    """Knows the white-label domains for some seconds, and while the database is away for longer."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._always = HIGHLEVEL + (_stand_in(settings) if settings.sandbox else ())
        self._known: frozenset[str] = frozenset()
        self._until = 0.0
        self._lock = threading.Lock()

    def policy(self) -> str:
        """The Content-Security-Policy for the request at hand."""
        found = {_referring_host(), self._hinted_host()} & self._domains()
        allowed = " ".join((*self._always, *(f"https://{host}" for host in sorted(found))))
        return CSP.replace(_NOBODY, f"frame-ancestors {allowed}")

    def _domains(self) -> frozenset[str]:
        with self._lock:
            if time.monotonic() < self._until:
                return self._known
            self._until = time.monotonic() + KNOWN_FOR
        try:
            with self._database.read() as session:
                rows = session.scalars(select(Agency.whitelabel_domain).where(Agency.whitelabel_domain != ""))
                self._known = frozenset(filter(None, map(host_of, rows.unique())))
        except (SQLAlchemyError, TimeoutError):
            pass  # stale is better than an empty frame
        return self._known

    def _hinted_host(self) -> str:
        hint = request.args.get("location", "")
        if not hint or len(hint) > 128:
            return ""
        query = select(Agency.whitelabel_domain).join(Location, Location.agency_id == Agency.id)
        try:
            with self._database.read() as session:
                return host_of(session.scalar(query.where(Location.ghl_id == hint)) or "")
        except (SQLAlchemyError, TimeoutError):
            return ""


def host_of(domain: str) -> str:
    """The host of a domain as installations bring it, with or without scheme and path; "" for what is none."""
    try:
        host = urlsplit(domain if "//" in domain else f"//{domain}").hostname or ""
    except ValueError:
        return ""
    return host if _HOST.fullmatch(host) else ""


def _referring_host() -> str:
    return host_of(request.referrer or "") if (request.referrer or "").startswith("https://") else ""


def _stand_in(settings: Settings) -> tuple[str, ...]:
    """The sandbox's HighLevel, by both of the names that a browser may use for it."""
    port = urlsplit(settings.ghl_api_url).port
    return tuple(f"http://{host}:{port}" for host in ("127.0.0.1", "localhost"))
