"""The specification of the API, made of its operations and their types: nothing in it is written twice."""

import re
from functools import cache
from typing import Any

import msgspec

from portal.problems import MEDIA_TYPE
from portal.web.api.operations import JSON, OPERATIONS, Operation

_PARAMETER = re.compile(r"<(\w+):(\w+)>")
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_PROBLEMS = {
    400: "The body, or something in the address, cannot be read.",
    401: "The key is wrong, has ended or is missing.",
    403: "The key may not do this.",
    404: "There is no such thing, or it is not in the key's reach: both look the same.",
    409: "The `Idempotency-Key` was used for another request.",
    413: "The request is larger than 4 MiB.",
    415: "The body is not `application/json`.",
    422: "The request cannot be carried out as it stands: `detail` says why, `errors` name the fields.",
    429: "The key's minute is used up, or too many wrong keys came from one address: `Retry-After` says until when.",
    503: "The database does not answer. Nothing was done: try again.",
}
_ABOUT = """Messages by SMS and WhatsApp for HighLevel sub-accounts. Keys are made in the portal; send one as
`Authorization: Bearer sk_live_…`. A POST with an `Idempotency-Key` is carried out once: the same request gets the same
answer for 48 hours, another one under the same key is 409. Lists have a `next`, to be given as `cursor`. Errors are
problem documents (RFC 9457). What webhooks and callbacks post, how they are signed and tried, and what test keys do is
in the guide, `docs/api.md`."""
_HEADERS = {
    "RateLimit-Limit": {"description": "Requests that the key may make in a minute.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "What is left of them.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until the next minute.", "schema": {"type": "integer"}},
}
_AGAIN = {
    "Idempotent-Replayed": {
        "description": "true: this was answered before, and nothing was done now.",
        "schema": {"type": "string"},
    }
}
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes the request safe to repeat. Any text that is used for this request alone.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}


@cache
def specification() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    types = [kind for each in OPERATIONS for kind in (each.answer, each.body, each.query) if kind is not None]
    unique = list(dict.fromkeys(types))
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    known = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        place = paths.setdefault(_PARAMETER.sub(r"{\2}", each.rule), {})
        place[each.method.lower()] = _operation(each, known, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sendero API", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/api/v1"}],
        "security": [{"key": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in OPERATIONS)],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**components, "Problem": _problem_schema()},
        },
    }


def _operation(made: Operation, known: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    scopes = " or ".join(f"`{scope.value}`" for scope in made.scopes)
    live = " Not for test keys." if made.live_only else ""
    said: dict[str, Any] = {
        "operationId": made.name,
        "tags": [made.tag],
        "summary": made.summary,
        "description": f"{made.description}\n\nScope: {scopes}.{live}".strip(),
        "parameters": [*_path(made), *_query(made, components), *([_KEY_HEADER] if made.changes else [])],
        "responses": _responses(made, known),
    }
    if made.body is not None:
        said["requestBody"] = {"required": True, "content": {JSON: {"schema": known[made.body]}}}
    return said


def _path(made: Operation) -> list[dict[str, Any]]:
    schemas = {"int": {"type": "integer", "minimum": 0}, "string": {"type": "string", "minLength": 1}}
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas[kind]}
        for kind, name in _PARAMETER.findall(made.rule)
    ]


def _query(made: Operation, components: dict[str, Any]) -> list[dict[str, Any]]:
    if made.query is None:
        return []
    fields = components[made.query.__name__]["properties"]
    found = []
    for name, schema in fields.items():
        plain = {word: value for word, value in schema.items() if word != "description"}
        about = {"description": schema["description"]} if "description" in schema else {}
        found.append({"name": name, "in": "query", "required": False, **about, "schema": plain})
    return found


def _responses(made: Operation, known: dict[Any, Any]) -> dict[str, Any]:
    headers = {**_HEADERS, **(_AGAIN if made.changes else {})}
    good: dict[str, Any] = {"description": "Done." if made.status != 202 else "Taken.", "headers": headers}
    if made.answer is not None:
        good["content"] = {JSON: {"schema": known[made.answer]}}
    problem = {MEDIA_TYPE: {"schema": _PROBLEM}}
    return {
        str(made.status): good,
        **{str(status): {"description": _PROBLEMS[status], "content": problem} for status in _faults(made)},
    }


def _faults(made: Operation) -> list[int]:
    """What an operation may answer when it does not do what was asked."""
    faults = {400, 401, 403, 404, 422, 429, 503}
    if made.body is not None:
        faults |= {413, 415}
    if made.changes:
        faults.add(409)
    return sorted(faults)


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    field = {"type": "object", "required": ["field", "message"], "properties": {"field": text, "message": text}}
    return {
        "title": "Problem",
        "description": "A problem document (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": text,
            "request_id": text,
            "errors": {"type": "array", "items": field},
        },
    }


def problems() -> dict[int, str]:
    """Every status that is a problem, with what it means."""
    return dict(_PROBLEMS)
