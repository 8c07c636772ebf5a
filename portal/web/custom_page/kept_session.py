"""`flask.session` without a cookie: inside the custom page it lives in the row of the page's session.

So flash() and csrf_token() work there as everywhere. What is not let in has an empty one that nothing keeps.
"""

import logging
from typing import Any

from flask import Flask, Request, Response
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SessionInterface, SessionMixin
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import CallbackDict

from portal.accounts import page_sessions
from portal.database import is_away
from portal.web.context import services

log = logging.getLogger(__name__)

PREFIX = "/app"
_json = TaggedJSONSerializer()


class KeptSession(CallbackDict[str, Any], SessionMixin):
    """Filled by the guard once it knows whose it is."""

    def __init__(self) -> None:
        super().__init__(None, _changed)
        self.modified = False
        self.accessed = True
        self.row_id: int | None = None

    def fill(self, row_id: int, data: str) -> None:
        """Takes what was kept."""
        self.update(_json.loads(data) if data else {})
        self.row_id, self.modified = row_id, False


def _changed(session: CallbackDict[str, Any]) -> None:
    session.modified = True  # type: ignore[attr-defined]


class Sessions(SessionInterface):
    """The kept session under /app, the ordinary one everywhere else."""

    def __init__(self, ordinary: SessionInterface) -> None:
        self._ordinary = ordinary

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:
        """The session of a request."""
        if request.path == PREFIX or request.path.startswith(f"{PREFIX}/"):
            return KeptSession()
        return self._ordinary.open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Keeps what the request changed."""
        if not isinstance(session, KeptSession):
            self._ordinary.save_session(app, session, response)
        elif session.modified and session.row_id is not None:
            _keep(session.row_id, _json.dumps(dict(session)))


def _keep(row_id: int, data: str) -> None:
    try:
        with services().database.write() as session:
            page_sessions.keep(session, row_id, data)
    except (SQLAlchemyError, TimeoutError) as error:
        if not is_away(error):
            raise
        log.warning("database away, a notice of the custom page is lost")
