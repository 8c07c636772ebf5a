"""The specification, for programs and as a page for people that needs nothing from elsewhere."""

from typing import Any

import msgspec
from flask import Response, render_template

from portal.callbacks.outbox import EVENTS
from portal.web.api.blueprint import bp
from portal.web.api.openapi import problems, specification
from portal.web.api.operations import JSON


@bp.get("/openapi.json")
def openapi() -> Response:
    """The specification. Public: it says nothing of anybody."""
    response = Response(msgspec.json.encode(specification()), mimetype=JSON)
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@bp.get("/docs")
def docs() -> str:
    """The same as a page."""
    spec = specification()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in spec["paths"].items():
        for method, said in methods.items():
            shown = {**said, "path": path, "method": method.upper()}
            groups.setdefault(said["tags"][0], []).append(shown)
    return render_template(
        "api/docs.html",
        spec=spec,
        groups=groups,
        problems=problems(),
        events=EVENTS,
        schemas=spec["components"]["schemas"],
        type_of=type_of,
    )


def type_of(schema: dict[str, Any]) -> str:
    """A schema in a few words: a name, a type with its bounds, a list of these."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(type_of(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    if "const" in schema or "enum" in schema:
        return " or ".join(str(each) for each in schema.get("enum", [schema.get("const")]))
    return str(schema.get("format") or schema.get("type") or "anything")
