"""HighLevel's published OpenAPI (date versions) as a judge of our requests, with its known faults mended.

The specification lies beside the repository in `shared/specs/ghl`; where it is absent, nothing is judged.
"""

import json
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from openapi_schema_validator import OAS30Validator, oas30_format_checker

SPECS = Path(__file__).resolve().parents[1].parent / "shared" / "specs" / "ghl" / "apps"
APPS = ("conversations", "contacts", "oauth", "locations", "companies", "users", "medias", "marketplace")
METHODS = ("get", "put", "post", "delete", "patch")
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"


def available() -> bool:
    """Is the specification here?"""
    return SPECS.is_dir()


def check_request(
    method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str] | str = "", body: bytes = b""
) -> None:
    """Raises AssertionError with every reason why HighLevel's specification would not take this request.

    `path` is as sent (percent-encoded, without query), header names in any case, `body` raw.
    """
    if not available():
        return
    lowered = {name.lower(): value for name, value in headers.items()}
    reasons = list(_reasons(method.lower(), path, lowered, query, body))
    assert not reasons, f"{method} {path}: " + "; ".join(reasons)


def _reasons(
    method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str] | str, body: bytes
) -> Iterator[str]:
    found = _operation(method, path)
    if found is None:
        yield "no such operation"
        return
    operation, components = found
    given = dict(parse_qsl(query, keep_blank_values=True)) if isinstance(query, str) else query
    parameters = operation.get("parameters", [])
    yield from _header_reasons(operation, parameters, headers)
    yield from _query_reasons([p for p in parameters if p["in"] == "query"], given, components)
    yield from _body_reasons(operation.get("requestBody"), headers.get("content-type", ""), body, components)


def _header_reasons(operation: Any, parameters: Any, headers: Mapping[str, str]) -> Iterator[str]:
    for parameter in parameters:
        if parameter["in"] == "header" and parameter["name"].lower() != "authorization":
            value = headers.get(parameter["name"].lower())
            if value not in parameter["schema"].get("enum", [value]) or (value is None and parameter.get("required")):
                yield f"header {parameter['name']} is {value!r}"
    if operation.get("security") and not re.fullmatch(r"Bearer \S+", headers.get("authorization", "")):
        yield "no bearer token"


def _query_reasons(parameters: Any, given: Mapping[str, str], components: Any) -> Iterator[str]:
    known = {parameter["name"]: parameter for parameter in parameters}
    yield from (f"unknown query parameter {name}" for name in given if name not in known)
    for name, parameter in known.items():
        if name in given:
            value = _typed(given[name], parameter["schema"].get("type"))
            yield from (f"query {name}: {reason}" for reason in _errors(parameter["schema"], value, components))
        elif parameter.get("required"):
            yield f"query parameter {name} is missing"


def _body_reasons(expected: Any, content_type: str, body: bytes, components: Any) -> Iterator[str]:
    if not expected:
        if body:
            yield "a body where none belongs"
        return
    kind = content_type.split(";")[0].strip().lower()
    if kind not in expected["content"]:
        yield f"content type {content_type!r} instead of {'/'.join(expected['content'])}"
        return
    try:
        value = _read(kind, content_type, body)
    except ValueError as error:
        yield f"the body cannot be read: {error}"
        return
    yield from _errors(expected["content"][kind]["schema"], value, components)


def _read(kind: str, content_type: str, body: bytes) -> Any:
    if kind == FORM:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    if kind == MULTIPART:
        form = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        parts = form.get_payload()
        if not isinstance(parts, list):
            raise ValueError("no parts")
        # A file by its field alone: a schema can say no more of it.
        return {
            str(part.get_param("name", header="content-disposition")): "" if part.get_filename() else part.get_payload()
            for part in parts
        }
    return json.loads(body)


def _errors(schema: Any, value: Any, components: Any) -> Iterator[str]:
    validator = OAS30Validator({**schema, "components": components}, format_checker=oas30_format_checker)
    for error in validator.iter_errors(value):
        yield f"{error.json_path}: {error.message}"


def _typed(text: str, kind: str | None) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind in ("number", "integer") and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return json.loads(text)
    return text


def _operation(method: str, path: str) -> tuple[Any, Any] | None:
    matches = [
        (template.count("{"), operation, components)
        for template, known, operation, components in _operations()
        if known == method and _fits(template, path)
    ]
    return min(matches, key=lambda match: match[0])[1:] if matches else None


def _fits(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        bool(unquote(got)) if want.startswith("{") else want == got for want, got in zip(wanted, given, strict=True)
    )


@cache
def _operations() -> list[tuple[str, str, Any, Any]]:
    found = []
    for app in APPS:
        spec = json.loads((SPECS / f"{app}.json").read_text(encoding="utf-8"))
        _mend(spec)
        for path, item in spec["paths"].items():
            found += [(path, method, item[method], spec["components"]) for method in METHODS if method in item]
    return found


def _mend(spec: Any) -> None:
    """Where the published specification and the live API differ, the API is right."""
    schemas = spec["components"]["schemas"]
    for schema in schemas.values():
        if schema.get("type") == "object" and schema.get("properties"):
            # Live: 422 "property X should not exist".
            schema.setdefault("additionalProperties", False)
    if inbound := schemas.get("ProcessMessageBodyDto"):
        # Typed "object" there; and a missing direction means outbound, so ours always names it.
        inbound["properties"]["direction"] = {"type": "string", "enum": ["inbound", "outbound"]}
        # The default SMS provider needs no provider id, and either of contact and conversation will do.
        inbound["required"] = ["type", "direction"]
        inbound["anyOf"] = [{"required": ["contactId"]}, {"required": ["conversationId"]}]
    if upload := schemas.get("UploadFilesDto"):
        # The operation's own words: the file has the key fileAttachment; nothing takes addresses.
        upload["properties"]["fileAttachment"] = {"type": "string"}
        upload["required"] = ["conversationId", "contactId", "locationId", "fileAttachment"]
    if outbound := schemas.get("SendMessageBodyDto"):
        outbound["properties"]["subType"] = {}
        outbound["required"] = [name for name in outbound["required"] if name not in ("subType", "status")]
    for item in spec["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if parameter.get("schema", {}).get("type") == "any":
                    parameter["schema"] = {}
