"""courier's channel type `external` as a `generic_http` sender: its request is a template here as well.

Placeholders stand with or without quotes there, in JSON with them here. `{{id}}` and `{{uuid}}` are our key of the
call, which reports give back as `id`.
"""

import re
from collections.abc import Mapping

from portal.channels.generic_http.fields import ANY, FORM, JSON, XML
from portal.takeover.exports import Line, Unusable

_TYPES: Mapping[str, str] = {"urlencoded": FORM, "json": JSON, "xml": XML}
_BARE = re.compile(r"""["']?\{\{\s*(\w+)\s*\}\}["']?""")
_OURS = {"id": "key", "uuid": "key"}
_NATIONAL = {"to": "to_national", "to_no_plus": "to_national"}
TOO_LONG = "courier cut texts at 160 characters; here max_length refuses longer ones, and none is set."


def credentials(line: Line, config: Line) -> dict[str, str]:
    """What the sender is set up with. Raises `Unusable`."""
    url = config.text("send_url")
    if not url:
        raise Unusable("An external channel has a send_url.")
    said = config.text("content_type") or "urlencoded"
    content_type = _TYPES.get(said, said.partition(";")[0].strip())
    method = (config.text("send_method", "method") or "POST").upper()
    names = _OURS | (_NATIONAL if config.flag("use_national", False) else {})
    body = config.text("send_body", "body") if method != "GET" else ""
    found = {
        "send_url": _renamed(url, names, ""),
        "method": method,
        "content_type": content_type,
        "body": _renamed(body, names, content_type),
        "headers": _headers(config),
        "from": line.text("address"),
        "success_text": config.text("mt_response_check") or ANY,
        "max_length": config.text("max_length"),
        "inbound_from": config.text("mo_from_field") or _path(config, "from_xpath"),
        "inbound_text": config.text("mo_text_field") or _path(config, "text_xpath"),
        "report_reference": "id",
    }
    return {name: value for name, value in found.items() if value}


def note(config: Line) -> str:
    """What is otherwise here, for the report."""
    return "" if config.text("max_length") else TOO_LONG


def _renamed(template: str, names: Mapping[str, str], content_type: str) -> str:
    quote = '"' if content_type == JSON else ""

    def named(match: re.Match[str]) -> str:
        return f"{quote}{{{{{names.get(match[1], match[1])}}}}}{quote}"

    return _BARE.sub(named, template) if quote or not content_type else _plain(template, names)


def _plain(template: str, names: Mapping[str, str]) -> str:
    """In forms and XML quotes are the template's own."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: f"{{{{{names.get(match[1], match[1])}}}}}", template)


def _headers(config: Line) -> str:
    value = config.values.get("sendheaders") or config.values.get("headers") or {}
    if not isinstance(value, dict):
        raise Unusable("Its headers are no JSON object.")
    lines = [f"{name}: {each}" for name, each in value.items() if name.lower() != "content-type"]
    if own := config.text("send_authorization"):
        lines.insert(0, f"Authorization: {own}")
    return "\n".join(lines)


def _path(config: Line, name: str) -> str:
    """`//message/from` as a path from the root, which is all that is followed here."""
    found = config.text(name).lstrip("/")
    if found and not re.fullmatch(r"[\w./@-]+", found):
        raise Unusable(f"Its {name} searches: write the place by hand, as a path from the root.")
    return found
