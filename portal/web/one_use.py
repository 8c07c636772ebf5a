"""Addresses that work once and for a minute: downloads and images inside the custom page, which can carry no header.

Each is for one session and one address of it. In the agency's portal, where a cookie signs in, they are plain ones.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from flask import Flask, g, request, url_for
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal import clock
from portal.crypto import fingerprint
from portal.database import insert
from portal.errors import PortalError
from portal.models import PageSession, UsedLink
from portal.web.context import services

PARAMETER = "once"
SECONDS = 60
LONGEST = 4000
_CLEARED_AT_ONCE = 100

ENDED = "This link works once and for a minute, and it was used or is older: open it again from its page."


class LinkEnded(PortalError):
    """The link was used, is too old, or is for something else."""

    http_status = 410


def link(endpoint: str, **values: Any) -> str:
    """The address of a page's download or image, good once in the custom page. Relative endpoints as in `url_for`."""
    target = url_for(endpoint, **values)
    row: PageSession | None = g.get("page_session")
    return target if row is None else sign(row.id, target)


def sign(session_id: int, target: str) -> str:
    """The address `target` with what lets it in once, for that session."""
    until = int((clock.now() + timedelta(seconds=SECONDS)).timestamp())
    said = {"session": session_id, "to": _plain(target), "until": until, "nonce": secrets.token_urlsafe(12)}
    return f"{target}{'&' if '?' in target else '?'}{PARAMETER}={_signer().dumps(said)}"


def without(target: str) -> str:
    """The address without what lets it in."""
    return target.partition(f"{PARAMETER}=")[0].rstrip("?&")


def asked() -> bool:
    """Does the request at hand come by such a link?"""
    return request.method == "GET" and PARAMETER in request.args


def session_of_request() -> int:
    """The id of the session that the link at hand is for. Raises `LinkEnded`. Using it up is `use`."""
    return int(_said()["session"])


def use(session: Session) -> None:
    """Uses the link at hand up. Raises `LinkEnded` when it was before."""
    said, moment = _said(), clock.now()
    row = insert(session, UsedLink).values(
        name=fingerprint(str(said["nonce"])), until=moment + timedelta(seconds=2 * SECONDS)
    )
    if session.execute(row.on_conflict_do_nothing().returning(UsedLink.name)).first() is None:
        raise LinkEnded(ENDED)
    old = select(UsedLink.name).where(UsedLink.until < moment).limit(_CLEARED_AT_ONCE)
    names = session.scalars(old.with_for_update(skip_locked=True)).all()
    session.execute(delete(UsedLink).where(UsedLink.name.in_(names)))


def _said() -> Mapping[str, Any]:
    # All of the address but its end is signed: a parameter more would change what the link is for.
    query = request.query_string.decode("ascii", "replace")
    target, _, signed = f"{request.path}?{query}".rpartition(f"{PARAMETER}=")
    try:
        said = _signer().loads(signed) if len(signed) <= LONGEST else None
    except BadSignature:
        said = None
    if not isinstance(said, dict) or said.get("to") != _plain(target[:-1]) or clock.now().timestamp() >= said["until"]:
        raise LinkEnded(ENDED)
    return said


def _plain(target: str) -> str:
    """As both a link and a request spell it: browsers and servers encode paths differently."""
    path, mark, query = target.partition("?")
    return unquote(path) + mark + query


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(services().settings.secret_key, salt="one use")


def init_app(app: Flask) -> None:
    """Gives every template `one_use_link`."""
    app.add_template_global(link, "one_use_link")
