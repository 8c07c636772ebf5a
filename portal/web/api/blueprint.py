"""The blueprint of the API: its errors as problem documents, and the state of a key's minute on every answer."""

from flask import Blueprint, Response, g, request
from flask.blueprints import BlueprintSetupState

from portal.accounts.api_use import ApiUses, Standing
from portal.errors import InvalidInput, Overloaded, PortalError
from portal.extensions import csrf
from portal.problems import problem

bp = Blueprint("api_v1", __name__, url_prefix="/api/v1")
# Programs prove themselves by a key; there is no browser session to protect.
csrf.exempt(bp)
USES = "api_uses"


class Forbidden(PortalError):
    """The key is good, and may not do this."""

    http_status = 403


class Unreadable(PortalError):
    """The body is no JSON."""

    http_status = 400


class WrongMedia(PortalError):
    """The body is of a type that is not taken."""

    http_status = 415


class InvalidField(InvalidInput):
    """One field of a request cannot be used as it stands."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@bp.record_once
def _remember_uses(state: BlueprintSetupState) -> None:
    state.app.extensions[USES] = ApiUses()


@bp.errorhandler(PortalError)
def _problem(error: PortalError) -> Response:
    errors = [(error.field, error.message)] if isinstance(error, InvalidField) else []
    response = problem(error.message, error.http_status, errors)
    if isinstance(error, Overloaded):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


@bp.after_request
def _limits(response: Response) -> Response:
    standing: Standing | None = g.get("api_standing")
    if standing is not None:
        response.headers["RateLimit-Limit"] = str(standing.limit)
        response.headers["RateLimit-Remaining"] = str(standing.left)
        response.headers["RateLimit-Reset"] = str(standing.resets_in)
    if request.method == "GET" and response.status_code == 200:
        response.headers.setdefault("Cache-Control", "no-store")
    return response
