"""Faults as RFC 9457 has them: what the JSON API answers when it cannot do what was asked."""

import json
from collections.abc import Sequence
from http import HTTPStatus

from flask import Response, g, request

MEDIA_TYPE = "application/problem+json"
PATHS = "/api/v1/"


def problem(sentence: str, status: int, errors: Sequence[tuple[str, str]] = ()) -> Response:
    """A problem document. `errors` are pairs of a field and what is wrong with it.

    `type` leads to the paragraph of the documentation that explains the status.
    """
    title = HTTPStatus(status).phrase
    said = {
        "type": f"{request.script_root}{PATHS}docs#problem-{status}",
        "title": title,
        "status": status,
        "detail": sentence,
        "instance": request.path,
        "request_id": g.get("request_id", ""),
    }
    if errors:
        said["errors"] = [{"field": field, "message": message} for field, message in errors]
    response = Response(json.dumps(said, ensure_ascii=False), status, mimetype=MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Sendero API"'
    return response
