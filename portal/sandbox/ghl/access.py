"""Who may call what: the Version header, the token, the tenant and the rate limit, refused in HighLevel's words."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec

from flask import Blueprint, Response, g, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.tokens import Owner, Refused

P = ParamSpec("P")

blueprint = Blueprint("ghl", __name__)

VERSIONS = ("2021-04-15", "2021-07-28", "2023-02-21", "v3")
# What a token must have been given for a call; the others are free for any token of the right kind.
SCOPES = {
    "update_status": "conversations/message.write",
    "add_inbound": "conversations/message.write",
    "upload_files": "conversations/message.write",
    "list_messages": "conversations/message.readonly",
    "get_message": "conversations/message.readonly",
    "search_conversations": "conversations.readonly",
    "create_conversation": "conversations.write",
    "find_duplicate": "contacts.readonly",
    "get_contact": "contacts.readonly",
    "create_contact": "contacts.write",
    "upsert_contact": "contacts.write",
    "update_contact": "contacts.write",
    "add_tags": "contacts.write",
    "remove_tags": "contacts.write",
    "charge": "charges.write",
    "delete_charge": "charges.write",
    "list_charges": "charges.readonly",
    "get_charge": "charges.readonly",
    "has_funds": "charges.readonly",
    "get_location": "locations.readonly",
    "installed_locations": "oauth.readonly",
    "location_token": "oauth.write",
    "uninstall": "oauth.write",
}
NAMES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 422: "Unprocessable Entity"}


def refuse(status: int, words: str | list[str], **more: Any) -> Response:
    """An error in HighLevel's shape."""
    response = jsonify(statusCode=status, message=words, error=NAMES.get(status, "Error"), **more)
    response.status_code = status
    return response


def created(**body: Any) -> Response:
    """A 201, which HighLevel answers where its own specification says 200."""
    response = jsonify(**body)
    response.status_code = 201
    return response


def location_call(view: Callable[P, Response]) -> Callable[P, Response]:
    """A route for Location tokens. The view finds the caller with `caller()`."""
    return _guarded(view, ("Location",), VERSIONS)


def any_call(view: Callable[P, Response]) -> Callable[P, Response]:
    """A route for Location and Company tokens alike."""
    return _guarded(view, ("Location", "Company"), VERSIONS)


def company_call(view: Callable[P, Response]) -> Callable[P, Response]:
    """A route for Company tokens, under its old name, which v3 no longer has (highlevel-api-docs issue 304)."""
    return _guarded(view, ("Company",), VERSIONS[:-1])


def caller() -> Owner:
    """Whom the token of the call at hand speaks for."""
    owner: Owner = g.owner
    return owner


def foreign(location_id: str) -> Response | None:
    """The refusal when the token is not of this location."""
    if location_id == caller().location_id:
        return None
    return refuse(403, "The token does not have access to this location.")


def payload() -> dict[str, Any]:
    """The JSON object of the request, {} when there is none."""
    body = request.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def unexpected(body: dict[str, Any], known: frozenset[str]) -> list[str]:
    """One complaint for each property HighLevel does not know (highlevel-api-docs issue 262)."""
    return [f"property {name} should not exist" for name in body if name not in known]


def iso(at: float) -> str:
    """Unix seconds as HighLevel writes times."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _guarded(view: Callable[P, Response], kinds: tuple[str, ...], versions: tuple[str, ...]) -> Callable[P, Response]:
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Response:
        refusal = _version_fault(versions) or _token_fault(kinds)
        if refusal is not None:
            return refusal
        passes, headers = sandbox().ghl.limit.take(caller().id)
        response = view(*args, **kwargs) if passes else refuse(429, "Too Many Requests")
        response.headers.update(headers)
        return response

    return guarded


def _version_fault(versions: tuple[str, ...]) -> Response | None:
    version = request.headers.get("Version")
    if version is None:
        return refuse(401, "version header was not found.")
    if version not in VERSIONS:
        return refuse(400, "Invalid API version segment")
    if version not in versions:
        return refuse(400, f"Endpoint {request.path} not available in API version {version}")
    return None


def _token_fault(kinds: tuple[str, ...]) -> Response | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        return refuse(401, "Invalid JWT")
    try:
        g.owner = sandbox().ghl.grants.check(token)
    except Refused as error:
        return refuse(error.status, error.words)
    if caller().kind not in kinds:
        return refuse(401, "This authClass type is not allowed to access this scope. Please generate another token.")
    needed = SCOPES.get((request.endpoint or "").rpartition(".")[2])
    if needed and not sandbox().ghl.grants.may(token, needed):
        return refuse(401, "The token is not authorized for this scope.")
    return None
